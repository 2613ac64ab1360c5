package fastpath

import (
	"context"
	"errors"
	"time"

	"trent/fastpath/admin"
	"trent/fastpath/testclock"
)

var errNoTestClock = errors.New("the server has no test clock")

// ReadClock implements admin.Clock.
func (s *Server) ReadClock() admin.ClockReading {
	if s.testClock == nil {
		return admin.ClockReading{Now: time.Now().UTC()}
	}
	return admin.ClockReading{Now: s.testClock.Now().UTC(), Ahead: s.testClock.Offset()}
}

// AdvanceClock implements admin.Clock: it moves the test clock and returns when all is done that has fallen due by it.
func (s *Server) AdvanceClock(ctx context.Context, by time.Duration) error {
	return s.move(func(c *testclock.Clock) error { return c.Advance(by, s.catchUp(ctx)) })
}

// AdvanceClockTo implements admin.Clock.
func (s *Server) AdvanceClockTo(ctx context.Context, to time.Time) error {
	return s.move(func(c *testclock.Clock) error { return c.AdvanceTo(to, s.catchUp(ctx)) })
}

// move keeps Shutdown waiting while the clock moves.
func (s *Server) move(f func(*testclock.Clock) error) error {
	if s.testClock == nil {
		return errNoTestClock
	}
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.ctx.Err() != nil {
		return errors.New("the server has stopped")
	}
	return f(s.testClock)
}

// catchUp does the work of a move. What the move began is not cut short with its caller, only with the server.
func (s *Server) catchUp(ctx context.Context) func(time.Time, func(time.Time)) error {
	return func(until time.Time, step func(time.Time)) error {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		return s.worker.CatchUp(ctx, until, step)
	}
}
