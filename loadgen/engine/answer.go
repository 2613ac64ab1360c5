package engine

import (
	"bytes"
	"errors"
	"io"
)

// answer is one HTTP answer, as views into the connection's buffer that are valid until its next use.
type answer struct {
	status    int
	requestID []byte
	body      []byte
	closes    bool // the connection cannot be used again
}

// Bounds of an answer.
const (
	maxHead    = 32 << 10
	maxBody    = 4 << 20  // far above any answer of the service
	maxBytes   = 12 << 20 // of an answer on the wire: with the framing of its chunks, and the interim answers before it
	maxInterim = 16
	keptBytes  = 256 << 10 // of a buffer that stays with its connection
)

var (
	// errMalformed is an answer that is no HTTP or breaks its own framing.
	errMalformed = errors.New("malformed answer")
	// errTruncated is a connection that closed inside an answer.
	errTruncated = errors.New("connection closed inside an answer")
	// errClosed is a connection that closed before an answer began.
	errClosed = errors.New("connection closed before an answer")
)

// inbox is a growing read buffer. What was read and not used yet stays in data[start:].
type inbox struct {
	source io.Reader
	data   []byte
	start  int
	onRead func() // called after each read that brought bytes
}

// fill reads more bytes; the error is errClosed or errTruncated at the end of the stream.
func (b *inbox) fill() error {
	if len(b.data) > maxBytes {
		return errMalformed
	}
	if len(b.data) == cap(b.data) {
		grown := make([]byte, len(b.data), max(2*cap(b.data), 8<<10))
		copy(grown, b.data)
		b.data = grown
	}
	n, err := b.source.Read(b.data[len(b.data):cap(b.data)])
	if n > 0 {
		b.data = b.data[:len(b.data)+n]
		b.onRead()
		return nil
	}
	switch {
	case err == nil:
		return io.ErrNoProgress
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if len(b.data) > b.start {
			return errTruncated
		}
		return errClosed
	}
	return err
}

// read reads one answer; interim answers (1xx) are passed over. After an error the connection is of no use.
func (b *inbox) read(a *answer) error {
	b.data, b.start = b.data[:0], 0
	if cap(b.data) > keptBytes {
		b.data = make([]byte, 0, 8<<10)
	}
	for range maxInterim + 1 {
		if err := b.readOne(a); err != nil {
			return err
		}
		if a.status >= 200 {
			// Bytes beyond an answer that nobody asked for: the stream is out of step.
			a.closes = a.closes || b.start < len(b.data)
			return nil
		}
	}
	return errMalformed
}

func (b *inbox) readOne(a *answer) error {
	*a = answer{}
	head, err := b.head()
	if err != nil {
		return err
	}
	h, err := parseHead(head, a)
	if err != nil {
		return err
	}
	switch {
	case a.status < 200 || a.status == 204 || a.status == 304:
		return nil
	case h.chunked:
		return b.chunks(a)
	case h.length >= 0:
		from, err := b.need(h.length)
		a.body = b.data[from:b.start]
		return err
	}
	return b.untilClose(a)
}

// head returns the lines before the empty one and moves past it.
func (b *inbox) head() ([]byte, error) {
	scanned := b.start
	for {
		if i := bytes.Index(b.data[scanned:], []byte("\r\n\r\n")); i >= 0 {
			head := b.data[b.start : scanned+i+2]
			b.start = scanned + i + 4
			if len(head) > maxHead {
				return nil, errMalformed
			}
			return head, nil
		}
		if len(b.data)-b.start > maxHead || !plausible(b.data[b.start:]) {
			return nil, errMalformed
		}
		scanned = max(b.start, len(b.data)-3)
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
}

// plausible tells garbage at its first bytes instead of waiting for an end of the head that never comes.
func plausible(data []byte) bool {
	const start = "HTTP/1."
	n := min(len(data), len(start))
	return string(data[:n]) == start[:n]
}

type head struct {
	length  int // −1: not given
	chunked bool
}

func parseHead(text []byte, a *answer) (head, error) {
	h := head{length: -1}
	if ends := bytes.Count(text, []byte("\r\n")); ends != bytes.Count(text, []byte("\n")) || ends != bytes.Count(text, []byte("\r")) {
		return h, errMalformed // lines that end otherwise are read differently by different readers
	}
	line, rest, ok := bytes.Cut(text, []byte("\r\n"))
	// "HTTP/1.x NNN", then a space or the end.
	if !ok || len(line) < 12 || !plausible(line) || (line[7] != '0' && line[7] != '1') || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return h, errMalformed
	}
	if a.status, ok = decimal(line[9:12]); !ok || a.status < 100 {
		return h, errMalformed
	}
	a.closes = line[7] == '0'
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 {
			return h, errMalformed
		}
		if err := h.field(name, bytes.Trim(value, " \t"), a); err != nil {
			return h, err
		}
	}
	if h.chunked && h.length >= 0 {
		return h, errMalformed // RFC 9112, section 6.3: a sign of smuggling
	}
	return h, nil
}

