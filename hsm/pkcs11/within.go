//go:build pkcs11

package pkcs11

import (
	"bytes"
	"context"
	"time"

	"trent/hsm"
)

// A command of a PKCS #11 library cannot be stopped, and a device behind a network may keep one for minutes. So a call
// with a deadline runs on copies of what it reads and writes: when its time is over the caller goes on with ErrDeadline,
// and the command ends when it ends, its session with it. There are no more such commands than sessions.

// grace is how much longer than its deadline a call takes at the most, so that one which got no session is told that it
// has not started.
const grace = 10 * time.Millisecond

// within runs c until its deadline. Error: ErrDeadline where the device has not answered by then.
func (m *Module) within(c *hsm.Call) error {
	inner := detach(c)
	done := make(chan error, 1)
	go func() { done <- m.run(inner) }()
	timer := time.NewTimer(time.Until(c.Deadline) + grace)
	defer timer.Stop()
	select {
	case err := <-done:
		if err == nil {
			c.Out, c.Secret, c.Public = took(c.Out, inner.Out), took(c.Secret, inner.Secret), took(c.Public, inner.Public)
			c.Material = inner.Material
		}
		wipe(inner)
		return err
	case <-timer.C:
		go m.abandon(inner, done)
		return hsm.ErrDeadline
	}
}

// abandon waits for a call that nobody waits for any more, and undoes it.
func (m *Module) abandon(c *hsm.Call, done <-chan error) {
	err := <-done
	wipe(c)
	if err != nil {
		return
	}
	k := hsm.Key{Token: took(nil, c.Out), Material: c.Material, Spec: c.Spec, Usage: c.Usage}
	switch c.Op {
	case hsm.OpGenerate:
		k.Identity = c.Key.Identity
	case hsm.OpAdopt:
		k.Identity, k.Spec, k.Usage = c.Target.Identity, c.Target.Spec, c.Target.Usage
	default:
		return
	}
	_ = m.Destroy(context.Background(), &k) // else a key that has no name stays in the device
}

// detach copies a call with all that it points to, and with empty room for its results of the same size.
func detach(c *hsm.Call) *hsm.Call {
	d := *c
	d.Key, d.Target = cloneKey(c.Key), cloneKey(c.Target)
	d.AAD, d.TargetAAD, d.Recipient = bytes.Clone(c.AAD), bytes.Clone(c.TargetAAD), bytes.Clone(c.Recipient)
	d.In, d.In2 = bytes.Clone(c.In), bytes.Clone(c.In2)
	d.Out, d.Secret, d.Public = room(c.Out), room(c.Secret), room(c.Public)
	return &d
}

func cloneKey(k *hsm.Key) *hsm.Key {
	if k == nil {
		return nil
	}
	c := *k
	c.Token, c.Identity = bytes.Clone(k.Token), bytes.Clone(k.Identity)
	return &c
}

// room has what b has left behind a first byte, so that what is full does not look like what is not wanted; none at all
// where b has none.
func room(b []byte) []byte {
	if cap(b) == 0 {
		return nil
	}
	return make([]byte, 1, 1+cap(b)-len(b))
}

// took appends what was made in a room to dst.
func took(dst, room []byte) []byte {
	if len(room) == 0 {
		return dst
	}
	return append(dst, room[1:]...)
}

// wipe overwrites what a detached call held of plaintexts.
func wipe(c *hsm.Call) {
	clear(c.Secret[:cap(c.Secret)])
	clear(c.In)
}
