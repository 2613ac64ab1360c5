package schedule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// TraceGrammar is the form of a trace file, for help texts.
const TraceGrammar = `A trace file has one hit a line, in order of time: the seconds since the start as a decimal number with at
most nine digits after the point, then, if the trace says what is sent, a space and the index of the entry in
the workload's mix (from 0). Empty lines and lines that begin with # are passed over. It may be gzipped.`

// MaxTraceLine is the longest line of a trace file, in bytes; comments included.
const MaxTraceLine = 256

// maxTraceEntry is the highest entry index of a trace: a sample's is of 16 bits.
const maxTraceEntry = 1<<16 - 1

// A TraceError says where a trace file is wrong.
type TraceError struct {
	Line, Column int // from 1; the column counts bytes
	Problem      string
}

func (e *TraceError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// A TraceReader reads the hits of a trace file one by one, in constant memory.
type TraceReader struct {
	in     *bufio.Reader
	line   int
	offset int64 // of the next line, in bytes of the text
	next   uint64
	last   time.Duration
}

// NewTraceReader reads a trace from its text, which is not compressed.
func NewTraceReader(r io.Reader) *TraceReader {
	return &TraceReader{in: bufio.NewReaderSize(r, 16<<10)}
}

// Read returns the next hit. Errors: io.EOF at the end, a *TraceError, or the source's.
func (r *TraceReader) Read() (Hit, error) {
	for {
		line, err := r.readLine()
		if err != nil {
			return Hit{}, err
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		hit, err := r.parse(line)
		if err != nil {
			return Hit{}, err
		}
		r.next++
		r.last = hit.Due
		return hit, nil
	}
}

// readLine returns a line without its end; the last one need not have one.
func (r *TraceReader) readLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	r.offset += int64(len(line))
	if len(line) > 0 {
		r.line++
	}
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
	case err == io.EOF && len(line) > 0: // the next call says so
	case err == io.EOF:
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("after line %d: %w", r.line, err)
	}
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if len(line) > MaxTraceLine {
		return nil, &TraceError{r.line, MaxTraceLine + 1, fmt.Sprintf("the line is longer than %d bytes", MaxTraceLine)}
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func (r *TraceReader) parse(line []byte) (Hit, error) {
	fail := func(at int, format string, args ...any) (Hit, error) {
		return Hit{}, &TraceError{r.line, at + 1, fmt.Sprintf(format, args...)}
	}
	due, at, problem := parseOffset(line)
	if problem != "" {
		return fail(at, "%s", problem)
	}
	if due < r.last {
		return fail(0, "%v lies before the hit above it, which is due at %v", due, r.last)
	}
	hit := Hit{N: r.next, Due: due, Entry: AnyEntry}
	if at == len(line) {
		return hit, nil
	}
	if line[at] != ' ' && line[at] != '\t' {
		return fail(at, "unexpected %q in the number of seconds", line[at])
	}
	at++
	begin, entry := at, 0
	for ; at < len(line) && line[at] >= '0' && line[at] <= '9'; at++ {
		if entry = entry*10 + int(line[at]-'0'); entry > maxTraceEntry {
			return fail(begin, "the entry index is above %d", maxTraceEntry)
		}
	}
	switch {
	case at == begin:
		return fail(at, "expected the index of an entry of the workload's mix")
	case at < len(line):
		return fail(at, "unexpected %q after the entry index", line[at])
	}
	hit.Entry = int32(entry)
	return hit, nil
}

// parseOffset reads seconds with up to nine decimals; at is where it stopped.
func parseOffset(line []byte) (due time.Duration, at int, problem string) {
	var whole, part int64
	for ; at < len(line) && line[at] >= '0' && line[at] <= '9'; at++ {
		if whole = whole*10 + int64(line[at]-'0'); time.Duration(whole)*time.Second > MaxDuration {
			return 0, 0, fmt.Sprintf("the time lies beyond %v", MaxDuration)
		}
	}
	if at == 0 {
		return 0, 0, "expected the seconds since the start, such as 12.345"
	}
	if at < len(line) && line[at] == '.' {
		at++
		begin, unit := at, int64(time.Second)
		for ; at < len(line) && line[at] >= '0' && line[at] <= '9'; at++ {
			if unit /= 10; unit == 0 {
				return 0, at, "more than nine digits after the point"
			}
			part += unit * int64(line[at]-'0')
		}
		if at == begin {
			return 0, at, "expected a digit after the point"
		}
	}
	due = time.Duration(whole)*time.Second + time.Duration(part)
	if due > MaxDuration {
		return 0, 0, fmt.Sprintf("the time lies beyond %v", MaxDuration)
	}
	return due, at, ""
}
