package measure

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Config is what a recorder keeps.
type Config struct {
	// Entries are the names of the workload's entries, by index.
	Entries []string
	// MaxBlocks bounds the blocks kept for each entry; a run that outgrows it gets blocks of twice the width. 0 is 900.
	MaxBlocks int
	// LagsFrom leaves the lags of hits due before it out: a warm-up must not void what is judged.
	LagsFrom time.Duration
	// Raw, if given, gets every sample. The caller closes it after Summary.
	Raw *RawLog
}

// Recorder takes the samples of one run. Its methods are safe for concurrent use.
type Recorder struct {
	names names

	mu      sync.Mutex // guards everything below, and the reading end of every shard
	config  Config
	shards  []*Shard
	sets    []entrySet
	width   time.Duration
	slab    slab // where blocks that take no more samples keep theirs
	full    bool // the slab is
	clamp   uint64
	counts  Counts
	recent  *hdr.Histogram // latencies of good answers since the last Counts
	adopted *Summary       // of other recorders; see Adopt
}

// entrySet is what is kept of an entry. Histograms are made on first use.
type entrySet struct {
	outcomes [NumOutcomes]Distribution
	lags     [4]*hdr.Histogram // pacer, wait, send, client
	errors   map[uint16]uint64
	blocks   []*openBlock // by due time ÷ width; nil where nothing was due
	open     []int        // those with a buffer for samples
}

// NewRecorder makes an empty recorder.
func NewRecorder(c Config) *Recorder {
	if c.MaxBlocks <= 0 {
		c.MaxBlocks = 900
	}
	c.Entries = slices.Clone(c.Entries)
	r := &Recorder{config: c, sets: make([]entrySet, len(c.Entries)), width: time.Second,
		recent: hdr.New(int64(Lowest), int64(Highest), OtherDigits)}
	r.slab.init()
	r.names.init()
	for i := range r.sets {
		r.sets[i].errors = map[uint16]uint64{}
	}
	if c.Raw != nil {
		c.Raw.start(func(entry, name uint16) (string, string) { return c.Entries[entry], r.names.name(name) })
	}
	return r
}

// Intern returns the number of an error name for Sample.ErrorName, without allocation for a known name. The table is bounded:
// once it is full, new names count as "other".
func (r *Recorder) Intern(name []byte) uint16 { return r.names.intern(name) }

// ringSize is the number of samples a shard holds before they are drained; a power of two.
const ringSize = 256

// Shard is one worker's way into the recorder. It has one user at a time.
type Shard struct {
	recorder *Recorder
	ring     [ringSize]Sample
	head     atomic.Uint64 // next to write; moved by the worker only
	_        [56]byte      // keeps the two ends on separate cache lines
	tail     atomic.Uint64 // next to drain; moved under Recorder.mu only
}

// NewShard makes a shard for one worker.
func (r *Recorder) NewShard() *Shard {
	s := &Shard{recorder: r}
	r.mu.Lock()
	r.shards = append(r.shards, s)
	r.mu.Unlock()
	return s
}

// Record keeps a sample. It neither allocates nor locks, except that every 256th sample drains the shard.
func (s *Shard) Record(sample *Sample) {
	head := s.head.Load()
	if head-s.tail.Load() == ringSize {
		s.recorder.mu.Lock()
		s.recorder.drain(s)
		s.recorder.mu.Unlock()
	}
	s.ring[head%ringSize] = *sample
	s.head.Store(head + 1)
}

func (r *Recorder) drainAll() {
	for _, s := range r.shards {
		r.drain(s)
	}
}

func (r *Recorder) drain(s *Shard) {
	tail, head := s.tail.Load(), s.head.Load()
	for ; tail != head; tail++ {
		r.add(&s.ring[tail%ringSize])
	}
	s.tail.Store(tail)
}

