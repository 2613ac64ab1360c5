package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"trent/loadgen/workload"
)

// Signer is the signer as tests use it.
type Signer struct{ s *signer }

func NewSigner(c Credentials, region, host string) *Signer {
	return &Signer{newSigner(c, region, host)}
}

func (s *Signer) Append(dst []byte, operation string, body []byte, now time.Time) []byte {
	return s.s.appendRequest(dst, operation, body, now)
}

// Answer is a read answer.
type Answer struct {
	Status    int
	RequestID string
	Body      string
	Closes    bool
}

var (
	ErrMalformed = errMalformed
	ErrTruncated = errTruncated
	ErrClosed    = errClosed
)

// AnswerReader reads answers as a connection does.
type AnswerReader struct {
	in inbox
	a  answer
}

func NewAnswerReader() *AnswerReader {
	return &AnswerReader{in: inbox{data: make([]byte, 0, 4096), onRead: func() {}}}
}

func (r *AnswerReader) Read(source io.Reader) (status int, body []byte, err error) {
	r.in.source = source
	err = r.in.read(&r.a)
	return r.a.status, r.a.body, err
}

func ReadAnswer(source io.Reader) (Answer, error) {
	r := NewAnswerReader()
	_, _, err := r.Read(source)
	return Answer{r.a.status, string(r.a.requestID), string(r.a.body), r.a.closes}, err
}

func ErrorType(body []byte) string { return string(errorType(body)) }

// RunVirtually executes a plan over connections that dial makes, with a clock of the runtime's timers, which a synctest bubble fakes.
func RunVirtually(ctx context.Context, engine string, p *Plan, dial func() (net.Conn, error)) (Report, error) {
	d := &destination{host: "fake", addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
		dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return dial() }}
	simple := func(origin time.Time) clock { return timerClock{origin} }
	if engine == "sdk" {
		s, err := prepareSDK(ctx, p, d)
		if err != nil {
			return Report{}, err
		}
		s.newClock = simple
		return s.execute(), nil
	}
	r, err := prepareAt(ctx, p, d)
	if err != nil {
		return Report{}, err
	}
	r.newClock = simple
	if l, ok := p.Schedule.(ClosedLoop); ok {
		return r.closed(engine, l), nil
	}
	if engine == "vegeta" {
		return r.vegeta(), nil
	}
	return r.native(), nil
}

// NoKeys is the material of a workload without keys.
func NoKeys(w *workload.Workload, limit uint64) *Provisioned {
	p := &Provisioned{workload: w, budget: &budget{limit: limit}}
	p.plan()
	return p
}

// WorkersFor is the number of vegeta's workers.
func WorkersFor(rate float64, timeout time.Duration, connections int) int {
	return workersFor(rate, timeout, connections)
}

// Queue is the queue as tests use it: hits are their numbers.
type Queue struct{ q *queue }

func NewQueue(workers int) *Queue {
	return &Queue{newQueue(workers, nil, func() time.Duration { return 0 }, nil)}
}
func (q *Queue) Push(n uint64) {
	q.q.mu.Lock()
	defer q.q.mu.Unlock()
	q.q.push(pending{n: n, entry: -1})
}
func (q *Queue) Close()    { q.q.close() }
func (q *Queue) Most() int { return q.q.backlog() }

// Worker returns a pop of one worker.
func (q *Queue) Worker() func() (n uint64, free, ok bool) {
	w := newWorker()
	return func() (uint64, bool, bool) {
		hit, ok := q.q.pop(w)
		return hit.n, hit.free, ok
	}
}

// FakeKeys is material whose keys and artifacts are made up.
func FakeKeys(w *workload.Workload) *Provisioned {
	p := NoKeys(w, 0)
	for g := range p.keys {
		for i := range p.keys[g] {
			p.keys[g][i] = "1234abcd-12ab-34cd-56ef-1234567890ab"
		}
	}
	for e := range p.artifacts {
		for i := range p.artifacts[e] {
			p.artifacts[e][i] = artifact{"QUJD", "QUJD"}
		}
	}
	return p
}

// NewClock is the platform's clock.
func NewClock(origin time.Time) (now func() time.Duration, until func(ctx context.Context, moment, spin time.Duration) bool, stop func()) {
	c := newClock(origin)
	return c.now, c.until, c.close
}

// RunOn executes a plan by so many loops, or with a goroutine for each connection for 0.
func RunOn(ctx context.Context, loops int, p *Plan) (Report, error) {
	r, err := prepare(ctx, p)
	if err != nil {
		return Report{}, err
	}
	if loops == 0 {
		return r.threaded(), nil
	}
	report, ok := r.looped(loops)
	if !ok {
		return report, errors.New("no loops on this system")
	}
	return report, nil
}

// Records is one end of a record layer over memory.
type Records struct {
	*records
	inbound, outbound *memory
}

type memory struct{ data []byte }

// NewRecords is the end that sends with one secret and receives with another, by AES-128.
func NewRecords(sends, receives []byte) (*Records, error) {
	h := half{hash: sha256.New, key: 16}
	r := &Records{records: &records{incoming: h, outgoing: h}, inbound: &memory{}, outbound: &memory{}}
	r.under = r.memories()
	return r, errors.Join(r.incoming.use(receives), r.outgoing.use(sends))
}

// ConnectRecords makes what a sends arrive at b, and the other way round.
func ConnectRecords(a, b *Records) {
	a.outbound, b.outbound = b.inbound, a.inbound
	a.under, b.under = a.memories(), b.memories()
}

func (r *Records) memories() io.ReadWriter {
	return struct {
		io.Reader
		io.Writer
	}{r.inbound, r.outbound}
}

func (m *memory) Read(b []byte) (int, error) {
	if len(m.data) == 0 {
		return 0, errNothing
	}
	n := copy(b, m.data)
	m.data = m.data[n:]
	return n, nil
}

func (m *memory) Write(b []byte) (int, error) {
	m.data = append(m.data, b...)
	return len(b), nil
}

// Deliver makes bytes arrive at r; Sent is what it sent.
func (r *Records) Deliver(b []byte) {
	r.under = r.memories()
	r.inbound.data = append(r.inbound.data, b...)
}
func (r *Records) Sent() []byte { return r.outbound.data }

// UpdateKey changes the key that r sends with, asking the other end to change its own.
func (r *Records) UpdateKey() error {
	if err := r.write([]byte{messageKeyUpdate, 0, 0, 1, 1}, typeHandshake); err != nil {
		return err
	}
	return r.outgoing.update()
}

// SendRaw sends content of a type.
func (r *Records) SendRaw(content []byte, kind byte) error { return r.write(content, kind) }

// ErrNothing is a read of an end to which nothing was sent.
var ErrNothing = errNothing

var errNothing = errors.New("nothing to read")
