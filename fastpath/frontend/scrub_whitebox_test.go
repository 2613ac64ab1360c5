package frontend

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// source gives out data in pieces, into memory that must be clean.
type source struct {
	scrub
	t     *testing.T
	draw  *rand.Rand
	data  []byte
	keeps bool // reads straight into a caller's memory are not the buffer's, and pass
}

func (s *source) Read(p []byte) (int, error) {
	buffered := s.buf == nil || s.holds(p) || !s.keeps
	if buffered {
		s.before(p)
		if i := bytes.IndexFunc(p, func(r rune) bool { return r != 0 }); i >= 0 {
			s.t.Fatalf("byte %d of %d was left", i, len(p))
		}
	}
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+s.draw.IntN(60))], s.data)
	s.data = s.data[n:]
	if buffered {
		s.after(n)
	}
	return n, nil
}

func drawn(draw *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + draw.IntN(255))
	}
	return b
}

// TestScrub: whatever is read through a buffer arrives, in pieces of any size, and nothing of it is in the way of what
// comes next.
func TestScrub(t *testing.T) {
	t.Parallel()
	draw := rand.New(rand.NewPCG(1, 1))
	data := drawn(draw, 50_000)
	s := &source{t: t, draw: draw, data: data, keeps: true}
	s.before(drawn(draw, 64)) // another's buffer, from a pool
	s.buf = nil
	r := bufio.NewReaderSize(s, 64)
	var got []byte
	for {
		b := make([]byte, 1+draw.IntN(200)) // more than the buffer too: then bufio reads past it
		n, err := io.ReadFull(r, b)
		got = append(got, b[:n]...)
		if err != nil {
			break
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d arrive, or others", len(got), len(data))
	}
	s.clear()
	if bytes.ContainsFunc(s.buf, func(r rune) bool { return r != 0 }) {
		t.Error("something is left")
	}
}

// atLeast ends once n bytes were read, and lets more be read at once.
type atLeast struct {
	io.Reader
	n int
}

func (a *atLeast) Read(p []byte) (int, error) {
	if a.n <= 0 {
		return 0, io.EOF
	}
	n, err := a.Reader.Read(p)
	a.n -= n
	return n, err
}

// TestScrubOfAMovingBuffer is the same of a buffer that grows and moves, as that of crypto/tls; an old one is cleared.
func TestScrubOfAMovingBuffer(t *testing.T) {
	t.Parallel()
	draw := rand.New(rand.NewPCG(2, 2))
	data := drawn(draw, 50_000)
	s := &source{t: t, draw: draw, data: data}
	var buf bytes.Buffer
	var old, got []byte
	for {
		n := 1 + draw.IntN(300)
		if missing := n - buf.Len(); missing > 0 {
			buf.Grow(missing + bytes.MinRead)
			if _, err := buf.ReadFrom(&atLeast{s, missing}); err != nil {
				t.Fatal(err)
			}
		}
		if len(old) > 0 && !s.holds(old) && bytes.ContainsFunc(old, func(r rune) bool { return r != 0 }) {
			t.Fatal("something is left in the old buffer")
		}
		old = s.buf
		record := buf.Next(n)
		if got = append(got, record...); len(record) < n {
			break
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d arrive, or others", len(got), len(data))
	}
}
