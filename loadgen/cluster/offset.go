package cluster

import (
	"context"
	"fmt"
	"time"
)

// exchanges is how often a clock is asked; the answer with the shortest way counts.
const exchanges = 16

// clockOffset is what an agent's clock shows more than the coordinator's, as measured over the link.
type clockOffset struct {
	offset time.Duration
	rtt    time.Duration // of the exchange that counts, without the agent's own time: the offset is known to half of it
}

// uncertainty is how far the offset may be wrong: all of the way may have been on one side.
func (c clockOffset) uncertainty() time.Duration { return c.rtt / 2 }

// measureOffset exchanges readings as NTP does (RFC 5905, section 8): with the way equally long in both directions the agent's clock
// is offset by ((t2 − t1) + (t3 − t4)) ÷ 2. Of the exchanges the one with the shortest way is the least disturbed.
func (m *member) measureOffset(ctx context.Context, base time.Time) (clockOffset, error) {
	best := clockOffset{rtt: -1}
	for n := range exchanges {
		sent := time.Since(base)
		if err := m.send(ctx, &Message{Kind: KindPing, Ping: &Ping{Number: n}}); err != nil {
			return best, err
		}
		pong, err := m.pong(ctx)
		received := time.Since(base)
		if err != nil {
			return best, err
		}
		if pong.Number != n || pong.Sent < pong.Received {
			return best, fmt.Errorf("an answer to ping %d, after %d was sent", pong.Number, n)
		}
		rtt := max((received-sent)-(pong.Sent-pong.Received), 0)
		if best.rtt < 0 || rtt < best.rtt {
			best = clockOffset{offset: ((pong.Received - sent) + (pong.Sent - received)) / 2, rtt: rtt}
		}
	}
	return best, nil
}

// pong waits for an answer; progress that was on the way does not count.
func (m *member) pong(ctx context.Context) (*Pong, error) {
	for {
		message, err := m.receive(ctx, talkTimeout)
		switch {
		case err != nil:
			return nil, err
		case message.Kind == KindPong:
			return message.Pong, nil
		case message.Kind != KindProgress:
			return nil, fmt.Errorf("a message of kind %q where a clock was asked for", message.Kind)
		}
	}
}
