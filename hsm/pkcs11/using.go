//go:build pkcs11

package pkcs11

import (
	"context"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// using is which materials calls in progress have to do with, so that Forget can wait for them.
type using struct {
	mu    sync.Mutex
	by    map[p11.SessionHandle][]hsm.MaterialID
	freed chan struct{} // closed at the next end of a call; nil: nobody waits
}

// add notes that the call with session s is about to use a material.
func (u *using) add(s p11.SessionHandle, id hsm.MaterialID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.by == nil {
		u.by = map[p11.SessionHandle][]hsm.MaterialID{}
	}
	u.by[s] = append(u.by[s], id)
}

// end notes that the call with session s has ended.
func (u *using) end(s p11.SessionHandle) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if held := u.by[s]; held != nil {
		u.by[s] = held[:0]
	}
	if u.freed != nil {
		close(u.freed)
		u.freed = nil
	}
}

// gone forgets a session that is closed.
func (u *using) gone(s p11.SessionHandle) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.by, s)
}

// wait returns once no call uses a material. Error: ctx's.
func (u *using) wait(ctx context.Context, id hsm.MaterialID) error {
	for {
		freed := u.used(id)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// used is closed at the next end of a call where some call uses a material, nil where none does.
func (u *using) used(id hsm.MaterialID) <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, held := range u.by {
		for _, one := range held {
			if one == id {
				if u.freed == nil {
					u.freed = make(chan struct{})
				}
				return u.freed
			}
		}
	}
	return nil
}
