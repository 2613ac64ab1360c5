package link

import (
	"sync/atomic"

	"trent/hsm"
)

// States of an entry. Each step is a compare-and-swap, or its owner's alone.
const (
	entryFree      uint32 = iota
	entryTaken            // its caller writes into it
	entryArmed            // the request is on its way
	entryFilling          // whoever brings the answer, or the end of the connection, writes
	entryDone             // the caller may take the result
	entryAbandoned        // the caller is gone; the id waits for its answer
)

// entry is one request on its way. Its caller owns it while taken and done, whoever brings the result while filling.
type entry struct {
	state    atomic.Uint32
	turn     uint16       // how often it was used: half of the request id
	kind     messageKind  // of the request
	deadline atomic.Int64 // nanoseconds of the client's clock; 0: none
	leads    atomic.Bool  // its caller reads
	frame    uint64       // that holds the request
	call     *hsm.Call    // of a call: where the results go
	reply    []byte       // of others: the answer's body
	err      error
	// wake has room for one: it says "look again", so a leftover from the last use does no harm.
	wake chan struct{}
	_    [24]byte
}

// rouse makes the caller look again.
func (e *entry) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// table is the requests on their way over one connection; a request id is the entry's place and turn.
type table struct {
	entries  []entry
	next     atomic.Uint32 // where the next search begins
	used     atomic.Int32  // entries that are not free
	pending  atomic.Int32  // requests that wait for their answer
	forLong  uint32        // how many of the entries calls may have that take long
	anyRoom  queue         // of those who wait for any entry
	someRoom queue         // of those who wait for one of the first
}

// queue is where those wait who find no free entry.
type queue struct {
	waiters atomic.Int32
	wake    chan struct{}
}

// call wakes one.
func (r *queue) call() {
	if r.waiters.Load() != 0 {
		select {
		case r.wake <- struct{}{}:
		default: // enough wakings are on their way
		}
	}
}

func newTable(size int) *table {
	t := &table{entries: make([]entry, size), forLong: uint32(max(1, size*3/4))}
	t.anyRoom.wake, t.someRoom.wake = make(chan struct{}, size), make(chan struct{}, size)
	for i := range t.entries {
		t.entries[i].wake = make(chan struct{}, 1)
	}
	return t
}

// take finds a free entry; nil: there is none. Calls that take long leave some to the others.
func (t *table) take(l lane) (*entry, uint32) {
	n := uint32(len(t.entries))
	if l == long {
		n = t.forLong
	}
	i := t.next.Add(1) % n
	for range n {
		if e := &t.entries[i]; e.state.Load() == entryFree && e.state.CompareAndSwap(entryFree, entryTaken) {
			t.used.Add(1)
			e.turn++
			return e, uint32(e.turn)<<16 | i
		}
		if i++; i == n {
			i = 0
		}
	}
	return nil, 0
}

// arm: the request is on its way.
func (t *table) arm(e *entry) {
	t.pending.Add(1)
	e.state.Store(entryArmed)
}

// release gives back an entry by its owner.
func (t *table) release(e *entry) {
	e.call, e.reply, e.err = nil, nil, nil
	e.state.Store(entryFree)
	t.freed()
}

// claim makes the reader the owner of an entry, to fill it. false: its caller is gone; the entry is free again, and
// nothing of the call was touched.
func (t *table) claim(e *entry) bool {
	t.pending.Add(-1)
	if e.state.CompareAndSwap(entryArmed, entryFilling) {
		return true
	}
	// Abandoned: nobody else touches it now.
	t.release(e)
	return false
}

// deliver ends what claim began.
func (e *entry) deliver(err error) {
	e.err = err
	e.state.Store(entryDone)
	e.rouse()
}

func (t *table) freed() {
	t.used.Add(-1)
	t.anyRoom.call()
	t.someRoom.call()
}

// abandon leaves an entry whose time is over. false: its result is being written, and must be waited for.
func (t *table) abandon(e *entry) bool { return e.state.CompareAndSwap(entryArmed, entryAbandoned) }

// find is the entry of a request id; nil: no request of that id is on its way. For the reader alone, without whom no
// entry that is on its way becomes free.
func (t *table) find(id uint32) *entry {
	i := id & 0xffff
	if int(i) >= len(t.entries) {
		return nil
	}
	e := &t.entries[i]
	switch e.state.Load() {
	case entryArmed, entryAbandoned:
		if e.turn == uint16(id>>16) {
			return e
		}
	}
	return nil
}
