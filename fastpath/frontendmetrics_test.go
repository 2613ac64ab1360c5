package fastpath_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"trent/fastpath/servertest"
)

// TestFrontendMetrics: connections, handshakes and requests that no handler saw are shown.
func TestFrontendMetrics(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	address := strings.TrimPrefix(s.URL, "https://")
	for _, config := range []*tls.Config{
		{RootCAs: s.RootCAs},
		{RootCAs: s.RootCAs, MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.CurveP256}},
	} {
		c, err := tls.Dial("tcp", address, config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "nonsense\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%v, %v", resp, err)
		}
		_ = c.Close()
	}
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := tls.Client(raw, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("shook hands with TLS 1.1")
	}
	_, _ = io.ReadAll(raw) // the failure is counted before the connection ends
	var text strings.Builder
	s.Core.WriteMetrics(&text)
	for _, line := range []string{
		`trent_connections_accepted_total{endpoint="tls"} 3`,
		`trent_connections_accepted_total{endpoint="plaintext"} 0`,
		`trent_connections_open{endpoint="plaintext"} 0`,
		`trent_requests_refused_total{endpoint="tls",reason="malformed"} 2`,
		`trent_requests_refused_total{endpoint="tls",reason="timed_out"} 0`,
		`trent_requests_aborted_total{endpoint="tls"} 0`,
		`trent_tls_handshakes_failed_total 1`,
		`trent_tls_handshakes_resumed_total 0`,
		`trent_tls_handshakes_displaced_total 0`,
		`trent_tls_handshakes_in_flight 0`,
		`trent_tls_handshakes_total{version="TLS 1.3",group="X25519MLKEM768",hybrid="true"} 1`,
		`trent_tls_handshakes_total{version="TLS 1.2",group="CurveP256",hybrid="false"} 1`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text.String())
		}
	}
	sample := regexp.MustCompile(`^(# TYPE [a-z_]+ (gauge|counter|histogram)|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)$`)
	for line := range strings.Lines(text.String()) {
		if !sample.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("not a line of the Prometheus format: %q", line)
		}
	}
}
