package fastpath

import (
	"crypto/tls"
	"fmt"
	"io"

	"trent/fastpath/frontend"
)

// writeFrontendMetrics writes what the frontends count: connections, TLS handshakes, and requests that no
// handler saw. Their counts are told apart by the label endpoint.
func (s *Server) writeFrontendMetrics(w io.Writer) {
	endpoints := [...]struct {
		name  string
		stats frontend.Stats
	}{{"tls", s.frontend.Stats()}, {"plaintext", s.plaintext.Stats()}}

	fmt.Fprintln(w, "# TYPE trent_connections_open gauge")
	for _, e := range endpoints {
		fmt.Fprintf(w, "trent_connections_open{endpoint=%q} %d\n", e.name, e.stats.Open)
	}
	fmt.Fprintln(w, "# TYPE trent_connections_accepted_total counter")
	for _, e := range endpoints {
		fmt.Fprintf(w, "trent_connections_accepted_total{endpoint=%q} %d\n", e.name, e.stats.Accepted)
	}
	fmt.Fprintln(w, "# TYPE trent_requests_aborted_total counter")
	for _, e := range endpoints {
		fmt.Fprintf(w, "trent_requests_aborted_total{endpoint=%q} %d\n", e.name, e.stats.Aborted)
	}
	fmt.Fprintln(w, "# TYPE trent_requests_refused_total counter")
	for _, e := range endpoints {
		for reason := frontend.Malformed; int(reason) < len(e.stats.Refused); reason++ {
			fmt.Fprintf(w, "trent_requests_refused_total{endpoint=%q,reason=%q} %d\n", e.name, reason, e.stats.Refused[reason])
		}
	}
	// Only one of the two shakes hands.
	stats := endpoints[0].stats
	fmt.Fprintf(w, "# TYPE trent_tls_handshakes_failed_total counter\ntrent_tls_handshakes_failed_total %d\n", stats.HandshakesFailed)
	fmt.Fprintf(w, "# TYPE trent_tls_handshakes_resumed_total counter\ntrent_tls_handshakes_resumed_total %d\n", stats.Resumed)
	fmt.Fprintf(w, "# TYPE trent_tls_handshakes_displaced_total counter\ntrent_tls_handshakes_displaced_total %d\n", stats.Displaced)
	fmt.Fprintf(w, "# TYPE trent_tls_handshakes_in_flight gauge\ntrent_tls_handshakes_in_flight %d\n", stats.Shaking)
	fmt.Fprintln(w, "# TYPE trent_tls_handshakes_total counter")
	for _, h := range stats.Handshakes {
		group := "other"
		if h.Curve != 0 {
			group = h.Curve.String()
		}
		fmt.Fprintf(w, "trent_tls_handshakes_total{version=%q,group=%q,hybrid=\"%t\"} %d\n",
			tls.VersionName(h.Version), group, h.Hybrid, h.Count)
	}
}
