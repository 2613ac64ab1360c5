package frontend_test

import (
	"bufio"
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

func openCA(t testing.TB, names ...string) *frontend.CA {
	t.Helper()
	ca, err := frontend.OpenCA(t.TempDir(), names...)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestTLSPolicy(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), Logf: t.Logf}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		w.Body = fmt.Appendf(w.Body, "%d %d %d %s", r.TLS.Version, r.TLS.CipherSuite, r.TLS.Curve, r.TLS.ServerName)
	}))
	curve, chacha := tls.X25519, uint16(tls.VersionTLS12)
	if fips140.Enabled() { // neither is approved
		curve, chacha = tls.CurveP256, 0
	}
	failing := uint64(0)
	tests := []struct {
		name    string
		config  *tls.Config
		version uint16 // 0: refused
		curve   tls.CurveID
	}{
		{"the default", &tls.Config{}, tls.VersionTLS13, tls.X25519MLKEM768},
		{"classical only", &tls.Config{CurvePreferences: []tls.CurveID{curve}}, tls.VersionTLS13, curve},
		{"P-256 hybrid", &tls.Config{CurvePreferences: []tls.CurveID{tls.SecP256r1MLKEM768}}, tls.VersionTLS13, tls.SecP256r1MLKEM768},
		{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, tls.VersionTLS12, curve},
		{"1.2, P-256", &tls.Config{MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.CurveP256}}, tls.VersionTLS12, tls.CurveP256},
		{"1.2, ChaCha20", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}}, chacha, tls.X25519},
		{"1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, 0, 0},
		{"RSA key exchange", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}}, 0, 0},
		{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, 0, 0},
		{"HTTP/2 only", &tls.Config{NextProtos: []string{"h2"}}, 0, 0},
		{"HTTP/2 and 1.1", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, tls.VersionTLS13, tls.X25519MLKEM768},
	}
	for _, tt := range tests {
		if tt.version == 0 {
			failing++
		}
		t.Run(tt.name, func(t *testing.T) {
			tt.config.RootCAs = ca.Pool()
			tt.config.ServerName = "localhost"
			c, err := tls.Dial("tcp", address, tt.config)
			if tt.version == 0 {
				if err == nil {
					_ = c.Close()
					t.Fatal("not refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			state := c.ConnectionState()
			if len(tt.config.NextProtos) > 0 && state.NegotiatedProtocol != "http/1.1" {
				t.Errorf("protocol %q", state.NegotiatedProtocol)
			}
			write(t, c, post("{}"))
			want := fmt.Sprintf("%d %d %d localhost", tt.version, state.CipherSuite, tt.curve)
			if got := answers(t, bufio.NewReader(c), 1); got[0] != want {
				t.Errorf("got %q, want %q", got[0], want)
			}
		})
	}
	// A client may learn of a failure before it is counted, but not after its connection has ended.
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	stats := s.Stats()
	if stats.HandshakesFailed != failing {
		t.Errorf("%d handshakes failed, want %d", stats.HandshakesFailed, failing)
	}
	if want := (frontend.HandshakeCount{Version: tls.VersionTLS13, Curve: tls.X25519MLKEM768, Hybrid: true, Count: 2}); !slices.Contains(stats.Handshakes, want) {
		t.Errorf("%+v is not in %+v", want, stats.Handshakes)
	}
	if stats.Accepted != uint64(len(tests)) {
		t.Errorf("%d connections accepted, want %d", stats.Accepted, len(tests))
	}
}

// TestResumption: tickets resume in TLS 1.3 and do not exist in 1.2.
func TestResumption(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca)}, echo)
	for version, want := range map[uint16]bool{tls.VersionTLS13: true, tls.VersionTLS12: false} {
		config := &tls.Config{RootCAs: ca.Pool(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		var resumed bool
		for range 2 {
			c, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, post("{}"))
			answers(t, bufio.NewReader(c), 1) // and reads the ticket
			resumed = c.ConnectionState().DidResume
			_ = c.Close()
		}
		if resumed != want {
			t.Errorf("%s: resumed %v, want %v", tls.VersionName(version), resumed, want)
		}
	}
}

