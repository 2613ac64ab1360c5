package audit

import (
	"crypto/sha256"
	"encoding/hex"
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

// DecisionEntry is a decision for the log, as the chain hands it over. Caller and Action are immutable and may be kept; Resource
// and Grant may be views that end when Record returns, and are copied. A request can have several.
type DecisionEntry struct {
	RequestID [36]byte
	At        time.Time
	Caller    string // ARN
	Action    string // "kms:Decrypt"
	Resource  string // ARN
	Allowed   bool
	Reason    uint8    // of authz
	Kind      uint8    // of the deciding policy
	Policy    [32]byte // SHA-256 of its text; zero: none
	Statement int32    // its index; -1: none
	Also      [32]byte // of the second policy, where two were needed
	AlsoIndex int32    // of its statement
	Grant     string   // id
	Place     uint8    // among the request's decisions, from 0
	// PolicyText and AlsoText are the texts of both policies, where the chain has them at hand: immutable, and kept under their
	// hashes rather than in the log.
	PolicyText, AlsoText string
}

// DecisionOptions are of a log of decisions.
type DecisionOptions struct {
	Dir         string // required
	MaxBytes    int64  // of all decisions; 0: DefaultDecisionBytes
	Shards      int    // 0: twice the number of cores
	BufferBytes int64  // of memory; 0: 8 MiB
	// Text finds the text of a decision's policy, to be kept under its hash; nil, and where it gives nil: it is not kept.
	Text func(e *DecisionEntry) []byte
	Logf func(format string, args ...any)
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
	mu      sync.Mutex
	kept    map[[32]byte]struct{} // hashes of policies that are on disk, or that nobody knows the text of
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
		o: o, buffer: newBuffer[DecisionEntry](o.Shards, int(o.BufferBytes/(chunkEntries*288+chunkText))),
		kept:    map[[32]byte]struct{}{},
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
	slot := d.buffer.next(s, len(e.Resource)+len(e.Grant))
	if slot != nil {
		*slot = *e
		slot.Resource, slot.Grant = s.current.keepString(e.Resource), s.current.keepString(e.Grant)
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
		d.keepTexts(&c.entries[i])
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

var policyHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ErrPolicyHash is a hash that is none.
var ErrPolicyHash = errors.New("a policy's hash is 64 hexadecimal digits, its SHA-256")

// maxKept bounds the policies that a process looks after, and with it their files: with more, those that come later have none.
const maxKept = 1 << 16

// keepTexts sees to it that the texts of the deciding policies are on disk.
func (d *Decisions) keepTexts(e *DecisionEntry) {
	if d.missing(e.Policy) {
		text := []byte(e.PolicyText)
		if e.PolicyText == "" && d.o.Text != nil {
			text = d.o.Text(e)
		}
		d.keepText(e.Policy, text)
	}
	if d.missing(e.Also) {
		d.keepText(e.Also, []byte(e.AlsoText))
	}
}

// keepText keeps a text, unless it is not the one that decided: it may have changed meanwhile.
func (d *Decisions) keepText(sum [32]byte, text []byte) {
	if sha256.Sum256(text) != sum {
		return
	}
	if err := d.Keep(sum, text); err != nil && d.errors.Add(1) == 1 {
		d.o.Logf("decisions: %v", err)
	}
}

// missing tells whether a policy is to be kept.
func (d *Decisions) missing(sum [32]byte) bool { return sum != [32]byte{} && !d.keeps(sum) }

func (d *Decisions) keeps(sum [32]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.kept[sum]
	return known || len(d.kept) >= maxKept
}

// Keep keeps the text of a policy under its hash, where it is not kept yet.
func (d *Decisions) Keep(sum [32]byte, text []byte) error {
	hash := hex.EncodeToString(sum[:])
	path := filepath.Join(d.o.Dir, policyDir, hash+".json")
	if _, err := os.Stat(path); err != nil {
		temporary := path + Part
		if err := os.WriteFile(temporary, text, 0o600); err != nil {
			return fmt.Errorf("keeping a policy: %w", err)
		}
		if err := os.Rename(temporary, path); err != nil {
			return fmt.Errorf("keeping a policy: %w", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[sum] = struct{}{}
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
