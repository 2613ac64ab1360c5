package frontend

import (
	"crypto/tls"
	"sync/atomic"
)

// Stats are a server's counts since it was made.
type Stats struct {
	Open             int    // connections now
	Accepted         uint64 // connections
	Handshakes       []HandshakeCount
	HandshakesFailed uint64
	Resumed          uint64               // of Handshakes, those that resumed a session
	Shaking          int                  // handshakes in flight
	Displaced        uint64               // of HandshakesFailed, slow ones that were given up for others
	Refused          [TimedOut + 1]uint64 // answers that the frontend gave by itself, by Reason
	Aborted          uint64               // requests that broke off: the client went away before its answer was sent
}

// HandshakeCount counts completed TLS handshakes of one kind.
type HandshakeCount struct {
	Version uint16
	Curve   tls.CurveID // 0: another one
	Hybrid  bool        // with a post-quantum part
	Count   uint64
}

// countedCurves are the key exchanges that are told apart; the last row counts all others.
var countedCurves = [...]struct {
	id     tls.CurveID
	hybrid bool
}{
	{tls.X25519MLKEM768, true}, {tls.SecP256r1MLKEM768, true}, {tls.SecP384r1MLKEM1024, true},
	{tls.X25519, false}, {tls.CurveP256, false}, {tls.CurveP384, false}, {tls.CurveP521, false},
	{0, false},
}

var countedVersions = [...]uint16{tls.VersionTLS13, tls.VersionTLS12}

type counters struct {
	accepted, failed atomic.Uint64
	resumed          atomic.Uint64
	aborted          atomic.Uint64
	refused          [TimedOut + 1]atomic.Uint64
	handshakes       [len(countedVersions)][len(countedCurves)]atomic.Uint64
}

func (n *counters) handshake(version uint16, curve tls.CurveID) {
	row := 0
	for row < len(countedVersions)-1 && countedVersions[row] != version {
		row++
	}
	column := 0
	for column < len(countedCurves)-1 && countedCurves[column].id != curve {
		column++
	}
	n.handshakes[row][column].Add(1)
}

// Stats reads the counts. Handshakes has the kinds that occurred.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	stats := Stats{Open: len(s.connections)}
	s.mu.Unlock()
	stats.Accepted = s.stats.accepted.Load()
	stats.HandshakesFailed = s.stats.failed.Load()
	stats.Resumed = s.stats.resumed.Load()
	stats.Shaking, stats.Displaced = s.shaking.counts()
	stats.Aborted = s.stats.aborted.Load()
	for i := range stats.Refused {
		stats.Refused[i] = s.stats.refused[i].Load()
	}
	for i, version := range countedVersions {
		for j, curve := range countedCurves {
			if n := s.stats.handshakes[i][j].Load(); n > 0 {
				stats.Handshakes = append(stats.Handshakes, HandshakeCount{version, curve.id, curve.hybrid, n})
			}
		}
	}
	return stats
}
