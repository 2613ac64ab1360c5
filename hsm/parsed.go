package hsm

import (
	"bytes"
	"container/list"
	"context"
	"sync"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/gcm"
)

// maxParsed bounds the parsed asymmetric keys that are kept, each of them up to some 10 KiB of heap (RSA), ML-DSA's
// up to some 60.
const maxParsed = 512

// tokenTag is the end of a token, as good as random, under which its key is kept.
type tokenTag [gcm.TagSize]byte

// parsedKeys keeps parsed asymmetric keys, because parsing an RSA key costs as much as using it. They lie on
// the Go heap: the listed exception of this package. A key is parsed by the first call that needs it while
// the others wait, and wiped when idle, evicted or forgotten and no call is using it.
type parsedKeys struct {
	parse func(k *Key) (algorithm.Private, error)

	mu     sync.Mutex
	byTag  map[tokenTag]*parsedKey
	recent list.List // of *parsedKey, the latest first
	closed bool
}

// parsedKey is one key; fields below the line are guarded by parsedKeys.mu.
type parsedKey struct {
	tag             tokenTag
	token, identity []byte // what it was made from, for comparison
	material        MaterialID
	ready           chan struct{} // closed once key or err is set
	key             algorithm.Private
	err             error
	gone            chan struct{} // closed once nobody uses a removed key and it is wiped

	users   int
	place   *list.Element // nil: removed
	epoch   uint32
	emptied bool
}

// acquire returns k parsed, until release. The caller has compared k's metadata with the token's. Errors:
// those of parse, ErrToken, and ErrUnavailable after close.
func (p *parsedKeys) acquire(k *Key, epoch uint32) (*parsedKey, error) {
	tag := tokenTag(k.Token[len(k.Token)-len(tokenTag{}):])
	for {
		e, made, err := p.enter(tag, k, epoch)
		switch {
		case err != nil:
			return nil, err
		case made:
			e.key, e.err = p.parse(k)
			close(e.ready)
		default:
			<-e.ready
		}
		if e.err != nil {
			p.discard(e)
			if made {
				return nil, e.err
			}
			continue // another's failure: it may have been a forgery of this very token
		}
		if !made && !e.holds(k) {
			p.release(e)
			return nil, ErrToken // two tokens that are both good do not share a tag
		}
		return e, nil
	}
}

// enter finds the key of a tag, or makes a place for it, and counts the caller among its users. Error:
// ErrUnavailable.
func (p *parsedKeys) enter(tag tokenTag, k *Key, epoch uint32) (e *parsedKey, made bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, ErrUnavailable
	}
	if e, ok := p.byTag[tag]; ok {
		e.users++
		e.epoch = epoch
		p.recent.MoveToFront(e.place)
		return e, false, nil
	}
	e = &parsedKey{
		tag: tag, token: bytes.Clone(k.Token), identity: bytes.Clone(k.Identity), material: k.Material,
		ready: make(chan struct{}), gone: make(chan struct{}), users: 1, epoch: epoch,
	}
	e.place = p.recent.PushFront(e)
	p.byTag[tag] = e
	if p.recent.Len() > maxParsed {
		p.remove(p.recent.Back().Value.(*parsedKey))
	}
	return e, true, nil
}

// holds compares everything: what is kept ready does not stand in for the authentication of what is given.
func (e *parsedKey) holds(k *Key) bool {
	return bytes.Equal(e.token, k.Token) && bytes.Equal(e.identity, k.Identity)
}

// discard takes out a key that could not be parsed and ends the caller's use of it.
func (p *parsedKeys) discard(e *parsedKey) {
	p.mu.Lock()
	p.remove(e)
	p.mu.Unlock()
	p.release(e)
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
	delete(p.byTag, e.tag)
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
	for _, e := range p.byTag {
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
