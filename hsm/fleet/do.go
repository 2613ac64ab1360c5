package fleet

import (
	"context"
	"encoding/binary"
	"errors"
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

// try runs a call on one member after the other until one has answered it. tried are those not to ask.
func (f *Fleet) try(c *hsm.Call, tried uint32) error {
	key, keyed := placeOf(c)
	before := lengthsOf(c)
	last := hsm.ErrBusy
	for {
		m := f.pick(key, keyed, tried)
		if m == nil {
			if tried != 0 {
				return last // everyone has been asked
			}
			if err := f.await(c); err != nil {
				return err
			}
			continue
		}
		i := m.index
		tried |= 1 << i
		err := f.ask(m, c, before)
		if err == nil || !again(err, c.Op) {
			return err
		}
		if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
			return hsm.ErrDeadline
		}
		before.undo(c)
		last = err
	}
}

// again says whether a call that ended so may be given to another member.
func again(err error, op hsm.Op) bool {
	switch {
	case errors.Is(err, hsm.ErrBusy), errors.Is(err, hsm.ErrOutOfService):
		return true
	case errors.Is(err, hsm.ErrUnavailable):
		return Retryable(op)
	}
	return false
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
	case errors.Is(err, hsm.ErrOutOfService), errors.Is(err, hsm.ErrUnavailable):
		m.failed.Add(1)
		m.out(err)
	case errors.Is(err, hsm.ErrBusy):
		m.failed.Add(1)
		m.look() // busy, or gone: its watch finds out
	}
	return err
}

// do counts a call while it runs.
func (m *member) do(c *hsm.Call) error {
	m.inFlight.Add(1)
	err := m.Module.Do(c)
	m.inFlight.Add(-1)
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

// await waits for a member to come into service. Errors: ErrBusy after Patience, ErrDeadline, ErrUnavailable after
// Close.
func (f *Fleet) await(c *hsm.Call) error {
	limit, cause := f.o.Patience, hsm.ErrBusy
	if !c.Deadline.IsZero() {
		if left := time.Until(c.Deadline); left < limit {
			limit, cause = left, hsm.ErrDeadline
		}
	}
	timer := time.NewTimer(max(limit, 0))
	defer timer.Stop()
	for {
		if f.closed.Load() {
			return hsm.ErrUnavailable
		}
		change := *f.change.Load()
		if f.idlest(0) != nil {
			return nil
		}
		select {
		case <-change:
		case <-timer.C:
			return cause
		}
	}
}
