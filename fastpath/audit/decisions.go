package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// DecisionEntry is a decision for the log, as the chain hands it over. Strings are immutable and may be kept; a request can have
// several, in order.
type DecisionEntry struct {
	RequestID [36]byte
	At        time.Time
	Caller    string // ARN
	Action    string // "kms:Decrypt"
	Resource  string // ARN
	Allowed   bool
	Reason    uint8  // of authz
	Kind      uint8  // of the deciding policy
	Policy    string // hash of its text in hexadecimal; empty: none
	Statement int32  // its index; -1: none
	Also      string // hash of the second policy, where two were needed
	AlsoIndex int32  // of its statement
	Grant     string // id
}

// DecisionOptions are of a log of decisions.
type DecisionOptions struct {
	Dir         string // required
	MaxBytes    int64  // of all decisions; 0: DefaultDecisionBytes
	Shards      int    // 0: twice the number of cores
	BufferBytes int64  // of memory; 0: 8 MiB
	Logf        func(format string, args ...any)
}

// DefaultDecisionBytes holds some 300,000 decisions.
const DefaultDecisionBytes = 64 << 20

// Decisions keeps why requests were allowed or not, on disk, until newer ones take their room. It is safe for concurrent use, and
// owns one goroutine, which Close ends. Where the disk cannot keep up, decisions are dropped.
type Decisions struct {
	o       DecisionOptions
	buffer  *buffer[DecisionEntry]
	flushes chan chan error
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	kept    sync.Map // hashes of policies that are on disk
	err     error

	written, dropped, errors atomic.Uint64
}

// OpenDecisions continues a log or makes one.
func OpenDecisions(o DecisionOptions) (*Decisions, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultDecisionBytes
	}
	if o.Shards <= 0 {
		o.Shards = 2 * runtime.GOMAXPROCS(0)
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = 8 << 20
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, policyDir), 0o700); err != nil {
		return nil, fmt.Errorf("opening the log of decisions: %w", err)
	}
	d := &Decisions{
		o: o, buffer: newBuffer[DecisionEntry](o.Shards, int(o.BufferBytes/(chunkEntries*256+chunkText))),
		flushes: make(chan chan error), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	w, err := newRing(o.Dir, o.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("opening the log of decisions: %w", err)
	}
	go d.run(w)
	return d, nil
}

// Record takes a decision. It allocates nothing and waits for nothing but the copies of others.
func (d *Decisions) Record(shard int, e *DecisionEntry) {
	s := d.buffer.take(shard)
	slot := d.buffer.next(s, 0)
	if slot != nil {
		*slot = *e
	}
	s.release()
	if slot == nil {
		d.dropped.Add(1)
	}
}

func (d *Decisions) run(w *ring) {
	defer close(d.stopped)
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case c := <-d.buffer.full:
			d.consume(w, c)
		case <-ticker.C:
			_ = d.sweep(w)
		case done := <-d.flushes:
			done <- d.sweep(w)
		case <-d.stop:
			d.err = errors.Join(d.sweep(w), w.close())
			return
		}
	}
}

func (d *Decisions) consume(w *ring, c *chunk[DecisionEntry]) {
	for i := range c.entries {
		w.add(&c.entries[i])
	}
	d.buffer.recycle(c)
	if len(w.pending) >= writeBytes {
		_ = d.write(w)
	}
}

// write puts what is pending on disk. What cannot be written is dropped: newer decisions are worth more.
func (d *Decisions) write(w *ring) error {
	n := w.waiting
	if err := w.write(); err != nil {
		d.dropped.Add(n)
		if d.errors.Add(1) == 1 {
			d.o.Logf("decisions: %v; they are lost until the disk can be written", err)
		}
		return err
	}
	d.written.Add(n)
	return nil
}

func (d *Decisions) sweep(w *ring) error {
	var lost losses
	for range 2 {
		d.drain(w)
		d.buffer.sweep(&lost)
	}
	d.drain(w)
	return d.write(w)
}

func (d *Decisions) drain(w *ring) {
	for {
		select {
		case c := <-d.buffer.full:
			d.consume(w, c)
		default:
			return
		}
	}
}

// Flush returns when all that was recorded before is on disk.
func (d *Decisions) Flush() error {
	done := make(chan error, 1)
	select {
	case d.flushes <- done:
		return <-done
	case <-d.stopped:
		return d.err
	}
}

// Close writes what was recorded and ends the goroutine.
func (d *Decisions) Close() error {
	d.once.Do(func() { close(d.stop) })
	<-d.stopped
	return d.err
}

// Find is the decisions of a request in their order; none: it is unknown, or so old that its room was needed.
func (d *Decisions) Find(requestID string) ([]DecisionEntry, error) {
	if err := d.Flush(); err != nil {
		return nil, err
	}
	return FindDecisions(d.o.Dir, requestID)
}

const policyDir = "policies"

var policyHash = regexp.MustCompile(`^[0-9a-f]{16,128}$`)

// ErrPolicyHash is a hash that is none.
var ErrPolicyHash = errors.New("a policy's hash is 16 to 128 hexadecimal digits")

// Keep keeps the text of a policy under its hash, once. It is for the moment when policies are compiled, not for each request.
func (d *Decisions) Keep(hash, text string) error {
	if !policyHash.MatchString(hash) {
		return ErrPolicyHash
	}
	if _, known := d.kept.Load(hash); known {
		return nil
	}
	path := filepath.Join(d.o.Dir, policyDir, hash+".json")
	if _, err := os.Stat(path); err != nil {
		temporary := path + Part
		if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
			return fmt.Errorf("keeping a policy: %w", err)
		}
		if err := os.Rename(temporary, path); err != nil {
			return fmt.Errorf("keeping a policy: %w", err)
		}
	}
	d.kept.Store(hash, struct{}{})
	return nil
}

// Policy is the text of a policy that was kept. Errors: ErrPolicyHash, os.ErrNotExist.
func (d *Decisions) Policy(hash string) (string, error) { return ReadPolicy(d.o.Dir, hash) }

// ReadPolicy is Decisions.Policy for a directory.
func ReadPolicy(dir, hash string) (string, error) {
	if !policyHash.MatchString(hash) {
		return "", ErrPolicyHash
	}
	text, err := os.ReadFile(filepath.Join(dir, policyDir, hash+".json"))
	if err != nil {
		return "", fmt.Errorf("reading a policy: %w", err)
	}
	return string(text), nil
}
