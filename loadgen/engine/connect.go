package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Connect says how a run deals with its connections. The zero value opens them before the first hit and keeps each for the whole
// run, over TLS 1.2 or 1.3 with the curves that Go offers by itself (a hybrid one first), without resumption.
//
// A connection that the plan has made anew is dialled and secured inside the hit that needs it: its latency, which counts from due,
// contains the handshake, as a user's would. The time stands in the hit's wait, never in the client's lags, because most of it is
// the network's and the server's; what the client's own CPU adds to a handshake shows in the gate on busy CPUs.
type Connect struct {
	// Lifetime is how old a connection may become; 0: any age. The limit of each is drawn between a half and the whole of it by
	// the plan's seed (of the first ones between nothing and the whole), so that they do not end together.
	Lifetime time.Duration
	// Requests is how many requests a connection takes; 0: any number, 1: a new connection for each request.
	Requests int
	// Late opens no connection before a hit needs it.
	Late bool
	// HandshakeOnly sends no request: a hit is done when its connection is ready, and the connection is closed.
	HandshakeOnly bool
	// Resume keeps TLS sessions and resumes them on later connections.
	Resume bool
	// Curves are the key exchanges offered: "", CurvesHybrid or CurvesClassical.
	Curves string
	// Version is the only TLS version offered, tls.VersionTLS12 or tls.VersionTLS13; 0: both.
	Version uint16
}

// Choices of curves.
const (
	CurvesHybrid    = "hybrid"    // X25519MLKEM768 only
	CurvesClassical = "classical" // X25519 and P-256 only
)

// churns reports whether connections are replaced or opened in mid-run by plan. An engine that keeps its connections in a loop of
// its own must then use lanes, which open and close them.
func (c *Connect) churns() bool {
	return c.Lifetime > 0 || c.Requests > 0 || c.Late || c.HandshakeOnly
}

// late reports whether no connection is opened before the first hit.
func (c *Connect) late() bool { return c.Late || c.HandshakeOnly || c.Requests == 1 }

// Validate reports what contradicts itself.
func (c *Connect) Validate() error {
	switch {
	case c.Lifetime < 0 || c.Requests < 0:
		return errors.New("engine: negative lifetime or number of requests of a connection")
	case c.Curves != "" && c.Curves != CurvesHybrid && c.Curves != CurvesClassical:
		return fmt.Errorf("engine: unknown curves %q: expected %s or %s", c.Curves, CurvesHybrid, CurvesClassical)
	case c.Version != 0 && c.Version != tls.VersionTLS12 && c.Version != tls.VersionTLS13:
		return fmt.Errorf("engine: unknown TLS version %#x", c.Version)
	case c.Curves == CurvesHybrid && c.Version == tls.VersionTLS12:
		return errors.New("engine: hybrid key exchange needs TLS 1.3")
	}
	return nil
}

// configure makes the TLS configuration of a run from that of its target; nil in plaintext.
func (c *Connect) configure(base *tls.Config, connections int) *tls.Config {
	if base == nil {
		return nil
	}
	config := base.Clone()
	if c.Version != 0 {
		config.MinVersion, config.MaxVersion = c.Version, c.Version
	}
	switch c.Curves {
	case CurvesHybrid:
		config.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	case CurvesClassical:
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	if c.Resume {
		// One cache, as a process of a user has it: the newest ticket serves all connections.
		config.ClientSessionCache = tls.NewLRUClientSessionCache(connections)
	}
	return config
}

// age is what a lane knows of its connection.
type age struct {
	lane       uint64
	generation uint64
	ends       time.Duration // of the run's clock; 0: no limit
	requests   int
}

// renew notes a new connection.
func (a *age) renew(c *Connect, seed uint64, now time.Duration) {
	a.requests = 0
	a.ends = 0
	if c.Lifetime > 0 {
		share := unit(seed, a.lane, a.generation)
		if a.generation > 0 {
			share = (1 + share) / 2
		}
		a.ends = max(now, 0) + time.Duration(share*float64(c.Lifetime))
	}
	a.generation++
}

// over reports whether the connection has reached one of its limits.
func (a *age) over(c *Connect, now time.Duration) bool {
	return c.Lifetime > 0 && now >= a.ends || c.Requests > 0 && a.requests >= c.Requests
}

// unit is a number in [0, 1) that depends on its arguments only, by SplitMix64's finaliser.
func unit(words ...uint64) float64 {
	z := uint64(0x636f6e6e656374)
	for _, w := range words {
		z = (z + w + 1) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
	}
	return float64(z>>11) / (1 << 53)
}
