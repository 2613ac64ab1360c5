package link

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// open is a conduit that protects nothing.
type open struct{}

func (open) Seal(dst, plaintext []byte) ([]byte, error) {
	dst = append(dst, make([]byte, session.HeaderSize)...)
	dst = append(dst, plaintext...)
	return append(dst, make([]byte, session.Overhead-session.HeaderSize)...), nil
}

func (open) Open(dst, envelope []byte) ([]byte, error) {
	return append(dst, envelope[session.HeaderSize:len(envelope)-session.Overhead+session.HeaderSize]...), nil
}

func (open) Close() {}

// sink takes everything.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) Close() error                     { return nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }

// repeater is a module that gives back what it gets, as far as it fits.
type repeater struct{}

func (repeater) Do(c *hsm.Call) error {
	if cap(c.Out) < len(c.In) {
		return hsm.ErrShort
	}
	c.Out = append(c.Out, c.In...)
	return nil
}

func (repeater) Forget(context.Context, hsm.MaterialID) error { return nil }

func (repeater) Status(context.Context) (hsm.Status, error) { return hsm.Status{Healthy: true}, nil }

func (repeater) Identity(context.Context) (hsm.MemberIdentity, error) {
	return hsm.MemberIdentity{}, nil
}

func (repeater) Execute(_ context.Context, command []byte) ([]byte, error) { return command, nil }

func (repeater) Install(context.Context, []byte) error { return hsm.ErrStale }

func (repeater) Close() error { return nil }

var _ hsm.Member = repeater{}

// FuzzHost: whatever a host puts into an envelope, the module's end answers each request once, or refuses.
func FuzzHost(f *testing.F) {
	s, err := NewServer(ServerOptions{Module: repeater{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	for i, c := range someCalls() {
		f.Add(appendCall(appendCall(nil, uint32(i), &c, time.Second), 99, &c, 0))
	}
	for kind := kindCall; kind < numRequests; kind++ {
		f.Add(appendMessage(appendMessage(nil, 0, kind, nil), 7, kind, make([]byte, 32)))
	}
	f.Fuzz(func(t *testing.T, messages []byte) {
		p := newPort(s, sink{})
		p.out = newOutbox(sink{}, open{}, time.Second, func(err error) { t.Error(err) })
		p.out.writing = true // so that all answers stay
		requests := map[messageKind]int{}
		for b := messages; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				break
			}
			requests[m.kind|answerBit]++
			b = rest
		}
		err := p.handleAll(bytes.Clone(messages), time.Now())
		p.settled()
		answers := map[messageKind]int{}
		p.out.cutNow()
		for begin, i := 0, 0; i < len(p.out.queue.ends); i++ {
			end := p.out.queue.ends[i]
			for b := p.out.queue.buf[begin+envelopeHead : end-envelopeTail]; len(b) > 0; {
				m, rest, err := nextMessage(b)
				if err != nil {
					t.Fatal("a malformed answer")
				}
				answers[m.kind]++
				b = rest
			}
			begin = end
		}
		for kind, n := range answers {
			if n > requests[kind] || err == nil && n < requests[kind] {
				t.Errorf("%d requests of kind %d have %d answers", requests[kind], kind, n)
			}
		}
	})
}

// cutNow ends the frame that is being filled.
func (o *outbox) cutNow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue.buf) > o.queue.begin {
		o.queue.cut()
	}
}

// FuzzModule: whatever a module puts into an envelope, each request gets one result at the most, and a refusal leaves
// the entries as they were.
func FuzzModule(f *testing.F) {
	r := request{Call: hsm.Call{Out: []byte("out")}}
	f.Add(r.appendResult(nil, 1<<16|1, nil))
	f.Add(r.appendResult(r.appendResult(nil, 1<<16|1, nil), 1<<16|1, nil))
	f.Add(appendMessage(appendMessage(nil, 0, kindGoingAway, nil), 1<<16|2, kindStatus|answerBit, []byte{0, '{', '}'}))
	f.Add(appendMessage(r.appendResult(nil, 1<<16|3, hsm.ErrToken), 0, kindPing|answerBit, nil))
	f.Fuzz(func(t *testing.T, messages []byte) {
		l := &line{table: newTable(4), away: make(chan struct{})}
		calls := make([]hsm.Call, 4)
		for i := range calls {
			e, id := l.table.take(inline) // places 1, 2, 3, 0
			calls[i].Out = make([]byte, 0, 3)
			if e.kind, e.call = kindCall, &calls[i]; id&0xffff == 2 {
				e.kind, e.call = kindStatus, nil
			}
			l.table.arm(e)
			if id&0xffff == 3 && !l.table.abandon(e) {
				t.Fatal("not abandoned")
			}
		}
		err := l.handleAll(messages)
		done := 0
		for i := range l.table.entries {
			switch e := &l.table.entries[i]; e.state.Load() {
			case entryDone:
				done++
			case entryFilling, entryTaken:
				t.Errorf("entry %d is in state %d after %v", i, e.state.Load(), err)
			}
		}
		if left := int(l.table.pending.Load()); left < 4-done-1 || left > 4-done {
			t.Errorf("%d of 4 done, %d pending", done, left)
		}
		if abandoned := &calls[2]; len(abandoned.Out) != 0 || abandoned.Material != (hsm.MaterialID{}) {
			t.Error("an abandoned call has a result")
		}
	})
}
