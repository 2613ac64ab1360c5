package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Clock is the test clock of a server that has one.
type Clock interface {
	ReadClock() ClockReading
	// AdvanceClock moves the clock forward and returns when the work that fell due by it is done.
	AdvanceClock(ctx context.Context, by time.Duration) error
	// AdvanceClockTo is AdvanceClock to a time.
	AdvanceClockTo(ctx context.Context, to time.Time) error
}

// ClockReading is what the test clock shows.
type ClockReading struct {
	Now   time.Time     `json:"now"`
	Ahead time.Duration `json:"aheadNanoseconds"` // of real time
}

// ErrNoTestClock says that the server runs by real time.
var ErrNoTestClock = errors.New("the server runs without a test clock")

// move is the body of POST /v1/clock: one of the two.
type move struct {
	Advance time.Duration `json:"advanceNanoseconds,omitempty"`
	To      time.Time     `json:"to,omitzero"`
}

const maxMoveBytes = 1 << 10

// WithClock lets the socket show and move c. It comes before ServeSocket.
func (s *Server) WithClock(c Clock) { s.clock = c }

func (s *Server) readClock(w http.ResponseWriter, _ *http.Request) {
	if s.clock == nil {
		http.Error(w, ErrNoTestClock.Error(), http.StatusConflict)
		return
	}
	s.writeClock(w)
}

func (s *Server) moveClock(w http.ResponseWriter, r *http.Request) {
	if s.clock == nil {
		http.Error(w, ErrNoTestClock.Error(), http.StatusConflict)
		return
	}
	var m move
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMoveBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		http.Error(w, "reading the move: "+err.Error(), http.StatusBadRequest)
		return
	}
	var err error
	if m.To.IsZero() {
		err = s.clock.AdvanceClock(r.Context(), m.Advance)
	} else {
		err = s.clock.AdvanceClockTo(r.Context(), m.To)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	s.writeClock(w)
}

func (s *Server) writeClock(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.clock.ReadClock())
}

// Clock reads the server's test clock. Errors: ErrNoTestClock, the connection's.
func (c *Client) Clock(ctx context.Context) (ClockReading, error) {
	return c.clock(ctx, http.MethodGet, nil)
}

// AdvanceClock moves the test clock; it takes as long as the work that falls due. Errors: as Clock's, and the server's
// refusal.
func (c *Client) AdvanceClock(ctx context.Context, by time.Duration) (ClockReading, error) {
	return c.clock(ctx, http.MethodPost, &move{Advance: by})
}

// AdvanceClockTo is AdvanceClock to a time.
func (c *Client) AdvanceClockTo(ctx context.Context, to time.Time) (ClockReading, error) {
	return c.clock(ctx, http.MethodPost, &move{To: to})
}

func (c *Client) clock(ctx context.Context, method string, m *move) (r ClockReading, err error) {
	var body []byte
	if m != nil {
		if body, err = json.Marshal(m); err != nil {
			return r, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost/v1/clock", bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	patient := http.Client{Transport: c.http.Transport} // years of rotations may be due: no limit but ctx
	answer, err := answerOf(&patient, req)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusConflict {
		return r, ErrNoTestClock
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return r, fmt.Errorf("reading the server's clock: %w", err)
	}
	return r, nil
}
