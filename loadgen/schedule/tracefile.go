package schedule

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// FileTrace is the schedule of a trace file. It is read while it runs, in constant memory, by iterators that share nothing but the
// open file. Iterators that enter late start near their moment in a plain file, at the beginning of a gzipped one.
type FileTrace struct {
	path    string
	speed   float64
	file    *os.File
	size    int64
	gzipped bool
	hits    uint64
	first   time.Duration // by the file
	last    time.Duration
	entries int
	marks   []mark
	failure atomic.Pointer[error]
}

// mark is a place in a plain file where a reader can begin.
type mark struct {
	offset int64
	line   int
	next   uint64
	last   time.Duration // the hit before it
}

// maxMarks bounds the places that are kept of a file.
const maxMarks = 4096

// OpenTrace reads a trace file through once, to check it and to learn its length, and keeps it open until the schedule is collected
// as garbage. Its times are divided by the speed. Errors name the file, and the line and column where its text is wrong.
func OpenTrace(path string, speed float64) (*FileTrace, error) {
	if !(speed >= 1e-3 && speed <= 1e6) {
		return nil, fmt.Errorf("trace: speed %v: expected 0.001 to 1000000", speed)
	}
	// A pipe would block and cannot be read twice.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("trace %s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t := &FileTrace{path: path, speed: speed, file: file}
	if err := t.scan(); err != nil {
		file.Close()
		return nil, fmt.Errorf("trace %s: %w", path, err)
	}
	return t, nil
}

func (t *FileTrace) scan() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	t.size = info.Size()
	var magic [2]byte
	if _, err := t.file.ReadAt(magic[:], 0); err != nil && err != io.EOF {
		return err
	}
	t.gzipped = bytes.Equal(magic[:], []byte{0x1f, 0x8b})
	r, err := t.reader(mark{})
	if err != nil {
		return err
	}
	every := uint64(1024)
	for {
		if r.next%every == 0 && !t.gzipped {
			if len(t.marks) == maxMarks {
				t.thin()
				every *= 2
			}
			if r.next%every == 0 {
				t.marks = append(t.marks, mark{r.offset, r.line, r.next, r.last})
			}
		}
		hit, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if hit.N == 0 {
			t.first = hit.Due
		}
		t.hits, t.last, t.entries = t.hits+1, hit.Due, max(t.entries, int(hit.Entry)+1)
	}
	switch {
	case t.hits == 0:
		return errors.New("it has no hits")
	case t.Duration() > MaxDuration:
		return fmt.Errorf("it lasts %v at this speed, above the limit of %v", t.Duration(), MaxDuration)
	}
	return nil
}

// thin drops every second mark.
func (t *FileTrace) thin() {
	half := t.marks[:0]
	for i := 0; i < len(t.marks); i += 2 {
		half = append(half, t.marks[i])
	}
	t.marks = half
}

func (t *FileTrace) reader(from mark) (*TraceReader, error) {
	var in io.Reader = io.NewSectionReader(t.file, from.offset, t.size-from.offset)
	if t.gzipped {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = unzipped
	}
	r := NewTraceReader(in)
	r.line, r.next, r.last, r.offset = from.line, from.next, from.last, from.offset
	return r, nil
}

// scaled is a time of the file at the trace's speed.
func (t *FileTrace) scaled(at time.Duration) time.Duration {
	if t.speed == 1 {
		return at
	}
	return time.Duration(math.Round(float64(at) / t.speed))
}

// Duration is the last due time and one mean gap.
func (t *FileTrace) Duration() time.Duration {
	return traceLength(t.hits, t.scaled(t.first), t.scaled(t.last))
}

// MeanRate is hits ÷ duration.
func (t *FileTrace) MeanRate() float64 { return ratio(t.hits, t.Duration()) }

// Entries is the number of entries of a mix that the trace needs: its highest index and one; 0 if it names none.
func (t *FileTrace) Entries() int { return t.entries }

// Hits is the number of hits.
func (t *FileTrace) Hits() uint64 { return t.hits }

// Err is what kept an iterator from reaching the end: the file was changed or could not be read any more. Nil while all is well.
func (t *FileTrace) Err() error {
	if err := t.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// String is the trace's specification.
func (t *FileTrace) String() string {
	spec := "trace:" + t.path
	// Without a speed, a path that looks as if it had one would be read as such.
	if _, _, has := cutSpeed(t.path); t.speed != 1 || has {
		spec += " ×" + strconv.FormatFloat(t.speed, 'f', -1, 64)
	}
	return spec
}

// Iterator starts at the first hit.
func (t *FileTrace) Iterator() Iterator { return t.IteratorAt(0) }

// IteratorAt is described at Schedule.
func (t *FileTrace) IteratorAt(from time.Duration) Iterator {
	i := &fileIterator{trace: t}
	// The last mark whose hits so far are all due before the moment.
	n := sort.Search(len(t.marks), func(m int) bool { return t.marks[m].next > 0 && t.scaled(t.marks[m].last) >= from }) - 1
	var begin mark
	if n >= 0 {
		begin = t.marks[n]
	}
	reader, err := t.reader(begin)
	if err != nil {
		t.fail(err)
		return i
	}
	i.reader = reader
	for from > 0 {
		if hit, ok := i.Next(); !ok || hit.Due >= from {
			i.held, i.holds = hit, ok
			break
		}
	}
	return i
}

func (t *FileTrace) fail(err error) {
	err = fmt.Errorf("trace %s: reading it again: %w", t.path, err)
	t.failure.CompareAndSwap(nil, &err)
}

type fileIterator struct {
	trace  *FileTrace
	reader *TraceReader // nil after the end
	held   Hit
	holds  bool
}

func (i *fileIterator) Next() (Hit, bool) {
	if i.holds {
		i.holds = false
		return i.held, true
	}
	if i.reader == nil {
		return Hit{}, false
	}
	hit, err := i.reader.Read()
	if err == nil && hit.N >= i.trace.hits {
		err = errors.New("it has more hits than before")
	}
	if err == io.EOF && i.reader.next < i.trace.hits {
		err = fmt.Errorf("it ends after %d hits of %d", i.reader.next, i.trace.hits)
	}
	if err != nil {
		i.reader = nil
		if err != io.EOF {
			i.trace.fail(err)
		}
		return Hit{}, false
	}
	hit.Due = i.trace.scaled(hit.Due)
	return hit, true
}

// parseTrace reads what follows "trace:".
func parseTrace(rest string) (Schedule, error) {
	path, speed, _ := cutSpeed(rest)
	if path = strings.TrimSpace(path); path == "" {
		return nil, errors.New("trace: no file: expected trace:FILE, or trace:FILE ×2 for twice the speed")
	}
	t, err := OpenTrace(path, speed)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// cutSpeed splits "FILE ×2" and "FILE x2".
func cutSpeed(s string) (path string, speed float64, ok bool) {
	space := strings.LastIndexByte(s, ' ')
	if space < 0 {
		return s, 1, false
	}
	number, found := strings.CutPrefix(s[space+1:], "×")
	if !found {
		number, found = strings.CutPrefix(s[space+1:], "x")
	}
	if !found {
		return s, 1, false
	}
	speed, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "_xXpPnN") {
		return s, 1, false
	}
	return s[:space], speed, true
}