func (r *Recorder) add(s *Sample) {
	if int(s.Entry) >= len(r.sets) || s.Outcome >= NumOutcomes {
		panic("measure: sample of an unknown entry or outcome")
	}
	set := &r.sets[s.Entry]
	digits := OtherDigits
	if s.Outcome == OK {
		digits = SuccessDigits
	}
	d := &set.outcomes[s.Outcome]
	d.Count++
	latency := s.Latency()
	if s.Outcome != NeverSent {
		r.record(&d.Latency, latency, digits)
		r.record(&d.Service, s.Service(), digits)
	}
	if s.Due >= r.config.LagsFrom {
		r.record(&set.lags[0], s.PacerLag(), OtherDigits)
		r.record(&set.lags[1], s.Wait(), OtherDigits)
		r.record(&set.lags[2], s.SendLag(), OtherDigits)
		r.record(&set.lags[3], s.ClientLag(), OtherDigits)
	}
	if s.Outcome != OK {
		set.errors[s.ErrorName]++
	}
	r.block(set, s.Due).add(s.Outcome, min(max(latency, Lowest), Highest))
	if s.Outcome == OK {
		r.block(set, s.Done).answered++
	}
	r.count(s, latency)
	if r.config.Raw != nil {
		r.config.Raw.add(s)
	}
}

// record keeps a value in a histogram that it makes on first use.
func (r *Recorder) record(h **hdr.Histogram, v time.Duration, digits int) {
	if v == Never {
		return
	}
	if *h == nil {
		*h = hdr.New(int64(Lowest), int64(Highest), digits)
	}
	// A lag below 100 ns is a lag of nothing, not a value lost; only the upper end is worth a count.
	if v > Highest {
		v = Highest
		r.clamp++
	}
	if err := (*h).RecordValue(int64(max(v, Lowest))); err != nil {
		panic("measure: clamped value refused: " + err.Error())
	}
}

// widest is the width up to which blocks are joined for want of room, chosen; wider ones take it from the heap.
const widest = time.Hour

// block returns the block of a moment, doubling the width of all blocks while the moment lies beyond the last, or where there is no
// more room for them.
func (r *Recorder) block(set *entrySet, at time.Duration) *openBlock {
	for r.full && r.width < widest || int(max(at, 0)/r.width) >= r.config.MaxBlocks {
		r.double()
	}
	i := int(max(at, 0) / r.width)
	for len(set.blocks) <= i {
		set.blocks = append(set.blocks, nil)
	}
	if set.blocks[i] == nil {
		set.blocks[i] = &openBlock{coarse: r.width > time.Second}
	}
	r.settle(set, i)
	return set.blocks[i]
}

// settle opens block i for samples. Those that were open and lie two or more before it are counted and kept, and one of their
// buffers goes to the new one, so that buffers do not pile up.
func (r *Recorder) settle(set *entrySet, i int) {
	b := set.blocks[i]
	if b.raw != nil {
		return
	}
	still := set.open[:0]
	for _, j := range set.open {
		if j+2 > i {
			still = append(still, j)
			continue
		}
		old := set.blocks[j]
		old.compact()
		b.raw, old.raw = old.raw, nil
		r.keep(old)
	}
	set.open = append(still, i)
	if b.raw == nil {
		b.raw = make([]uint32, 0, 64)
	}
}

// keep moves the samples of a block to the slab.
func (r *Recorder) keep(b *openBlock) {
	var ok bool
	if b.counts, ok = r.slab.keep(b.counts); !ok {
		r.full = true
	}
}

func (r *Recorder) double() {
	r.width *= 2
	r.full = false
	r.slab.turn()
	for i := range r.sets {
		set := &r.sets[i]
		half := make([]*openBlock, 0, len(set.blocks)/2+1)
		for j, b := range set.blocks {
			if b != nil {
				b.coarsen()
			}
			switch {
			case j%2 == 0:
				half = append(half, b)
			case half[j/2] == nil:
				half[j/2] = b
			case b != nil:
				half[j/2].absorb(b)
			}
		}
		set.blocks = half
		set.open = set.open[:0]
		for j, b := range half {
			if b == nil {
				continue
			}
			if b.raw != nil {
				set.open = append(set.open, j)
			}
			r.keep(b) // an open one too: what it has so far may lie in the half that was turned away
		}
	}
}

// Counts is the state of a run for a progress display.
type Counts struct {
	Outcomes [NumOutcomes]uint64
	Done     uint64 // hits with any outcome
	// P50, P99 and Max are latencies of the good answers since the previous Counts; a percentile is 0 where fewer than 20
	// answers lie beyond it.
	P50, P99, Max time.Duration
	Entries       []EntryCounts // by index
}

// EntryCounts is how many hits of an entry ended how, so far.
type EntryCounts struct {
	Name     string
	Outcomes [NumOutcomes]uint64
}

