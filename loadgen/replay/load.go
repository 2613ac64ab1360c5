package replay

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
	"trent/results"
)

// ErrNothing is a log without a call that can be sent.
var ErrNothing = errors.New("no calls to the key service that a load test can send")

// LoadOptions say what is made of a log.
type LoadOptions struct {
	Options
	// Speed divides the time between calls; 0 is 1.
	Speed float64
	// Volume sends each call so many times, at moments of its second drawn anew; a fraction is drawn. 0 is 1.
	Volume float64
	Seed   uint64
	// FirstPart and LastPart keep so much from the beginning or up to the end of the log, which is read twice for it. 0: all.
	FirstPart, LastPart time.Duration
	// Dir is where the trace is written, a line a call; "": none is, and Open returns what the log holds and nothing to send.
	Dir string
}

// ErrTooLong is a log of more time than a schedule lasts.
var ErrTooLong = fmt.Errorf("the log spans more than %d days", schedule.MaxDuration/(24*time.Hour))

// Load is a log made ready to be sent.
type Load struct {
	Workload *workload.Workload
	Schedule *schedule.FileTrace
	Flows    []traffic.Flow // entry i of the workload's mix is flow i
	Trace    string         // path of the trace, gzipped
	Result   *results.ReplayResult
}

// Open reads the logs and makes a load of them. Errors: ErrNoFiles, *FileError, ErrNothing, and what kept the trace from being
// written.
func Open(paths []string, o LoadOptions) (*Load, error) {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Volume == 0 {
		o.Volume = 1
	}
	files, err := Find(paths)
	if err != nil {
		return nil, err
	}
	if err := o.part(files); err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, "arrivals.gz")
	var w *traceWriter
	if o.Dir == "" {
		w = newTraceWriter(nopCloser{io.Discard}, o.Volume, o.Seed)
		w.scan = true
	} else {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("writing the trace: %w", err)
		}
		w = newTraceWriter(file, o.Volume, o.Seed)
	}
	reading, err := Stream(files, o.Options, w.take)
	if err = errors.Join(err, w.close()); err != nil {
		return nil, err
	}
	if w.written == 0 {
		return nil, fmt.Errorf("%w: %d files with %d events of it", ErrNothing, reading.Files, reading.Events)
	}
	l := &Load{Trace: path, Flows: w.mapping.flows, Result: w.result(reading, o)}
	if o.Dir == "" {
		return l, nil
	}
	if l.Schedule, err = schedule.OpenTrace(path, o.Speed); err != nil {
		return nil, err
	}
	length := max(w.last-w.first, 1) // seconds
	for i := range l.Flows {
		l.Flows[i].Rate.Mean = float64(w.mapping.counts[i]) / float64(length)
	}
	compiled, err := traffic.Compile("replay", l.Flows, nil)
	if err != nil {
		return nil, fmt.Errorf("making a workload of the log: %w", err)
	}
	if l.Workload = compiled.Workload; len(l.Workload.Mix) != len(l.Flows) {
		return nil, fmt.Errorf("making a workload of the log: %d kinds of calls became %d entries", len(l.Flows), len(l.Workload.Mix))
	}
	return l, nil
}

// part turns the first or last part into times.
func (o *LoadOptions) part(files []string) error {
	if o.FirstPart <= 0 && o.LastPart <= 0 {
		return nil
	}
	all, err := Stream(files, o.Options, func(Event) error { return nil })
	switch {
	case err != nil || all.Events == 0:
		return err
	case o.FirstPart > 0:
		o.From, o.To = all.First, all.First.Add(o.FirstPart)
	default:
		end := all.Last.Add(time.Second) // the last second is part of it
		o.From, o.To = end.Add(-o.LastPart), end
	}
	return nil
}

// traceWriter writes the arrivals second by second: those within one are drawn evenly and sorted.
type traceWriter struct {
	file    io.WriteCloser
	scan    bool // nothing is written
	zip     *gzip.Writer
	out     *bufio.Writer
	volume  float64
	random  *rand.Rand
	mapping *mapping

	started     bool
	first, last int64 // seconds since 1970
	second      int64 // that is being gathered
	calls       []int32
	offsets     []int64 // ns within the second
	written     uint64
	peak        uint64
	peakAt      int64
	tally       tally
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func newTraceWriter(file io.WriteCloser, volume float64, seed uint64) *traceWriter {
	zip, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		panic("replay: " + err.Error()) // the level is a constant
	}
	return &traceWriter{file: file, zip: zip, out: bufio.NewWriterSize(zip, 64<<10), volume: volume, random: rand.New(rand.NewPCG(seed, 0x7265706c6179)),
		mapping: newMapping(), tally: newTally()}
}

