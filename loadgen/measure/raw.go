package measure

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// RawHeader is the first line of a raw log. Times are nanoseconds from the run's origin, empty for a moment that did not come.
const RawHeader = "n,due_ns,handed_ns,conn_free_ns,sent_ns,first_byte_ns,done_ns,operation,outcome,error,status\n"

// RawLog writes a line of comma-separated values for each hit, compressed with gzip. The recorder hands samples over in batches;
// a goroutine of the log's own formats and compresses them, so that workers only copy. Where it cannot keep up the
// recorder waits for it, which shows as client lag: nothing is dropped.
type RawLog struct {
	batches chan []Sample
	spare   chan []Sample
	done    chan struct{}
	names   func(entry, name uint16) (operation, errorName string)
	out     *bufio.Writer
	zip     *gzip.Writer
	batch   []Sample // being filled; owned by the recorder's lock
	err     error    // read after done
}

const (
	rawBatch   = 1024 // samples
	rawBatches = 64   // waiting for the goroutine
)

// NewRawLog starts a log that writes to w. Close ends it.
func NewRawLog(w io.Writer) *RawLog {
	out := bufio.NewWriterSize(w, 64<<10)
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		panic("measure: " + err.Error()) // the level is a constant
	}
	return &RawLog{batches: make(chan []Sample, rawBatches), spare: make(chan []Sample, rawBatches), done: make(chan struct{}), out: out, zip: zip,
		batch: make([]Sample, 0, rawBatch)}
}

// start is called by the recorder that uses the log.
func (l *RawLog) start(names func(entry, name uint16) (operation, errorName string)) {
	l.names = names
	go l.run()
}

// add takes a sample; the recorder's lock must be held.
func (l *RawLog) add(s *Sample) {
	l.batch = append(l.batch, *s)
	if len(l.batch) < rawBatch {
		return
	}
	l.batches <- l.batch
	select {
	case l.batch = <-l.spare:
	default:
		l.batch = make([]Sample, 0, rawBatch)
	}
}

func (l *RawLog) run() {
	defer close(l.done)
	_, l.err = io.WriteString(l.zip, RawHeader)
	line := make([]byte, 0, 256)
	for batch := range l.batches {
		for i := range batch {
			if l.err != nil {
				break // the rest is drained, so that the recorder does not stop
			}
			line = l.appendLine(line[:0], &batch[i])
			_, l.err = l.zip.Write(line)
		}
		select {
		case l.spare <- batch[:0]:
		default:
		}
	}
	l.err = errors.Join(l.err, l.zip.Close(), l.out.Flush())
}

func (l *RawLog) appendLine(dst []byte, s *Sample) []byte {
	operation, name := l.names(s.Entry, s.ErrorName)
	dst = strconv.AppendUint(dst, s.N, 10)
	for _, t := range [...]time.Duration{s.Due, s.Handed, s.ConnFree, s.FirstWrite, s.FirstByte, s.Done} {
		dst = append(dst, ',')
		if t != Never {
			dst = strconv.AppendInt(dst, int64(t), 10)
		}
	}
	dst = append(dst, ',')
	dst = appendField(dst, operation)
	dst = append(dst, ',')
	dst = append(dst, s.Outcome.String()...)
	dst = append(dst, ',')
	if s.Outcome != OK {
		dst = appendField(dst, name)
	}
	dst = append(dst, ',')
	if s.Status > 0 {
		dst = strconv.AppendUint(dst, uint64(s.Status), 10)
	}
	return append(dst, '\n')
}

// appendField replaces what would end a field: names come from the user and from the server.
func appendField(dst []byte, field string) []byte {
	for i := range len(field) {
		if c := field[i]; c > ' ' && c != ',' && c != '"' && c < 0x7f {
			dst = append(dst, c)
		} else {
			dst = append(dst, '_')
		}
	}
	return dst
}

// Close writes what is left and ends the goroutine; the recorder must have got its last sample, and Summary been taken. It does
// not close the writer. Error: the first that writing gave.
func (l *RawLog) Close() error {
	if l.names == nil {
		return nil // no recorder took it
	}
	if len(l.batch) > 0 {
		l.batches <- l.batch
	}
	close(l.batches)
	<-l.done
	if l.err != nil {
		return fmt.Errorf("writing the raw log: %w", l.err)
	}
	return nil
}
