package audit

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Incident is a request that nobody signed as he should, or that was none: what trails have no records of.
type Incident struct {
	At        time.Time
	Kind      string // protocol, operation or signature
	Address   netip.Addr
	Error     string // code of the answer
	Message   string
	RequestID [36]byte // zero: left out
	Operation string   // empty: unknown
	Endpoint  string   // VPC endpoint; empty: none
	UserAgent string
}

// Bounds of a security log. Anybody who reaches the server can cause lines, so that neither their number nor their length is
// the client's to choose.
const (
	SecurityFileBytes = 10 << 20 // of a file; then it becomes .1, and .1 becomes .2
	SecurityFiles     = 5        // with the one that takes lines
	SecurityRate      = 100      // lines a second in the long run
	SecurityBurst     = 1000     // at once
	maxIncidentText   = 256      // bytes of a text in a line
)

// SecurityLog writes incidents, a JSON object a line. It is safe for concurrent use, never waits for the disk, and owns one
// goroutine, which Close ends.
type SecurityLog struct {
	path    string
	logf    func(string, ...any)
	lines   chan []byte
	stopped chan struct{}
	once    sync.Once

	mu     sync.Mutex
	tokens float64
	filled time.Time
	closed bool
	missed uint64 // since the last line

	written, dropped, errors atomic.Uint64
}

// OpenSecurityLog continues or makes the file.
func OpenSecurityLog(path string, logf func(string, ...any)) (*SecurityLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening the security log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the security log: %w", err)
	}
	l := &SecurityLog{path: path, logf: logf, lines: make(chan []byte, SecurityBurst), stopped: make(chan struct{}), tokens: SecurityBurst}
	go l.run(f)
	return l, nil
}

// Note writes an incident, or counts it where there are too many.
func (l *SecurityLog) Note(i *Incident) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.filled.IsZero() {
		l.tokens = min(SecurityBurst, l.tokens+max(0, i.At.Sub(l.filled).Seconds())*SecurityRate)
	}
	l.filled = i.At
	if l.tokens < 1 || l.closed {
		l.missed++
		l.dropped.Add(1)
		return
	}
	l.tokens--
	select {
	case l.lines <- appendIncident(nil, i, l.missed):
		l.missed = 0
	default:
		l.missed++
		l.dropped.Add(1)
	}
}

// appendIncident appends the line of i. missed is how many before it have none.
func appendIncident(dst []byte, i *Incident, missed uint64) []byte {
	dst = i.At.UTC().AppendFormat(append(dst, `{"time":"`...), "2006-01-02T15:04:05.000Z")
	dst = append(append(dst, `","kind":"`...), i.Kind...)
	dst = append(dst, '"')
	if i.Address.IsValid() {
		dst = i.Address.WithZone("").AppendTo(append(dst, `,"address":"`...))
		dst = append(dst, '"')
	}
	for _, member := range [...]struct{ name, value string }{
		{`,"error":`, i.Error}, {`,"message":`, i.Message}, {`,"operation":`, i.Operation}, {`,"vpcEndpointId":`, i.Endpoint}, {`,"userAgent":`, i.UserAgent},
	} {
		if member.value != "" {
			dst = appendString(append(dst, member.name...), cut(member.value, maxIncidentText))
		}
	}
	dst = appendID(dst, `,"requestID":"`, &i.RequestID)
	if missed > 0 {
		dst = strconv.AppendUint(append(dst, `,"missedBefore":`...), missed, 10)
	}
	return append(dst, "}\n"...)
}

func (l *SecurityLog) run(f *os.File) {
	defer close(l.stopped)
	var size int64
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	for line := range l.lines {
		if f == nil || size+int64(len(line)) > SecurityFileBytes {
			var err error
			if f, err = l.rotate(f); err != nil {
				l.fail(err)
				continue
			}
			size = 0
		}
		n, err := f.Write(line)
		if size += int64(n); err != nil {
			l.fail(err)
			continue
		}
		l.written.Add(1)
	}
	if f != nil {
		_ = f.Close()
	}
}

func (l *SecurityLog) fail(err error) {
	l.dropped.Add(1)
	if l.errors.Add(1) == 1 {
		l.logf("security log: %v; lines are lost until it can be written", err)
	}
}

// rotate renames the files, each to the next number, and begins another.
func (l *SecurityLog) rotate(f *os.File) (*os.File, error) {
	if f != nil {
		_ = f.Close()
	}
	for i := SecurityFiles - 1; i > 0; i-- {
		from := l.path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if err := os.Rename(from, l.path+"."+strconv.Itoa(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Close writes the lines that wait and ends the goroutine.
func (l *SecurityLog) Close() error {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.lines)
	})
	<-l.stopped
	return nil
}
