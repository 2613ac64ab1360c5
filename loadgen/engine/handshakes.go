package engine

import (
	"crypto/tls"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/measure"
)

// Handshakes is what making connections took.
type Handshakes struct {
	Made    uint64 // connections that became ready
	Failed  uint64 // that did not, at the dial or in the handshake
	Resumed uint64 // that resumed a TLS session
	// Dial is the time until TCP was connected, TLS the handshake after it, in ns, of the connections made; nil without any (TLS
	// also in plaintext).
	Dial, TLS *hdr.Histogram
	// Kinds counts the connections made by TLS version and key exchange, such as "TLS 1.3, X25519MLKEM768".
	Kinds map[string]uint64
}

// handshakeMeter counts the connections of a run. Safe for concurrent use; a nil one counts nothing.
type handshakeMeter struct {
	mu sync.Mutex
	h  Handshakes
}

func newHandshakeMeter() *handshakeMeter { return &handshakeMeter{h: empty()} }

func empty() Handshakes { return Handshakes{Kinds: map[string]uint64{}} }

// split returns what was counted so far and begins again.
func (m *handshakeMeter) split() Handshakes {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.h
	m.h = empty()
	return h
}

func (m *handshakeMeter) failed() {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.h.Failed++
	m.mu.Unlock()
}

// made counts a connection. stream is a *tls.Conn, or anything else in plaintext.
func (m *handshakeMeter) made(dial, secure time.Duration, stream any) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.h.Made++
	keep(&m.h.Dial, dial)
	c, ok := stream.(*tls.Conn)
	if !ok {
		return
	}
	keep(&m.h.TLS, secure)
	state := c.ConnectionState()
	if state.DidResume {
		m.h.Resumed++
	}
	kind := tls.VersionName(state.Version)
	if state.CurveID != 0 {
		kind += ", " + state.CurveID.String()
	}
	m.h.Kinds[kind]++
}

// keep records a time in a histogram that it makes on first use.
func keep(h **hdr.Histogram, d time.Duration) {
	if *h == nil {
		*h = hdr.New(int64(measure.Lowest), int64(measure.Highest), measure.SuccessDigits)
	}
	if err := (*h).RecordValue(int64(min(max(d, measure.Lowest), measure.Highest))); err != nil {
		panic("engine: clamped value refused: " + err.Error())
	}
}
