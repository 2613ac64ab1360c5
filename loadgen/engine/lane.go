package engine

import (
	"time"

	"trent/loadgen/measure"
)

// retire ends a connection that has reached a limit of the plan.
func (l *lane) retire(now time.Duration) {
	if l.conn != nil && l.age.over(&l.run.plan.Connect, now) {
		l.drop()
	}
}

// reconnect opens the lane's connection within a time.
func (l *lane) reconnect(within time.Duration) error {
	r := l.run
	c, err := r.destination.connect(r.hard, within)
	if err != nil {
		return err
	}
	c.watch(r.hard)
	l.conn = c
	l.age.renew(&r.plan.Connect, r.plan.Seed, r.now())
	r.reconnects.Add(1)
	return nil
}

// handshaken ends a hit that was about its connection only.
func (l *lane) handshaken(begun, done time.Duration) (measure.Outcome, []byte) {
	l.sample.ConnFree, l.sample.FirstWrite, l.sample.FirstByte, l.sample.Done = begun, begun, done, done
	l.run.sent.Add(1)
	l.drop()
	return measure.OK, nil
}

// connectFailure sorts a connection that could not be made.
func (r *run) connectFailure(err error) (measure.Outcome, string) {
	if r.hard.Err() != nil {
		return r.cut()
	}
	return connectOutcome(err), connectFault(err)
}
