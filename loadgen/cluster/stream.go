package cluster

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// stream is a Link of frames over two byte streams.
type stream struct {
	in  *bufio.Reader
	mu  sync.Mutex // guards out and buffer
	out io.Writer

	buffer []byte
	close  func() error
}

// NewStream is a Link over a pair of byte streams, such as an agent's standard input and output. Receiving ends with the
// stream, not with its context; sending also at a deadline, where the stream knows of such.
func NewStream(in io.Reader, out io.Writer, closing func() error) Link {
	return &stream{in: bufio.NewReaderSize(in, 64<<10), out: out, close: closing}
}

func (s *stream) Send(ctx context.Context, m *Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	frame, err := AppendFrame(s.buffer[:0], m)
	if err != nil {
		return err
	}
	if len(frame) <= 64<<10 {
		s.buffer = frame
	}
	if out, ok := s.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		deadline, _ := ctx.Deadline() // the zero time is none
		if err := out.SetWriteDeadline(deadline); err != nil && !errors.Is(err, os.ErrNoDeadline) {
			return err
		}
	}
	_, err = s.out.Write(frame)
	return err
}

func (s *stream) Receive(context.Context) (*Message, error) { return ReadFrame(s.in) }

func (s *stream) Close() error { return s.close() }
