package measure

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// logTitle is the first line of a log.
const logTitle = "#[Trent measurements 1]"

// maxLogLine bounds a line of a log; a full histogram of 1 h at 3 digits is about 100 kB encoded.
const maxLogLine = 4 << 20

// histogramNames are the histograms of an entry beside those of its outcomes.
var histogramNames = [4]string{"pacer", "wait", "send", "client"}

// The comments of a log that are not for people: everything that is no histogram.
type logHeader struct {
	Entries   []string      `json:"entries"`
	Width     time.Duration `json:"width_ns"`
	MaxBlocks int           `json:"max_blocks"`
	Clamped   uint64        `json:"clamped"`
}

type logEntry struct {
	Entry    int                 `json:"entry"`
	Outcomes [NumOutcomes]uint64 `json:"outcomes"`
	Errors   map[string]uint64   `json:"errors"`
}

type logBlock struct {
	Entry    int                 `json:"entry"`
	Start    time.Duration       `json:"start_ns"`
	Outcomes [NumOutcomes]uint64 `json:"outcomes"`
	Answered uint64              `json:"answered"`
	Max      time.Duration       `json:"max_ns"`
	Bins     []uint64            `json:"bins"` // value in ns, count, value, count, …
}

// WriteLog writes everything measured as an HdrHistogram log: a line for each histogram, V2 compressed, with its entry's index
// and its name as the tag ("0.ok.latency", "0.pacer"); the rest stands in comments, which other readers of such logs pass over.
func (s *Summary) WriteLog(w io.Writer) error {
	out := &logWriter{w: bufio.NewWriter(w)}
	fmt.Fprintln(out.w, logTitle)
	var names []string
	end := time.Duration(0)
	for i := range s.Entries {
		names = append(names, s.Entries[i].Name)
		if n := len(s.Entries[i].Blocks); n > 0 {
			end = max(end, s.Entries[i].Blocks[n-1].Start+s.Width)
		}
	}
	out.seconds = end.Seconds()
	out.comment("Summary", logHeader{Entries: names, Width: s.Width, MaxBlocks: s.MaxBlocks, Clamped: s.Clamped})
	fmt.Fprintln(out.w, `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`)
	for i := range s.Entries {
		out.entry(i, &s.Entries[i])
	}
	if err := errors.Join(out.err, out.w.Flush()); err != nil {
		return fmt.Errorf("writing a log of measurements: %w", err)
	}
	return nil
}

type logWriter struct {
	w       *bufio.Writer
	seconds float64
	err     error
}

func (w *logWriter) comment(kind string, v any) {
	text, err := json.Marshal(v)
	w.err = errors.Join(w.err, err)
	fmt.Fprintf(w.w, "#[%s %s]\n", kind, text)
}

func (w *logWriter) entry(i int, e *Entry) {
	head := logEntry{Entry: i, Errors: e.Errors}
	for o := range e.Outcomes {
		head.Outcomes[o] = e.Outcomes[o].Count
	}
	w.comment("Entry", head)
	for o := range e.Outcomes {
		w.histogram(fmt.Sprintf("%d.%s.latency", i, Outcome(o)), e.Outcomes[o].Latency)
		w.histogram(fmt.Sprintf("%d.%s.service", i, Outcome(o)), e.Outcomes[o].Service)
	}
	for l, h := range [4]*hdr.Histogram{e.Pacer, e.Wait, e.Send, e.Client} {
		w.histogram(fmt.Sprintf("%d.%s", i, histogramNames[l]), h)
	}
	for j := range e.Blocks {
		b := &e.Blocks[j]
		block := logBlock{Entry: i, Start: b.Start, Outcomes: b.Outcomes, Answered: b.Answered, Max: b.Max, Bins: []uint64{}}
		for _, bin := range b.Latencies {
			block.Bins = append(block.Bins, uint64(bin.Value), bin.Count)
		}
		w.comment("Block", block)
	}
}

func (w *logWriter) histogram(tag string, h *hdr.Histogram) {
	if h == nil {
		return
	}
	packed, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	w.err = errors.Join(w.err, err)
	fmt.Fprintf(w.w, "Tag=%s,0.000,%.3f,%.6f,%s\n", tag, w.seconds, float64(h.Max())/1e6, packed)
}

// A LogError says where a log of measurements is wrong.
type LogError struct {
	Line, Column int // from 1; the column counts bytes
	Problem      error
}

func (e *LogError) Error() string {
	return fmt.Sprintf("log of measurements, line %d, column %d: %v", e.Line, e.Column, e.Problem)
}

// Unwrap returns the problem.
func (e *LogError) Unwrap() error { return e.Problem }

// ErrDiffers is a log of other entries, or of histograms with other limits or digits, than those that it should be merged with.
var ErrDiffers = errors.New("measured with another configuration")