func (w *traceWriter) take(e Event) error {
	at := e.Time.Unix()
	if !w.started {
		w.started, w.first, w.second = true, at, at
	}
	w.last = at
	w.tally.add(&e)
	if at != w.second {
		if err := w.flush(); err != nil {
			return err
		}
		w.second = at
	}
	flow, ok := w.mapping.flow(&e)
	if !ok {
		return nil
	}
	times := int(w.volume)
	if w.random.Float64() < w.volume-float64(times) {
		times++
	}
	w.mapping.counts[flow] += uint64(times)
	for range times {
		w.calls = append(w.calls, int32(flow))
	}
	return nil
}

// flush writes the second that is complete.
func (w *traceWriter) flush() error {
	if n := uint64(len(w.calls)); n > w.peak {
		w.peak, w.peakAt = n, w.second
	}
	w.offsets = w.offsets[:0]
	for range w.calls {
		w.offsets = append(w.offsets, w.random.Int64N(int64(time.Second)))
	}
	slices.Sort(w.offsets)
	if !w.scan && time.Duration(w.second-w.first+1)*time.Second > schedule.MaxDuration {
		return ErrTooLong
	}
	line := make([]byte, 0, 64)
	for i, flow := range w.calls {
		line = strconv.AppendInt(line[:0], w.second-w.first, 10)
		line = append(line, '.')
		fraction := strconv.FormatInt(w.offsets[i]+int64(time.Second), 10) // a leading 1 keeps the zeros
		line = append(line, fraction[1:]...)
		line = append(line, ' ')
		line = strconv.AppendInt(line, int64(flow), 10)
		line = append(line, '\n')
		if _, err := w.out.Write(line); err != nil {
			return fmt.Errorf("writing the trace: %w", err)
		}
	}
	w.written += uint64(len(w.calls))
	w.calls = w.calls[:0]
	return nil
}

func (w *traceWriter) close() error {
	err := errors.Join(w.flush(), w.out.Flush(), w.zip.Close(), w.file.Close())
	if err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	return nil
}

// Arrivals walks through the calls once more: for a plan, with times in the log's own time since midnight (UTC) of its first day.
// Close ends it.
func (l *Load) Arrivals() (*Arrivals, error) {
	file, err := os.Open(l.Trace)
	if err != nil {
		return nil, fmt.Errorf("reading the trace: %w", err)
	}
	zip, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the trace: %w", err), file.Close())
	}
	first := l.Result.First
	return &Arrivals{file: file, reader: schedule.NewTraceReader(zip), since: first.Sub(first.Truncate(24 * time.Hour))}, nil
}

// Arrivals gives calls in order.
type Arrivals struct {
	file   *os.File
	reader *schedule.TraceReader
	since  time.Duration
	err    error
}

// Next is the next call and its flow; ok is false after the last, and after an error.
func (a *Arrivals) Next() (at time.Duration, flow int, ok bool) {
	hit, err := a.reader.Read()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			a.err = err
		}
		return 0, 0, false
	}
	return a.since + hit.Due, int(hit.Entry), true
}

// Close closes the trace and returns what went wrong on the way.
func (a *Arrivals) Close() error { return errors.Join(a.err, a.file.Close()) }

// tally counts what a log holds, bounded.
type tally struct {
	operations, services, callers, keys, errors map[string]uint64
}

func newTally() tally {
	return tally{map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}}
}

// maxTallied bounds the names of a kind that are counted apart.
const maxTallied = 100_000

func (t *tally) add(e *Event) {
	for _, c := range []struct {
		counts map[string]uint64
		name   string
	}{{t.operations, e.Operation}, {t.services, e.Service}, {t.callers, e.Caller}, {t.keys, e.Key}, {t.errors, e.Error}} {
		if c.name == "" {
			continue
		}
		if _, ok := c.counts[c.name]; !ok && len(c.counts) >= maxTallied {
			c.name = otherName
		}
		c.counts[c.name]++
	}
}

// most lists the n largest counts.
func most(counts map[string]uint64, n int) []results.ReplayCount {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return 0
	})
	var out []results.ReplayCount
	for _, name := range names[:min(n, len(names))] {
		out = append(out, results.ReplayCount{Name: name, Count: counts[name]})
	}
	return out
}

// listed is how many callers and keys a record names.
const listed = 20

func (w *traceWriter) result(r *Reading, o LoadOptions) *results.ReplayResult {
	out := &results.ReplayResult{Files: r.Files, Bytes: r.Bytes, Events: r.Events, Outside: r.Outside, Late: r.Late, ShortWindows: r.ShortWindows,
		Window: o.Window, Disorder: r.LongestWindow, First: r.First, Last: r.Last, Speed: o.Speed, Volume: o.Volume, Calls: w.written,
		PeakCalls: w.peak, PeakAt: time.Unix(w.peakAt, 0).UTC(), Operations: most(w.tally.operations, 60), Services: most(w.tally.services, listed), Callers: most(w.tally.callers, listed),
		Keys: most(w.tally.keys, listed), Errors: most(w.tally.errors, listed), Skipped: most(w.mapping.skipped, 60), DistinctKeys: len(w.tally.keys), DistinctCallers: len(w.tally.callers), Shared: w.mapping.shared}
	if out.Window == 0 {
		out.Window = defaultWindow
	}
	return out
}