func (r *Recorder) count(s *Sample, latency time.Duration) {
	r.counts.Outcomes[s.Outcome]++
	r.counts.Done++
	if s.Outcome != OK {
		return
	}
	r.counts.Max = max(r.counts.Max, latency)
	if err := r.recent.RecordValue(int64(min(max(latency, Lowest), Highest))); err != nil {
		panic("measure: clamped value refused: " + err.Error())
	}
}

// Counts drains the shards and returns the counts so far, with percentiles since the previous call. It takes turns with the
// workers: draining all shards at once would keep a single CPU from sending for milliseconds.
func (r *Recorder) Counts() Counts {
	for i := 0; r.drainOne(i); i++ {
		runtime.Gosched()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	c.P50, c.P99 = recentPercentile(r.recent, 0.5), recentPercentile(r.recent, 0.99)
	r.recent.Reset()
	r.counts.Max = 0
	c.Entries = make([]EntryCounts, len(r.sets))
	for i := range r.sets {
		c.Entries[i].Name = r.config.Entries[i]
		for o := range r.sets[i].outcomes {
			c.Entries[i].Outcomes[o] = r.sets[i].outcomes[o].Count
		}
	}
	return c
}

// drainOne drains shard i; it reports whether there is one.
func (r *Recorder) drainOne(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(r.shards) {
		return false
	}
	r.drain(r.shards[i])
	return true
}

func recentPercentile(h *hdr.Histogram, q float64) time.Duration {
	n := uint64(h.TotalCount())
	if n == 0 || n-rankOf(q, n) < 20 {
		return 0
	}
	return Quantile(h, q)
}

// Summary drains the shards and returns a copy of everything measured so far.
func (r *Recorder) Summary() *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drainAll()
	s := &Summary{Errors: map[string]uint64{}, Clamped: r.clamp, Width: r.width, MaxBlocks: r.config.MaxBlocks}
	for i := range r.sets {
		e := r.sets[i].summary(r.config.Entries[i], &r.names, r.width)
		s.Errors = mergeCounts(s.Errors, e.Errors)
		s.Entries = append(s.Entries, e)
	}
	if r.adopted != nil {
		if err := s.Merge(r.adopted); err != nil {
			panic("measure: an adopted summary that cannot be merged: " + err.Error())
		}
	}
	return s
}

func (set *entrySet) summary(name string, names *names, width time.Duration) Entry {
	e := Entry{Name: name, Errors: map[string]uint64{}}
	for o, d := range set.outcomes {
		e.Outcomes[o] = Distribution{Count: d.Count, Latency: clone(d.Latency), Service: clone(d.Service)}
	}
	e.Pacer, e.Wait, e.Send, e.Client = clone(set.lags[0]), clone(set.lags[1]), clone(set.lags[2]), clone(set.lags[3])
	for id, n := range set.errors {
		e.Errors[names.name(id)] += n
	}
	for i, b := range set.blocks {
		if b != nil && !b.empty() {
			e.Blocks = append(e.Blocks, b.snapshot(time.Duration(i)*width))
		}
	}
	return e
}

// names is a bounded table of error names, read without a lock.
type names struct {
	mu    sync.Mutex
	table atomic.Pointer[nameTable]
}

type nameTable struct {
	ids  map[string]uint16
	list []string
}

// maxNames bounds the table: names come from the server.
const maxNames = 256

// maxNameLength bounds one name; longer ones are cut.
const maxNameLength = 64

// other is the number of the names beyond the bound.
const other = 1

func (n *names) init() {
	n.table.Store(&nameTable{ids: map[string]uint16{"unnamed": 0, "other": other}, list: []string{"unnamed", "other"}})
}

func (n *names) intern(name []byte) uint16 {
	if len(name) == 0 {
		return 0
	}
	name = name[:min(len(name), maxNameLength)]
	if id, ok := n.table.Load().ids[string(name)]; ok {
		return id
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.table.Load()
	if id, ok := old.ids[string(name)]; ok {
		return id
	}
	if len(old.list) >= maxNames {
		return other
	}
	next := &nameTable{ids: maps.Clone(old.ids), list: append(slices.Clone(old.list), string(name))}
	id := uint16(len(old.list))
	next.ids[string(name)] = id
	n.table.Store(next)
	return id
}

func (n *names) name(id uint16) string {
	if list := n.table.Load().list; int(id) < len(list) {
		return list[id]
	}
	return "unnamed"
}
