package operation

import (
	"context"
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// usageTable holds in memory the last use of each key that was used lately; Flush carries them to the store. A use
// costs the request a search and an exchange of pointers: no lock, and an allocation only for a key that was idle.
//
// The blocks go round: a request fills a block of its own, swaps it for the one in the key's cell, and keeps that for
// its next use. Whoever holds a block holds it alone, so that none is ever read half-written.
type usageTable struct {
	buckets atomic.Pointer[[]atomic.Pointer[usageCell]]
	mu      sync.Mutex // of whoever adds or removes cells, or takes a block out to read it
	count   int
	flush   sync.Mutex // one at a time
}

// usageCell is one key's.
type usageCell struct {
	key   keyring.ID
	arn   string
	next  atomic.Pointer[usageCell]
	last  atomic.Pointer[usageBlock] // nil until the first use, and while a reader has it
	dirty atomic.Bool                // used since the last flush
	gone  atomic.Bool                // about to leave the table
}

// usageBlock is one use.
type usageBlock struct {
	at                 int64 // Unix time in seconds
	operation          wire.Operation
	requestID, eventID [36]byte
}

const firstUsageBuckets = 64

func newUsageTable() *usageTable {
	u := &usageTable{}
	b := make([]atomic.Pointer[usageCell], firstUsageBuckets)
	u.buckets.Store(&b)
	return u
}

// usageHash needs no seed: the server chooses key ids, at random. Copies of a multi-Region key share the id.
func usageHash(arn string) uint64 {
	if len(arn) < 20 {
		return uint64(len(arn))
	}
	var b [16]byte
	copy(b[:8], arn[len(arn)-8:])
	copy(b[8:], arn[12:20]) // of the Region
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b[:8])^binary.LittleEndian.Uint64(b[8:]), 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// find returns the key's cell, nil if it has none or if the table is being rebuilt.
func (u *usageTable) find(arn string) *usageCell {
	b := *u.buckets.Load()
	for c := b[usageHash(arn)&uint64(len(b)-1)].Load(); c != nil; c = c.next.Load() {
		if c.arn == arn {
			return c
		}
	}
	return nil
}

// add returns the key's cell, a new one if there is none.
func (u *usageTable) add(key *keyring.Snapshot) *usageCell {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c := u.find(key.ARN); c != nil {
		return c
	}
	if b := *u.buckets.Load(); u.count >= len(b) {
		u.rebuild(2 * len(b))
	}
	c := &usageCell{key: key.ID, arn: key.ARN}
	u.link(*u.buckets.Load(), c)
	u.count++
	return c
}

func (u *usageTable) link(b []atomic.Pointer[usageCell], c *usageCell) {
	head := &b[usageHash(c.arn)&uint64(len(b)-1)]
	c.next.Store(head.Load())
	head.Store(c)
}

// rebuild moves the cells into n buckets. Requests on the old ones may miss a cell, and come to add.
func (u *usageTable) rebuild(n int) {
	old := *u.buckets.Load()
	b := make([]atomic.Pointer[usageCell], n)
	for i := range old {
		for c := old[i].Load(); c != nil; {
			next := c.next.Load()
			u.link(b, c)
			c = next
		}
	}
	u.buckets.Store(&b)
}

// mark notes that the call has used a key.
func (u *usageTable) mark(c *Call, key *keyring.Snapshot, at int64) {
	for cell := u.find(key.ARN); ; cell = nil {
		if cell == nil {
			cell = u.add(key)
		}
		b := c.spare
		if b == nil {
			b = new(usageBlock)
		}
		*b = usageBlock{at: at, operation: c.Operation, requestID: c.RequestID, eventID: c.EventID}
		c.spare = cell.last.Swap(b)
		if !cell.dirty.Load() {
			cell.dirty.Store(true)
		}
		// The sweeper marks the cell before it looks whether the cell is dirty: one of both sees the other.
		if !cell.gone.Load() {
			return
		}
	}
}

// take copies what the cell holds, under mu. A request that comes in between leaves a newer block, and lacks one for
// its next use.
func (c *usageCell) take() (keyring.KeyUsage, bool) {
	b := c.last.Swap(nil)
	if b == nil {
		return keyring.KeyUsage{}, false
	}
	u := keyring.KeyUsage{Key: c.key, Usage: keyring.Usage{
		At: time.Unix(b.at, 0).UTC(), Operation: b.operation.String(), RequestID: string(b.requestID[:]), EventID: string(b.eventID[:]),
	}}
	c.last.CompareAndSwap(nil, b)
	return u, true
}

// read returns the key's last use, if it is one of those in memory.
func (u *usageTable) read(arn string) (keyring.Usage, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c := u.find(arn)
	if c == nil {
		return keyring.Usage{}, false
	}
	used, ok := c.take()
	return used.Usage, ok
}

// collect returns the uses since the last collection and their cells, and drops the cells that had none.
func (u *usageTable) collect() (used []keyring.KeyUsage, cells []*usageCell) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := *u.buckets.Load()
	for i := range b {
		link := &b[i]
		for c := link.Load(); c != nil; c = link.Load() {
			if c.dirty.Swap(false) {
				if one, ok := c.take(); ok {
					used, cells = append(used, one), append(cells, c)
				}
			} else if c.gone.Store(true); !c.dirty.Load() {
				link.Store(c.next.Load())
				u.count--
				continue
			} else {
				c.gone.Store(false)
			}
			link = &c.next
		}
	}
	if n := len(b); n > firstUsageBuckets && u.count < n/4 {
		u.rebuild(n / 2)
	}
	return used, cells
}

// FlushUsage writes the last uses of keys since the last FlushUsage to the store. Called once a minute and at the
// end, it writes each key at most once a minute. What could not be written is written by the next. Errors:
// store.ErrUnavailable, store.ErrAmbiguous, store.ErrConflict.
func (s *Service) FlushUsage(ctx context.Context) error {
	s.usages.flush.Lock()
	defer s.usages.flush.Unlock()
	used, cells := s.usages.collect()
	err := s.keys.KeepUsages(ctx, used)
	if err != nil {
		for _, c := range cells {
			c.dirty.Store(true)
		}
	}
	return err
}

// LastUses calls f with the last uses of keys that are in memory, in no order, until it returns false. Requests go on
// meanwhile; each key's is copied by itself.
func (s *Service) LastUses(f func(arn, operation string, at time.Time) bool) {
	s.usages.mu.Lock()
	var cells []*usageCell
	b := *s.usages.buckets.Load()
	for i := range b {
		for c := b[i].Load(); c != nil; c = c.next.Load() {
			cells = append(cells, c)
		}
	}
	s.usages.mu.Unlock()
	for _, c := range cells {
		s.usages.mu.Lock()
		used, ok := c.take()
		s.usages.mu.Unlock()
		if ok && !f(c.arn, used.Operation, used.At) {
			return
		}
	}
}
