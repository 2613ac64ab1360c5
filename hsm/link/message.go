package link

import (
	"encoding/binary"
	"strings"
	"unicode"
)

// messageKind says what a message within an envelope asks for or answers.
type messageKind uint8

// Kinds of messages. Values are part of the wire. An answer's is its request's with the highest bit set.
const (
	kindCall messageKind = iota + 1
	kindForget
	kindStatus
	kindIdentity
	kindExecute
	kindInstall
	kindCancel  // a request will not be waited for; no answer of its own
	kindPing    // is anybody there?
	kindGoodbye // the host sends nothing more; no answer
	numRequests

	answerBit messageKind = 0x80

	kindGoingAway messageKind = 0x7f // module to host: send nothing more here, say goodbye
)

// messageHeader is length, request id and kind, in bytes.
const messageHeader = 9

// message is one of an envelope; body is a view.
type message struct {
	id   uint32
	kind messageKind
	body []byte
}

// nextMessage splits the first message off b. Error: errMessage.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < messageHeader {
		return m, nil, errMessage
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n < messageHeader || n > uint64(len(b)) {
		return m, nil, errMessage
	}
	m.id = binary.BigEndian.Uint32(b[4:])
	m.kind = messageKind(b[8])
	m.body = b[messageHeader:n:n]
	return m, b[n:], nil
}

// beginMessage appends a header whose length endMessage fills in; start is where it begins.
func beginMessage(dst []byte, id uint32, kind messageKind) (out []byte, start int) {
	start = len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, id)
	return append(dst, byte(kind)), start
}

func endMessage(dst []byte, start int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
}

// appendMessage appends a whole message.
func appendMessage(dst []byte, id uint32, kind messageKind, body []byte) []byte {
	dst, start := beginMessage(dst, id, kind)
	dst = append(dst, body...)
	endMessage(dst, start)
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}

// scanner takes a message apart; after the first thing that does not fit all is empty and bad is set.
type scanner struct {
	b   []byte
	bad bool
}

func (s *scanner) take(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.bad, s.b = true, nil
		return nil
	}
	b := s.b[:n:n]
	s.b = s.b[n:]
	return b
}

func (s *scanner) byte() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scanner) uint64() uint64 {
	if b := s.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// bytes takes a length and so many bytes; none gives nil.
func (s *scanner) bytes() []byte {
	n := s.uint32()
	if n == 0 {
		return nil
	}
	if uint64(n) > uint64(len(s.b)) {
		s.bad, s.b = true, nil
		return nil
	}
	return s.take(int(n))
}

// done reports whether everything fitted and nothing is left.
func (s *scanner) done() bool { return !s.bad && len(s.b) == 0 }

// appendAnswer appends what every answer but that of a call begins with: the code, and for an error its text, which
// the message ends with.
func appendAnswer(dst []byte, err error) []byte {
	dst = append(dst, codeOf(err))
	if err != nil {
		text := err.Error()
		dst = append(dst, text[:min(len(text), maxText)]...)
	}
	return dst
}

// maxText bounds the text of an error, in bytes.
const maxText = 1024

// parseAnswer takes an answer apart. Errors: errMessage in bad; in err what the module said, as a remoteError.
func parseAnswer(body []byte) (rest []byte, err, bad error) {
	if len(body) == 0 {
		return nil, nil, errMessage
	}
	kind, ok := errorOf(body[0])
	if !ok || kind != nil && len(body)-1 > maxText {
		return nil, nil, errMessage
	}
	if kind != nil {
		return nil, &remoteError{kind: kind, text: printable(string(body[1:]))}, nil
	}
	return body[1:], nil, nil
}

// printable is text as it may stand in a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// remoteError is an error of the module with its text.
type remoteError struct {
	kind error
	text string
}

func (e *remoteError) Error() string {
	if e.text == "" || e.text == e.kind.Error() {
		return e.kind.Error()
	}
	return e.kind.Error() + ": the module says: " + e.text
}

func (e *remoteError) Unwrap() error { return e.kind }