// ReadLog reads what WriteLog wrote of a workload with the given entries. Memory is bounded by their number. Errors: a *LogError,
// perhaps of ErrDiffers, or the source's.
func ReadLog(r io.Reader, entries []string) (*Summary, error) {
	in := &logReader{names: entries, seen: map[string]bool{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLogLine)
	for n := 1; lines.Scan(); n++ {
		if column, err := in.line(n, lines.Text()); err != nil {
			return nil, &LogError{n, column + 1, err}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading a log of measurements: %w", err)
	}
	if in.summary == nil || in.entries != len(entries) {
		return nil, fmt.Errorf("reading a log of measurements: %w before its end", io.ErrUnexpectedEOF)
	}
	in.summary.Errors = map[string]uint64{}
	for i := range in.summary.Entries {
		e := &in.summary.Entries[i]
		in.summary.Errors = mergeCounts(in.summary.Errors, e.Errors)
		if err := e.consistent(); err != nil {
			return nil, fmt.Errorf("reading a log of measurements: entry %d: %w", i, err)
		}
	}
	return in.summary, nil
}

// consistent checks that what is counted twice is the same: histograms and blocks hold no more than the outcomes.
func (e *Entry) consistent() error {
	var blocks [NumOutcomes]uint64
	for i := range e.Blocks {
		for o, n := range e.Blocks[i].Outcomes {
			blocks[o] += n
		}
	}
	for o := range e.Outcomes {
		d := &e.Outcomes[o]
		for _, h := range []*hdr.Histogram{d.Latency, d.Service} {
			if h != nil && uint64(h.TotalCount()) > d.Count {
				return fmt.Errorf("%d times of %d hits that ended as %s", h.TotalCount(), d.Count, Outcome(o))
			}
		}
		if blocks[o] != d.Count {
			return fmt.Errorf("blocks of %d hits, and %d that ended as %s", blocks[o], d.Count, Outcome(o))
		}
	}
	return nil
}

type logReader struct {
	names   []string
	summary *Summary // nil before the header
	entries int      // whose heads were read
	seen    map[string]bool
}

// line reads one line; column is where an error is, from 0.
func (r *logReader) line(n int, text string) (column int, err error) {
	if n == 1 {
		if text != logTitle {
			return 0, fmt.Errorf("expected %s", logTitle)
		}
		return 0, nil
	}
	if tag, ok := strings.CutPrefix(text, "Tag="); ok {
		column, err = r.histogram(tag)
		return column + len("Tag="), err
	}
	kind, rest, _ := strings.Cut(text, " ")
	body, closed := strings.CutSuffix(rest, "]")
	if r.summary == nil && kind != "#[Summary" {
		return 0, errors.New("expected the summary")
	}
	switch {
	case kind == "#[Summary" && closed && r.summary == nil:
		return len(kind) + 1, r.header(body)
	case kind == "#[Entry" && closed:
		return len(kind) + 1, r.entry(body)
	case kind == "#[Block" && closed:
		return len(kind) + 1, r.block(body)
	case strings.HasPrefix(text, `"StartTimestamp",`):
		return 0, nil
	}
	return 0, errors.New("unexpected line")
}

// strict decodes one JSON value without unknown members and with nothing after it.
func strict(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() || int(d.InputOffset()) != len(text) {
		return errors.New("more than one value")
	}
	return nil
}

func (r *logReader) header(text string) error {
	var h logHeader
	if err := strict(text, &h); err != nil {
		return err
	}
	if !slices.Equal(h.Entries, r.names) {
		return fmt.Errorf("%w: entries %q instead of %q", ErrDiffers, h.Entries, r.names)
	}
	// Blocks of a recorder have a width of 1 s, doubled some times.
	if seconds := h.Width / time.Second; h.Width < time.Second || h.Width%time.Second != 0 || seconds&(seconds-1) != 0 || h.MaxBlocks < 1 || h.MaxBlocks > 1<<20 {
		return fmt.Errorf("blocks of %v, at most %d", h.Width, h.MaxBlocks)
	}
	r.summary = &Summary{Width: h.Width, MaxBlocks: h.MaxBlocks, Clamped: h.Clamped, Entries: make([]Entry, len(r.names))}
	for i, name := range r.names {
		r.summary.Entries[i].Name = name
	}
	return nil
}

func (r *logReader) entry(text string) error {
	var head logEntry
	if err := strict(text, &head); err != nil {
		return err
	}
	if head.Entry != r.entries || head.Entry >= len(r.names) {
		return fmt.Errorf("entry %d where %d was expected", head.Entry, r.entries)
	}
	if len(head.Errors) > maxNames {
		return fmt.Errorf("%d names of errors", len(head.Errors))
	}
	r.entries++
	e := &r.summary.Entries[head.Entry]
	e.Errors = head.Errors
	if e.Errors == nil {
		e.Errors = map[string]uint64{}
	}
	for o, n := range head.Outcomes {
		e.Outcomes[o].Count = n
	}
	return nil
}

func (r *logReader) block(text string) error {
	var b logBlock
	if err := strict(text, &b); err != nil {
		return err
	}
	if b.Entry < 0 || b.Entry >= r.entries {
		return fmt.Errorf("a block of entry %d, which has not begun", b.Entry)
	}
	e := &r.summary.Entries[b.Entry]
	if b.Start < 0 || b.Start%r.summary.Width != 0 || b.Start/r.summary.Width >= time.Duration(r.summary.MaxBlocks) ||
		len(e.Blocks) > 0 && b.Start <= e.Blocks[len(e.Blocks)-1].Start {
		return fmt.Errorf("a block that starts at %v", b.Start)
	}
	block := Block{Start: b.Start, Outcomes: b.Outcomes, Answered: b.Answered, Max: b.Max}
	if len(b.Bins)%2 != 0 {
		return errors.New("a value without its count")
	}
	var total uint64
	for i := 0; i < len(b.Bins); i += 2 {
		value, count := time.Duration(b.Bins[i]), b.Bins[i+1]
		n := len(block.Latencies)
		if value <= 0 || value > 2*Highest || bucketTop(bucketOf(value)) != value || count == 0 || n > 0 && value <= block.Latencies[n-1].Value {
			return fmt.Errorf("%d latencies of %d ns", count, b.Bins[i])
		}
		block.Latencies = append(block.Latencies, Bin{value, count})
		total += count
	}
	if total != b.Outcomes[OK] || b.Max < 0 {
		return fmt.Errorf("latencies of %d hits, and %d good answers", total, b.Outcomes[OK])
	}
	e.Blocks = append(e.Blocks, block)
	return nil
}

// histogram reads a line behind its "Tag=".
func (r *logReader) histogram(text string) (column int, err error) {
	fields := strings.SplitN(text, ",", 5)
	if len(fields) != 5 {
		return 0, errors.New("expected a tag, start, length, maximum and a histogram")
	}
	into, digits, err := r.slot(fields[0])
	if err != nil {
		return 0, err
	}
	column = len(text) - len(fields[4])
	h, err := decode(fields[4], digits)
	if err != nil {
		return column, err
	}
	*into = h
	return 0, nil
}

// slot is where a tag's histogram belongs, and its digits.
func (r *logReader) slot(tag string) (into **hdr.Histogram, digits int64, err error) {
	number, name, _ := strings.Cut(tag, ".")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= r.entries || r.seen[tag] || strconv.Itoa(i) != number {
		return nil, 0, fmt.Errorf("a second histogram %q, or one of no entry so far", tag)
	}
	r.seen[tag] = true
	e := &r.summary.Entries[i]
	for l, into := range [4]**hdr.Histogram{&e.Pacer, &e.Wait, &e.Send, &e.Client} {
		if name == histogramNames[l] {
			return into, OtherDigits, nil
		}
	}
	outcome, kind, _ := strings.Cut(name, ".")
	o := slices.Index(outcomeNames[:], outcome)
	digits = OtherDigits
	if Outcome(max(o, 0)) == OK {
		digits = SuccessDigits
	}
	switch {
	case o >= 0 && kind == "latency":
		return &e.Outcomes[o].Latency, digits, nil
	case o >= 0 && kind == "service":
		return &e.Outcomes[o].Service, digits, nil
	}
	return nil, 0, fmt.Errorf("unknown histogram %q", tag)
}

// decode unpacks a histogram after a look at its limits, which say how much memory it takes.
func decode(text string, digits int64) (*hdr.Histogram, error) {
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	// The header within: cookie, length, offset and digits (32 bits each), lowest and highest value (64 bits).
	var head struct {
		Cookie, Length, Offset, Digits int32
		Lowest, Highest                int64
	}
	inner, err := zlib.NewReader(bytes.NewReader(packed[min(8, len(packed)):]))
	if err != nil {
		return nil, fmt.Errorf("the histogram is not compressed: %w", err)
	}
	if err := binary.Read(inner, binary.BigEndian, &head); err != nil {
		return nil, fmt.Errorf("the histogram has no header: %w", err)
	}
	if head.Lowest != int64(Lowest) || head.Highest != int64(Highest) || int64(head.Digits) != digits {
		return nil, fmt.Errorf("%w: a histogram from %d to %d at %d digits instead of %d to %d at %d", ErrDiffers,
			head.Lowest, head.Highest, head.Digits, int64(Lowest), int64(Highest), digits)
	}
	return hdr.Decode([]byte(text))
}