// TestHandshakeTimeout: a client that never shakes hands is let go, in silence.
func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(openCA(t)), ReadTimeout: 50 * time.Millisecond}, echo)
	c := dial(t, address)
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestCertificateNames(t *testing.T) {
	t.Parallel()
	ca := openCA(t, "kms.test", "192.0.2.7")
	tests := []struct {
		name string
		own  bool // a certificate for that name; else the default one
	}{
		{"kms.us-east-1.amazonaws.com", true},
		{"kms-fips.eu-west-3.amazonaws.com", true},
		{"kms.cn-north-1.amazonaws.com.cn", true},
		{"sts.eu-west-1.amazonaws.com", true},
		{"sts-fips.us-east-1.amazonaws.com", true},
		{"sts.amazonaws.com", true},
		{"kms.us-east-1.api.aws", true},
		{"vpce-0123456789abcdef0-abcdefgh.kms.us-east-1.vpce.amazonaws.com", true},
		{"vpce-0123456789abcdef0-abcdefgh-us-east-1a.kms-fips.us-east-1.vpce.amazonaws.com", true},
		{"", false},
		{"localhost", false},
		{"kms.test", false},
		{"kms.amazonaws.com", false},
		{"kms..amazonaws.com", false},
		{"kms.a.b.amazonaws.com", false},
		{"kms.-a.amazonaws.com", false},
		{"iam.us-east-1.amazonaws.com", false},
		{"kms.us-east-1.amazonaws.com.evil.test", false},
		{"x.kms.us-east-1.vpce.amazonaws.com", false},
		{"vpce-1.sqs.us-east-1.vpce.amazonaws.com", false},
		{"kms." + strings.Repeat("a", 64) + ".api.aws", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			certificate, err := ca.Certificate(&tls.ClientHelloInfo{ServerName: tt.name})
			if err != nil {
				t.Fatal(err)
			}
			leaf := certificate.Leaf
			if lifetime := leaf.NotAfter.Sub(leaf.NotBefore); lifetime > 398*24*time.Hour {
				t.Errorf("valid for %v", lifetime)
			}
			names := []string{"localhost", "127.0.0.1", "::1", "kms.test", "192.0.2.7"}
			if tt.own {
				names = []string{tt.name}
				if leaf.VerifyHostname("localhost") == nil {
					t.Error("holds for localhost too")
				}
			}
			for _, name := range names {
				if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.Pool()}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			again, err := ca.Certificate(&tls.ClientHelloInfo{ServerName: tt.name})
			if err != nil || again.Leaf.SerialNumber.Cmp(leaf.SerialNumber) != 0 {
				t.Errorf("not kept: %v", err)
			}
		})
	}
}

func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	now := time.Now()
	ca.SetClock(func() time.Time { return now })
	hello := &tls.ClientHelloInfo{}
	first, err := ca.Certificate(hello)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		days  int
		fresh bool
	}{{366, false}, {368, true}} {
		at := now
		ca.SetClock(func() time.Time { return at.Add(time.Duration(step.days) * 24 * time.Hour) })
		c, err := ca.Certificate(hello)
		if err != nil || (c != first) != step.fresh {
			t.Errorf("after %d days: issued anew %v, %v", step.days, c != first, err)
		}
	}
}

func TestCertificatesAreBounded(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	for i := range frontend.MaxIssued + 10 {
		if _, err := ca.Certificate(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("kms.r%d.api.aws", i)}); err != nil {
			t.Fatal(err)
		}
		if n := ca.IssuedKept(); n > frontend.MaxIssued {
			t.Fatalf("%d certificates kept", n)
		}
	}
}

func TestOpenCA(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	first, err := frontend.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "ca.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	second, err := frontend.OpenCA(dir)
	if err != nil || string(second.Root()) != string(first.Root()) {
		t.Errorf("another authority at the second opening: %v", err)
	}
	bundle, err := first.Bundle()
	if err != nil || !strings.HasSuffix(string(bundle), string(first.Root())) || !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		t.Errorf("bundle of %d bytes: %v", len(bundle), err)
	}

	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := frontend.OpenCA(dir); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("key that others can read: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := frontend.OpenCA(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("authority without its key: %v", err)
	}
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := frontend.OpenCA(dir); err == nil {
		t.Error("nonsense for a key")
	}
}

// TestCertificateFailure: a source that fails costs the handshake and nothing else.
func TestCertificateFailure(t *testing.T) {
	t.Parallel()
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(noCertificate{})}, echo)
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{ServerName: "a"})
	defer c.Close()
	if err := c.Handshake(); err == nil {
		t.Error("shook hands without a certificate")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().HandshakesFailed; n != 1 {
		t.Errorf("%d failed", n)
	}
}

type noCertificate struct{}

func (noCertificate) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return nil, errors.New("none")
}
