package hsm

import (
	"container/list"
	"context"
	"sync"

	"trent/hsm/internal/algorithm"
)

// maxParsed bounds the parsed asymmetric keys that are kept, each of them up to some 10 KiB of heap.
const maxParsed = 512

// parsedKeys keeps parsed asymmetric keys, because parsing an RSA key costs as much as using it. They lie on
// the Go heap: the listed exception of this package. A key is parsed by the first call that needs it while
// the others wait, and wiped when idle, evicted or forgotten and no call is using it.
type parsedKeys struct {
	parse func(k *Key) (algorithm.Private, error)

	mu     sync.Mutex
	byName map[string]*parsedKey
	recent list.List // of *parsedKey, the latest first
	closed bool
}

// parsedKey is one key; fields below the line are guarded by parsedKeys.mu.
type parsedKey struct {
	name     string // token ‖ identity
	material MaterialID
	ready    chan struct{} // closed once key or err is set
	key      algorithm.Private
	err      error
	gone     chan struct{} // closed once nobody uses a removed key and it is wiped

	users   int
	place   *list.Element // nil: removed
	epoch   uint32
	emptied bool
}

// acquire returns k parsed, until release. The caller has compared k's metadata with the token's. Errors:
// those of parse, and ErrUnavailable after close.
func (p *parsedKeys) acquire(k *Key, epoch uint32) (*parsedKey, error) {
	name := string(k.Token) + string(k.Identity) // a token's length is in it, so that this is unambiguous
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrUnavailable
	}
	e, ok := p.byName[name]
	if ok {
		e.users++
		e.epoch = epoch
		p.recent.MoveToFront(e.place)
		p.mu.Unlock()
		<-e.ready
	} else {
		e = &parsedKey{name: name, material: k.Material, ready: make(chan struct{}), gone: make(chan struct{}), users: 1, epoch: epoch}
		e.place = p.recent.PushFront(e)
		p.byName[name] = e
		if p.recent.Len() > maxParsed {
			p.remove(p.recent.Back().Value.(*parsedKey))
		}
		p.mu.Unlock()
		e.key, e.err = p.parse(k)
		close(e.ready)
	}
	if e.err != nil {
		err := e.err
		p.mu.Lock()
		p.remove(e)
		p.mu.Unlock()
		p.release(e)
		return nil, err
	}
	return e, nil
}

// release ends a use.
func (p *parsedKeys) release(e *parsedKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.users--
	p.empty(e)
}

// remove takes e out; whoever uses it may go on. p.mu is held.
func (p *parsedKeys) remove(e *parsedKey) {
	if e.place == nil {
		return
	}
	p.recent.Remove(e.place)
	e.place = nil
	delete(p.byName, e.name)
	p.empty(e)
}

// empty wipes e if it is removed and unused. p.mu is held.
func (p *parsedKeys) empty(e *parsedKey) {
	if e.place != nil || e.users > 0 || e.emptied {
		return
	}
	e.emptied = true
	if e.key != nil {
		e.key.Wipe()
		e.key = nil
	}
	close(e.gone)
}

// removeWhere takes out the keys that match, and returns what to wait for.
func (p *parsedKeys) removeWhere(match func(*parsedKey) bool) []<-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	var gone []<-chan struct{}
	for _, e := range p.byName {
		if match(e) {
			p.remove(e)
			gone = append(gone, e.gone)
		}
	}
	return gone
}

// forget removes the keys of a material and waits until no call uses them.
func (p *parsedKeys) forget(ctx context.Context, m MaterialID) error {
	return wait(ctx, p.removeWhere(func(e *parsedKey) bool { return e.material == m }))
}

// idle removes unused keys whose last use lies two epochs back.
func (p *parsedKeys) idle(epoch uint32) {
	p.removeWhere(func(e *parsedKey) bool { return e.users == 0 && epoch-e.epoch >= 2 })
}

// close removes all keys and waits until no call uses one.
func (p *parsedKeys) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, gone := range p.removeWhere(func(*parsedKey) bool { return true }) {
		<-gone
	}
}

func wait(ctx context.Context, all []<-chan struct{}) error {
	for _, one := range all {
		select {
		case <-one:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
