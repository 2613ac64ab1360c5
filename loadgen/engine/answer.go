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

// inbox is a growing read buffer and how far the answer in it has been understood. What was read and not used yet stays in
// data[start:].
type inbox struct {
	source io.Reader
	data   []byte
	start  int
	onRead func() // called after each read that brought bytes

	stage   stage
	head    head
	scanned int // of a head or line that is not whole yet
	body    int // the body is, or gathers in, data[body:end]
	end     int
	chunk   int // bytes of the present chunk with its line end
	trailer int // lines of the trailer so far
	interim int // answers before the one that counts
}

// stage is the part of an answer that comes next.
type stage uint8

const (
	atHead stage = iota
	inBody
	untilClose
	atChunk
	inChunk
	atTrailer
)

// begin makes ready for an answer.
func (b *inbox) begin(a *answer) {
	b.data, b.start, b.scanned, b.stage, b.interim = b.data[:0], 0, 0, atHead, 0
	if cap(b.data) > keptBytes {
		b.data = make([]byte, 0, 8<<10)
	}
	*a = answer{}
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
		if b.stage != atHead || len(b.data) > b.start {
			return errTruncated
		}
		return errClosed
	}
	return err
}

// read reads one answer; interim answers (1xx) are passed over. After an error the connection is of no use.
func (b *inbox) read(a *answer) error {
	b.begin(a)
	for {
		complete, err := b.advance(a)
		if complete || err != nil {
			return err
		}
		if err := b.fill(); err != nil {
			return b.ended(a, err)
		}
	}
}

// ended is what the end of the stream, or another failure to read, makes of an answer: nil where it completes it.
func (b *inbox) ended(a *answer, err error) error {
	if b.stage == untilClose && err == errTruncated {
		a.body, b.start = b.data[b.body:], len(b.data)
		return nil
	}
	return err
}

// advance understands what has been read; complete says that the answer is whole.
func (b *inbox) advance(a *answer) (complete bool, err error) {
	for {
		var more bool
		switch b.stage {
		case atHead:
			more, complete, err = b.readHead(a)
		case inBody:
			if len(b.data) < b.end {
				return false, nil
			}
			b.start, complete = b.end, true
		case untilClose:
			if len(b.data)-b.body > maxBody {
				err = errMalformed
			}
		default:
			more, complete, err = b.readChunked()
		}
		if complete {
			if b.stage != atHead {
				a.body = b.data[b.body:b.end]
			}
			// Bytes beyond an answer that nobody asked for: the stream is out of step.
			a.closes = a.closes || b.start < len(b.data)
		}
		if !more || complete || err != nil {
			return complete, err
		}
	}
}

// readHead reads a head; more says that something follows which may be there already.
func (b *inbox) readHead(a *answer) (more, complete bool, err error) {
	text, err := b.headText()
	if text == nil || err != nil {
		return false, false, err
	}
	*a = answer{}
	if b.head, err = parseHead(text, a); err != nil {
		return false, false, err
	}
	b.body, b.end, b.scanned = b.start, b.start, b.start
	switch {
	case a.status < 200:
		if b.interim++; b.interim > maxInterim {
			return false, false, errMalformed
		}
		return true, false, nil
	case a.status == 204 || a.status == 304:
		return false, true, nil
	case b.head.chunked:
		b.stage = atChunk
	case b.head.length >= 0:
		b.stage, b.end = inBody, b.start+b.head.length
	default:
		b.stage, a.closes = untilClose, true
	}
	return true, false, nil
}

// headText returns the lines before the empty one and moves past it; nil where it is not whole yet.
func (b *inbox) headText() ([]byte, error) {
	if i := bytes.Index(b.data[b.scanned:], []byte("\r\n\r\n")); i >= 0 {
		text := b.data[b.start : b.scanned+i+2]
		b.start = b.scanned + i + 4
		if len(text) > maxHead {
			return nil, errMalformed
		}
		return text, nil
	}
	if len(b.data)-b.start > maxHead || !plausible(b.data[b.start:]) {
		return nil, errMalformed
	}
	b.scanned = max(b.start, len(b.data)-3)
	return nil, nil
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

// readChunked reads the parts of a chunked body (RFC 9112, section 7.1), moving the chunks together in place. Trailers are passed
// over.
func (b *inbox) readChunked() (more, complete bool, err error) {
	if b.stage == inChunk {
		if len(b.data)-b.start < b.chunk {
			return false, false, nil
		}
		from := b.start
		b.start += b.chunk
		if b.data[b.start-2] != '\r' || b.data[b.start-1] != '\n' {
			return false, false, errMalformed
		}
		b.end += copy(b.data[b.end:], b.data[from:b.start-2])
		b.stage, b.scanned = atChunk, b.start
		return true, false, nil
	}
	line, ok, err := b.line()
	if !ok || err != nil {
		return false, false, err
	}
	if b.stage == atTrailer {
		b.trailer++
		if len(line) > 0 && b.trailer > 64 {
			err = errMalformed
		}
		return true, len(line) == 0, err
	}
	size, err := chunkSize(line)
	switch {
	case err != nil:
		return false, false, err
	case size == 0:
		b.stage, b.trailer = atTrailer, 0
	case b.end-b.body+size > maxBody:
		return false, false, errMalformed
	default:
		b.stage, b.chunk = inChunk, size+2
	}
	return true, false, nil
}

func chunkSize(line []byte) (int, error) {
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

// line returns a line without its end and moves past it; ok is false where it is not whole yet.
func (b *inbox) line() (line []byte, ok bool, err error) {
	if i := bytes.Index(b.data[b.scanned:], []byte("\r\n")); i >= 0 {
		line = b.data[b.start : b.scanned+i]
		b.start = b.scanned + i + 2
		b.scanned = b.start
		return line, true, nil
	}
	if len(b.data)-b.start > maxHead {
		return nil, false, errMalformed
	}
	b.scanned = max(b.start, len(b.data)-1)
	return nil, false, nil
}
