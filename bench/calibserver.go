package bench

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// calibServer holds each request for a time that it draws, measures and stamps on the answer: what a client should have seen is
// known.
type calibServer struct {
	mode       atomic.Pointer[holdMode]
	requests   atomic.Int64
	stallUntil atomic.Int64 // since epoch, ns
	epoch      time.Time

	mu    sync.Mutex
	holds []int64 // true hold times since the mode was set, ns
}

// holdMode says how long requests are held.
type holdMode struct {
	Median     time.Duration `json:"median_ns"` // of a lognormal distribution; 0: not at all
	Sigma      float64       `json:"sigma"`
	StallAfter int64         `json:"stall_after"` // the request with which a stall begins; 0: none
	Stall      time.Duration `json:"stall_ns"`
}

// Calibration serves TLS on l and takes its mode, and gives the true hold times, on control: PUT / sets a mode and forgets, GET /
// returns the hold times in ns.
func Calibration(l, control net.Listener, cert tls.Certificate) error {
	s := &calibServer{epoch: time.Now()}
	s.mode.Store(&holdMode{})
	go func() { _ = http.Serve(control, s) }()
	secure := tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	for {
		c, err := secure.Accept()
		if err != nil {
			return err
		}
		go s.serve(c)
	}
}

// ServeHTTP is the control.
func (s *calibServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		m := &holdMode{}
		if err := json.NewDecoder(r.Body).Decode(m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.requests.Store(0)
		s.stallUntil.Store(0)
		s.holds = s.holds[:0]
		s.mode.Store(m)
		return
	}
	_ = json.NewEncoder(w).Encode(s.holds)
}

func (s *calibServer) serve(c net.Conn) {
	defer c.Close()
	in := make([]byte, 0, 16<<10)
	var out []byte
	for {
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		size := requestSize(in)
		if size < 0 || size > cap(in) {
			return
		}
		if size == 0 || len(in) < size {
			continue
		}
		in = in[:copy(in, in[size:])]
		held := s.hold(time.Now())
		out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\nX-Hold-Ns: "...)
		out = strconv.AppendInt(out, int64(held), 10)
		out = append(out, "\r\n\r\n{}"...)
		if _, err := c.Write(out); err != nil {
			return
		}
		s.mu.Lock()
		s.holds = append(s.holds, int64(held))
		s.mu.Unlock()
	}
}

// hold waits as the mode says and returns how long it really was.
func (s *calibServer) hold(arrived time.Time) time.Duration {
	m := s.mode.Load()
	if n := s.requests.Add(1); n == m.StallAfter {
		s.stallUntil.Store(int64(time.Since(s.epoch) + m.Stall))
	}
	wait := time.Duration(s.stallUntil.Load()) - arrived.Sub(s.epoch)
	if m.Median > 0 {
		wait = max(wait, time.Duration(float64(m.Median)*math.Exp(m.Sigma*rand.NormFloat64())))
	}
	if wait > 0 {
		time.Sleep(wait)
	}
	return time.Since(arrived)
}

// requestSize is the length of the first request in b; 0 where its head is not whole, −1 where it has none that is understood.
func requestSize(b []byte) int {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return 0
	}
	_, rest, ok := bytes.Cut(b[:head+2], []byte("Content-Length: "))
	if !ok {
		return -1
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	length, err := strconv.Atoi(string(digits))
	if err != nil || length < 0 {
		return -1
	}
	return head + 4 + length
}

// setMode tells a calibration server how to hold.
func setMode(control string, m holdMode) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPut, control, bytes.NewReader(b))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.Body.Close()
}

// trueHolds is how long a calibration server held its requests, ns.
func trueHolds(control string) ([]float64, error) {
	answer, err := http.Get(control)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var holds []float64
	return holds, json.NewDecoder(answer.Body).Decode(&holds)
}
