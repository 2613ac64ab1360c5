package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"trent/hsm"
)

// Retryable says whether a call that may have run can be run again elsewhere without leaving anything behind. Those
// that make keys cannot: a module over a device would keep the first key.
func Retryable(op hsm.Op) bool {
	switch op {
	case hsm.OpGenerate, hsm.OpGeneratePool, hsm.OpAdopt, hsm.OpDataKeyPair, hsm.OpWrappingKey, hsm.OpImport:
		return false
	}
	return true
}

// placeOf is what a call's key is placed by; false: it has none.
func placeOf(c *hsm.Call) (uint64, bool) {
	k := c.Key
	if k == nil {
		return 0, false
	}
	if k.Material != (hsm.MaterialID{}) {
		return binary.LittleEndian.Uint64(k.Material[:]), true
	}
	if n := len(k.Token); n >= 8 { // the end of a token is a tag, as good as random
		return binary.LittleEndian.Uint64(k.Token[n-8:]), true
	}
	return 0, false
}

// lengths is how much of a call's results was there before.
type lengths struct{ out, secret, public int }

func lengthsOf(c *hsm.Call) lengths { return lengths{len(c.Out), len(c.Secret), len(c.Public)} }

// undo takes back what a failed try may have left.
func (l lengths) undo(c *hsm.Call) {
	clear(c.Secret[l.secret:])
	c.Out, c.Secret, c.Public = c.Out[:l.out], c.Secret[:l.secret], c.Public[:l.public]
}

// Do implements hsm.Module.
func (f *Fleet) Do(c *hsm.Call) error {
	if f.o.HedgeAfter > 0 && Retryable(c.Op) && len(f.members) > 1 {
		return f.hedge(c)
	}
	return f.try(c, 0)
}

// mostLost bounds how often a call is tried again that may have run: one that ends its modules must not end all.
const mostLost = 2

// try runs a call on one member after the other until one has answered it. tried are those not to ask.
func (f *Fleet) try(c *hsm.Call, tried uint64) error {
	key, keyed := placeOf(c)
	before := lengthsOf(c)
	var last error
	var until time.Time // how long it waits for members; zero: it has not waited yet
	for lost := 0; ; {
		m := f.pick(key, keyed, tried)
		if m == nil {
			if last == hsm.ErrBusy { // and not what wraps it: all are there, and have too much to do
				return last
			}
			if err := f.await(c, &until, last); err != nil {
				return err
			}
			tried = 0
			continue
		}
		tried |= 1 << m.index
		if !m.enter() {
			continue // it left meanwhile, before the call got there
		}
		err := f.ask(m, c, before)
		m.leave()
		if err == nil || !again(err, c.Op) {
			return err
		}
		if !notStarted(err) {
			if lost++; lost > mostLost {
				return err
			}
		}
		if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
			return hsm.ErrDeadline
		}
		before.undo(c)
		last = err
	}
}

// notStarted says whether a call that ended so has left nothing anywhere. Links wrap ErrBusy where they have lost
// their module before it got the call.
func notStarted(err error) bool {
	return errors.Is(err, hsm.ErrBusy) || errors.Is(err, hsm.ErrOutOfService)
}

// again says whether a call that ended so may be given to another member.
func again(err error, op hsm.Op) bool {
	return notStarted(err) || errors.Is(err, hsm.ErrUnavailable) && Retryable(op)
}

// ask runs a call on a member and draws the conclusions.
func (f *Fleet) ask(m *member, c *hsm.Call, before lengths) error {
	err := m.do(c)
	if err == nil {
		return nil
	}
	if errors.Is(err, hsm.ErrDomain) && f.bring(m, c) {
		before.undo(c)
		err = m.do(c)
	}
	switch {
	case err == hsm.ErrBusy:
		m.failed.Add(1)
		m.look() // too much to do, or worse: its watch finds out
	case notStarted(err), errors.Is(err, hsm.ErrUnavailable):
		m.failed.Add(1)
		m.out(err)
	}
	return err
}

// enter counts a call in flight; false: the member went out of service after it was picked. Whoever takes a member out says
// so before it looks at the calls in flight, and a call is counted before it looks whether the member is out: so one of the
// two sees the other.
func (m *member) enter() bool {
	m.inFlight.Add(1)
	if m.serving() {
		return true
	}
	m.leave()
	return false
}

func (m *member) leave() { m.inFlight.Add(-1) }

// do runs a call and counts it.
func (m *member) do(c *hsm.Call) error {
	err := m.Module.Do(c)
	m.calls.Add(1)
	if err == nil && m.strikes.Load() != 0 {
		m.strikes.Store(0)
	}
	return err
}

// bring is deliver within a call's deadline.
func (f *Fleet) bring(m *member, c *hsm.Call) bool {
	if f.o.Deliver == nil {
		return false
	}
	until := c.Deadline
	if until.IsZero() {
		until = time.Now().Add(probeLimit)
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	return f.deliver(ctx, m)
}

// await waits for a member to come into service, for all waits of a call together no longer than Patience. Errors:
// ErrDeadline; ErrUnavailable, with the last failure, when nobody came.
func (f *Fleet) await(c *hsm.Call, until *time.Time, last error) error {
	now := time.Now()
	if until.IsZero() {
		*until = now.Add(f.o.Patience)
	}
	limit := until.Sub(now)
	if limit < 0 && last != nil { // members come, and fail again
		return nobody(last)
	}
	late := !c.Deadline.IsZero() && c.Deadline.Before(*until)
	if late {
		limit = c.Deadline.Sub(now)
	}
	timer := time.NewTimer(max(limit, 0))
	defer timer.Stop()
	for {
		change := *f.change.Load()
		if f.closed.Load() {
			return hsm.ErrUnavailable
		}
		if f.idlest(0) != nil {
			return nil
		}
		select {
		case <-change:
		case <-timer.C:
			if late {
				return hsm.ErrDeadline
			}
			return nobody(last)
		}
	}
}

// errNobody is a fleet all of whose members are out.
var errNobody = fmt.Errorf("%w: no module is in service", hsm.ErrUnavailable)

// nobody is errNobody with the last failure, if there was one.
func nobody(last error) error {
	if last == nil {
		return errNobody
	}
	return fmt.Errorf("%w: %v", errNobody, last)
}
