package frontend_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// leaf is a certificate that nobody signed but itself.
type leaf struct {
	name  string
	end   time.Time
	usage x509.ExtKeyUsage
}

func (l leaf) make(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: l.name}, DNSNames: []string{l.name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: l.end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{l.usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, pool
}

// write writes the pair where FileCerts reads it.
func (l leaf) write(t testing.TB, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	pair, pool := l.make(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// TestMutualTLS: whoever has no valid certificate is refused at the handshake, and no request of theirs is served.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	soon := time.Now().Add(time.Hour)
	known, pool := leaf{"client", soon, x509.ExtKeyUsageClientAuth}.make(t)
	stranger, _ := leaf{"client", soon, x509.ExtKeyUsageClientAuth}.make(t)
	old, oldPool := leaf{"client", time.Now().Add(-time.Hour), x509.ExtKeyUsageClientAuth}.make(t)
	server, serverPool := leaf{"client", soon, x509.ExtKeyUsageServerAuth}.make(t)
	tests := []struct {
		name   string
		shown  []tls.Certificate
		pool   *x509.CertPool
		served bool
	}{
		{"known", []tls.Certificate{known}, pool, true},
		{"none", nil, pool, false},
		{"another's", []tls.Certificate{stranger}, pool, false},
		{"ended", []tls.Certificate{old}, oldPool, false},
		{"for servers", []tls.Certificate{server}, serverPool, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, address := start(t, frontend.Options{TLS: frontend.NewTLS(ca, frontend.TLSOptions{ClientCAs: tt.pool})},
				handlerFunc(func(r *frontend.Request, w *frontend.Response) {
					if !tt.served {
						t.Error("a request got through")
					}
					echo(r, w)
				}))
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				config := &tls.Config{
					RootCAs: ca.Pool(), ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						if len(tt.shown) == 0 {
							return &tls.Certificate{}, nil
						}
						return &tt.shown[0], nil
					},
				}
				for n := range 2 { // the second resumes in 1.3
					c := tls.Client(dial(t, address), config)
					err := c.Handshake()
					if err == nil { // in 1.3 a client is done before the server has seen its certificate
						_, _ = c.Write([]byte(post("{}")))
						_, err = http.ReadResponse(bufio.NewReader(c), nil)
					}
					if (err == nil) != tt.served {
						t.Errorf("%s: %v", tls.VersionName(version), err)
					}
					if tt.served && c.ConnectionState().DidResume != (n == 1 && version == tls.VersionTLS13) {
						t.Errorf("%s, connection %d: resumed %v", tls.VersionName(version), n, c.ConnectionState().DidResume)
					}
					_ = c.Close()
				}
			}
			eventually(t, "all are gone", func() bool { return s.Stats().Open == 0 })
			if failed := s.Stats().HandshakesFailed; (failed == 4) == tt.served {
				t.Errorf("%d handshakes failed", failed)
			}
		})
	}
}

// TestReload: a new pair is for new connections, a bad one changes nothing, and connections that stand go on.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "own.pem"), filepath.Join(dir, "own.key")
	if _, err := frontend.OpenFileCerts(cert, key); err == nil {
		t.Error("opened files that are not there")
	}
	later := time.Now().Add(time.Hour)
	pool := leaf{"one.test", later, x509.ExtKeyUsageServerAuth}.write(t, cert, key)
	certs, err := frontend.OpenFileCerts(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if anchors := x509.NewCertPool(); !anchors.AppendCertsFromPEM(certs.Anchors()) || !anchors.Equal(pool) {
		t.Error("its anchors are not the certificate itself, which nobody else signed")
	}
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(certs)}, echo)
	standing := dialTLS(t, address, &tls.Config{RootCAs: pool, ServerName: "one.test"})
	r := bufio.NewReader(standing)

	bad := map[string]func(){
		"is nonsense": func() { _ = os.WriteFile(cert, []byte("nonsense"), 0o600) },
		"is another's key": func() {
			leaf{"two.test", later, x509.ExtKeyUsageServerAuth}.write(t, filepath.Join(dir, "two.pem"), key)
		},
		"has ended":         func() { leaf{"two.test", time.Now().Add(-time.Hour), x509.ExtKeyUsageServerAuth}.write(t, cert, key) },
		"cannot be read":    func() { _ = os.Remove(cert) },
		"has no key of its": func() { leaf{"two.test", later, x509.ExtKeyUsageServerAuth}.write(t, cert, key); _ = os.Remove(key) },
	}
	for name, spoil := range bad {
		spoil()
		if err := certs.Reload(); err == nil || !strings.Contains(err.Error(), cert) {
			t.Errorf("a pair that %s: %v", name, err)
		}
		if !strings.HasPrefix(certs.String(), "one.test, until ") {
			t.Errorf("a pair that %s: %v is in use", name, certs)
		}
		_ = dialTLS(t, address, &tls.Config{RootCAs: pool, ServerName: "one.test"}).Close()
	}

	second := leaf{"two.test", later, x509.ExtKeyUsageServerAuth}.write(t, cert, key)
	if err := certs.Reload(); err != nil {
		t.Fatal(err)
	}
	_ = dialTLS(t, address, &tls.Config{RootCAs: second, ServerName: "two.test"}).Close()
	if err := tls.Client(dial(t, address), &tls.Config{RootCAs: pool, ServerName: "one.test"}).Handshake(); err == nil {
		t.Error("the old certificate is still shown")
	}
	write(t, standing, post("{}"))
	answers(t, r, 1)
}
