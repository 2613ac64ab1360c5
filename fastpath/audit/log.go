package audit

import (
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Options of a Log.
type Options struct {
	Dir         string        // files go below it; required
	Gzip        bool          // files are gzipped
	RotateEvery time.Duration // a file takes records for so long; 0: DefaultRotateEvery
	RotateBytes int64         // a file takes so many bytes; 0: DefaultRotateBytes
	MaxTotal    int64         // bytes of all files; 0: DefaultMaxTotal. Over it the oldest complete file goes
	Block       bool          // a request waits for room when the disk cannot keep up; false: its record is dropped and counted
	Shards      int           // of the buffers, about twice the number of cores; 0: so many
	BufferBytes int64         // of memory for records on their way; 0: DefaultBufferBytes

	Now    func() time.Time                 // of files and gaps; nil: time.Now
	Random io.Reader                        // names of files, ids of gaps; nil: crypto/rand
	Logf   func(format string, args ...any) // trouble with the disk; nil: dropped
}

// Defaults of Options.
const (
	DefaultRotateEvery = 5 * time.Minute // as often as trails deliver, about
	DefaultRotateBytes = 50 << 20
	DefaultMaxTotal    = 10 << 30
	DefaultBufferBytes = 32 << 20
)

func (o Options) withDefaults() Options {
	if o.RotateEvery <= 0 {
		o.RotateEvery = DefaultRotateEvery
	}
	if o.RotateBytes <= 0 {
		o.RotateBytes = DefaultRotateBytes
	}
	if o.MaxTotal <= 0 {
		o.MaxTotal = DefaultMaxTotal
	}
	if o.Shards <= 0 {
		o.Shards = 2 * runtime.GOMAXPROCS(0)
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = DefaultBufferBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// Log writes records of requests to files. It is safe for concurrent use, and owns one goroutine, which Close ends.
type Log struct {
	o       Options
	buffer  *buffer[Entry]
	closed  atomic.Bool
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	flushes chan chan error
	room    atomic.Pointer[chan struct{}] // closed, and replaced, when chunks became free
	err     error                         // of the end; read after stopped
	counts  logCounts
}

// logCounts are the log's metrics.
type logCounts struct {
	written, dropped, bytes, completed, removed, errors, blocked atomic.Uint64
	lag                                                          atomic.Int64 // ns, of the oldest record of the last write
	total                                                        atomic.Int64 // bytes of all files
	open                                                         atomic.Int64
}

// chunkBytes is about what a chunk of entries takes.
const chunkBytes = chunkEntries*entryBytes + chunkText

// OpenLog completes the files that a crash left unfinished, and starts the writer. An error names the directory.
func OpenLog(o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{
		o: o, buffer: newBuffer[Entry](o.Shards, int(o.BufferBytes/chunkBytes)),
		stop: make(chan struct{}), stopped: make(chan struct{}), flushes: make(chan chan error),
	}
	w, err := newWriter(l)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log in %s: %w", o.Dir, err)
	}
	l.turnOver()
	go w.run()
	return l, nil
}

// Shards is how many shards there are.
func (l *Log) Shards() int { return len(l.buffer.shards) }

// Record takes a record for the files. shard is where the search for a free buffer begins, below Shards. It allocates
// nothing and, unless Options.Block is set, waits for nothing but the copies of others.
func (l *Log) Record(shard int, e *Entry) {
	text := len(e.UserAgent) + len(e.Parameters) + len(e.Response) + len(e.Additional) + len(e.HostHeader) + len(e.Details)
	if text > maxAgent {
		text = keptText(e)
	}
	for {
		var room <-chan struct{}
		if l.o.Block {
			room = *l.room.Load() // before the attempt, so that none is missed
		}
		s := l.buffer.take(shard)
		slot := l.buffer.next(s, text)
		if slot != nil {
			*slot = *e
			keepText(s.current, slot, e)
			s.release()
			return
		}
		if !l.o.Block || l.closed.Load() {
			s.lost.add(trail{e.Recipient, e.Region}, e.At.Unix())
			s.release()
			l.counts.dropped.Add(1)
			return
		}
		s.release()
		l.counts.blocked.Add(1)
		select {
		case <-room:
		case <-l.stopped:
		}
	}
}

// omittedText is room for what stands for an element that is too large.
const omittedText = 96

// keptText is how many bytes of e keepText keeps at the most.
func keptText(e *Entry) int {
	n := min(len(e.UserAgent), maxAgent+1) + min(len(e.HostHeader), maxAgent)
	for _, element := range [...]struct{ size, limit int }{
		{len(e.Parameters), maxElement}, {len(e.Response), maxElement}, {len(e.Additional), maxAdditional}, {len(e.Details), maxElement},
	} {
		if element.size > element.limit {
			element.size = omittedText
		}
		n += element.size
	}
	return n
}

// keepText points to's views to copies of e's in c, which has room for them.
func keepText(c *chunk[Entry], to, e *Entry) {
	to.UserAgent = c.keep(e.UserAgent[:min(len(e.UserAgent), maxAgent+1)])
	to.HostHeader = c.keep(e.HostHeader[:min(len(e.HostHeader), maxAgent)])
	to.Parameters = keepElement(c, "requestParameters", e.Parameters, maxElement)
	to.Response = keepElement(c, "responseElements", e.Response, maxElement)
	to.Additional = keepElement(c, "additionalEventData", e.Additional, maxAdditional)
	to.Details = keepElement(c, "serviceEventDetails", e.Details, maxElement)
}

func keepElement(c *chunk[Entry], name string, element []byte, limit int) []byte {
	if len(element) <= limit {
		return c.keep(element)
	}
	from := len(c.text)
	c.text = appendOmitted(c.text, name, len(element))
	return c.text[from:len(c.text):len(c.text)]
}

// turnOver wakes those who wait for room.
func (l *Log) turnOver() {
	next := make(chan struct{})
	if old := l.room.Swap(&next); old != nil {
		close(*old)
	}
}

// Flush returns when all that was recorded before is in the files, or could not be written.
func (l *Log) Flush() error {
	done := make(chan error, 1)
	select {
	case l.flushes <- done:
		return <-done
	case <-l.stopped:
		return l.err
	}
}

// Close writes what was recorded, completes the files and ends the writer. What is recorded later is lost, and counted.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.stop) })
	<-l.stopped
	return l.err
}

// entryBytes is the size of an Entry in a chunk.
const entryBytes = int64(unsafe.Sizeof(Entry{}))
