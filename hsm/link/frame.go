package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the version of the wire format that this package speaks, the only one so far.
const Version = 1

// Limits of the wire, in bytes.
const (
	// MaxToken bounds a domain token or a command.
	MaxToken = 512 << 10
	// MaxCall bounds the encoding of one call or its answer.
	MaxCall = 256 << 10
	// MaxResult bounds each of the three results of a call.
	MaxResult = 16 << 10

	frameHeader = 6                  // length, version, kind
	maxFrame    = MaxToken + 4096    // the rest of a frame
	maxGreeting = 16 << 10           // the rest of a frame before the session, but one with a domain token
	batchSize   = 64 << 10           // a frame takes no more messages beyond this
	readSize    = batchSize + 16<<10 // of a reader's buffer in steady state
	keptSize    = 4 * batchSize      // larger buffers are not kept
	minMessage  = messageHeader      // a message without a body
	bodyOverLen = frameHeader - 4    // version and kind, counted in the length
)

// frameKind says what a frame holds.
type frameKind uint8

// Kinds of frames. Values are part of the wire.
const (
	frameIdentify  frameKind = iota + 1 // host: who are you?
	frameIdentity                       // module: its identity
	frameDeliver                        // host: a domain token
	frameDelivered                      // module: what became of it
	frameHello                          // host: first message of a handshake
	frameWelcome                        // module: its answer
	frameOpen                           // host: open a connection under a session
	frameOpened                         // module: its answer
	frameEnvelope                       // both: messages, sealed
	frameRefusal                        // module: why it closes the connection
	numFrames
)

// Errors of the wire.
var (
	errFrame   = errors.New("link: malformed frame")
	errMessage = errors.New("link: malformed message")
	errVersion = errors.New("link: the peer speaks no version of the wire that this program speaks")
)

// appendFrame appends a frame with a body.
func appendFrame(dst []byte, kind frameKind, body []byte) []byte {
	dst = appendFrameHeader(dst, kind, len(body))
	return append(dst, body...)
}

func appendFrameHeader(dst []byte, kind frameKind, body int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(body+bodyOverLen))
	return append(dst, Version, byte(kind))
}

// putFrameHeader writes the header of a frame with a body of that many bytes.
func putFrameHeader(dst []byte, kind frameKind, body int) {
	binary.BigEndian.PutUint32(dst, uint32(body+bodyOverLen))
	dst[4], dst[5] = Version, byte(kind)
}

// parseFrame splits the first frame off b. need > 0: b is only its beginning, and so many bytes in all are known to
// belong to it. Errors: errFrame for a length out of range, errVersion.
func parseFrame(b []byte, limit int) (kind frameKind, body []byte, size, need int, err error) {
	if len(b) < frameHeader {
		return 0, nil, 0, frameHeader, nil
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n < bodyOverLen || n > int64(limit) {
		return 0, nil, 0, 0, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	if b[4] != Version {
		return 0, nil, 0, 0, errVersion
	}
	kind = frameKind(b[5])
	if kind == 0 || kind >= numFrames {
		return 0, nil, 0, 0, fmt.Errorf("%w: kind %d", errFrame, kind)
	}
	size = 4 + int(n)
	if len(b) < size {
		return 0, nil, 0, size, nil
	}
	return kind, b[frameHeader:size], size, 0, nil
}

// frameReader reads frames, as much at a time as there is. It is its goroutine's alone.
type frameReader struct {
	from  io.Reader
	buf   []byte
	begin int // of what is not taken yet
	end   int // of what was read
	limit int // of the rest of a frame
}

func newFrameReader(from io.Reader, limit int) *frameReader {
	return &frameReader{from: from, limit: limit}
}

// ready reports whether a whole frame, or one that is refused, is there without reading.
func (r *frameReader) ready() bool {
	_, _, _, need, err := parseFrame(r.buf[r.begin:r.end], r.limit)
	return need == 0 || err != nil
}

// next returns the next frame; its body is good until the next call. Errors: errFrame, errVersion, io.EOF between
// frames, io.ErrUnexpectedEOF within one, those of the connection.
func (r *frameReader) next() (frameKind, []byte, error) {
	for {
		kind, body, size, need, err := parseFrame(r.buf[r.begin:r.end], r.limit)
		if err != nil {
			return 0, nil, err
		}
		if need == 0 {
			r.begin += size
			return kind, body, nil
		}
		r.makeRoom(need)
		n, err := r.from.Read(r.buf[r.end:])
		r.end += n
		if n == 0 && err != nil {
			if err == io.EOF && r.end > r.begin {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
	}
}

// makeRoom moves what is left to the beginning and grows the buffer towards need, by no more than what has come: who
// announces much and sends little gets little.
func (r *frameReader) makeRoom(need int) {
	have := r.end - r.begin
	switch size := len(r.buf); {
	case size == 0:
		r.buf = make([]byte, readSize)
	case have == size:
		grown := make([]byte, min(2*size, max(need, readSize)))
		copy(grown, r.buf[r.begin:r.end])
		clear(r.buf)
		r.buf = grown
	case have == 0 && size > keptSize:
		r.buf = make([]byte, readSize)
	default:
		copy(r.buf, r.buf[r.begin:r.end])
	}
	r.begin, r.end = 0, have
}

// announces reports whether what stands next is the header of a frame of that kind within the wire's own limit.
func (r *frameReader) announces(kind frameKind) bool {
	b := r.buf[r.begin:r.end]
	if len(b) < frameHeader {
		return false
	}
	_, _, _, _, err := parseFrame(b, maxFrame)
	return err == nil && frameKind(b[5]) == kind
}

// wipe clears the whole buffer.
func (r *frameReader) wipe() { clear(r.buf) }