func (h *head) field(name, value []byte, a *answer) error {
	switch len(name) {
	case len("connection"):
		if is(name, "connection") {
			a.closes = a.closes && !is(value, "keep-alive") || is(value, "close")
		}
	case len("content-length"):
		if is(name, "content-length") {
			n, ok := decimal(value)
			if !ok || n > maxBody || h.length >= 0 && h.length != n {
				return errMalformed
			}
			h.length = n
		}
	case len("x-amzn-requestid"):
		if is(name, "x-amzn-requestid") {
			a.requestID = value
		}
	case len("transfer-encoding"):
		if is(name, "transfer-encoding") {
			if !is(value, "chunked") {
				return errMalformed
			}
			h.chunked = true
		}
	}
	return nil
}

// is compares without regard to the case of ASCII letters; want is in lower case.
func is(got []byte, want string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range len(want) {
		c := got[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

// decimal reads a number of digits only, up to 2³⁰.
func decimal(text []byte) (int, bool) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(text) > 0
}

// need reads until n bytes are there, moves past them and returns where they begin.
func (b *inbox) need(n int) (from int, err error) {
	from = b.start
	for len(b.data)-from < n {
		if err := b.fill(); err != nil {
			return from, inside(err)
		}
	}
	b.start = from + n
	return from, nil
}

// inside turns the end of the stream into one inside an answer.
func inside(err error) error {
	if err == errClosed {
		return errTruncated
	}
	return err
}

// untilClose reads a body whose end is the connection's.
func (b *inbox) untilClose(a *answer) error {
	a.closes = true
	from := b.start
	for {
		err := b.fill()
		if err == errClosed || err == errTruncated {
			a.body = b.data[from:]
			b.start = len(b.data)
			return nil
		}
		if err != nil {
			return err
		}
		if len(b.data)-from > maxBody {
			return errMalformed
		}
	}
}

// chunks reads a chunked body (RFC 9112, section 7.1), moving the chunks together in place. Trailers are passed over.
func (b *inbox) chunks(a *answer) error {
	body := b.start // the body gathers in data[body:end]
	end := b.start
	for {
		size, err := b.chunkSize()
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		if end-body+size > maxBody {
			return errMalformed
		}
		from, err := b.need(size + 2)
		if err != nil {
			return err
		}
		if b.data[b.start-2] != '\r' || b.data[b.start-1] != '\n' {
			return errMalformed
		}
		end += copy(b.data[end:], b.data[from:from+size])
	}
	for trailers := 0; ; trailers++ {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			a.body = b.data[body:end]
			return nil
		}
		if trailers > 64 {
			return errMalformed
		}
	}
}

func (b *inbox) chunkSize() (int, error) {
	line, err := b.line()
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimRight(digits, " \t")
	size := 0
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			size = size<<4 | int(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			size = size<<4 | int(c|0x20-'a') + 10
		default:
			return 0, errMalformed
		}
		if size > maxBody {
			return 0, errMalformed
		}
	}
	if len(digits) == 0 {
		return 0, errMalformed
	}
	return size, nil
}

// line returns a line without its end and moves past it.
func (b *inbox) line() ([]byte, error) {
	for {
		if i := bytes.Index(b.data[b.start:], []byte("\r\n")); i >= 0 {
			line := b.data[b.start : b.start+i]
			b.start += i + 2
			return line, nil
		}
		if len(b.data)-b.start > maxHead {
			return nil, errMalformed
		}
		if err := b.fill(); err != nil {
			return nil, inside(err)
		}
	}
}
