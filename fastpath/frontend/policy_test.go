package frontend_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// bothKinds has an ECDSA and an RSA certificate, so that each suite of TLS 1.2 could be used.
type bothKinds []*tls.Certificate

func (b bothKinds) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, c := range b {
		if hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	return nil, errors.New("no certificate that the client can use")
}

func newBothKinds(t *testing.T) bothKinds {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	ecDER, err := x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec)
	if err != nil {
		t.Fatal(err)
	}
	rsaDER, err := x509.CreateCertificate(rand.Reader, template, template, rsaKey.Public(), rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	return bothKinds{
		{Certificate: [][]byte{ecDER}, PrivateKey: ec},
		{Certificate: [][]byte{rsaDER}, PrivateKey: rsaKey},
	}
}

// TestSuites offers each suite of TLS 1.2 and before that crypto/tls knows, alone.
func TestSuites(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(newBothKinds(t))}, echo)
	accepted := map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: true, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: true,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: true,
	}
	if fips140.Enabled() {
		delete(accepted, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
		delete(accepted, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)
	}
	seen := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		t.Run(suite.Name, func(t *testing.T) {
			c, err := tls.Dial("tcp", address, &tls.Config{
				InsecureSkipVerify: true, // the certificates are not what is tested
				ServerName:         "localhost",
				MinVersion:         tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
			})
			if err == nil {
				if got := c.ConnectionState().CipherSuite; got != suite.ID {
					t.Errorf("negotiated %s", tls.CipherSuiteName(got))
				}
				_ = c.Close()
			}
			if (err == nil) != accepted[suite.ID] {
				t.Errorf("accepted %v, want %v (%v)", err == nil, accepted[suite.ID], err)
			}
		})
		if accepted[suite.ID] {
			seen++
		}
	}
	if seen != len(accepted) {
		t.Errorf("%d of %d suites tried", seen, len(accepted))
	}
}

// TestOldVersions: neither TLS 1.0 nor 1.1, alone, with any suite.
func TestOldVersions(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca)}, echo)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: ca.Pool(), MinVersion: version, MaxVersion: version})
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: not refused", tls.VersionName(version))
		}
	}
}

// TestOldHellos sends hellos that today's clients cannot make. None gets a ServerHello, and each is counted.
func TestOldHellos(t *testing.T) {
	t.Parallel()
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(openCA(t))}, echo)
	random := bytes.Repeat([]byte{7}, 32)
	hello := func(version byte) []byte { // no extensions: RSA key exchange with AES-128-CBC and 3DES
		body := append([]byte{3, version}, random...)
		body = append(body, 0, 0, 4, 0, 0x2f, 0, 0x0a, 1, 0)
		handshake := append([]byte{1, 0, 0, byte(len(body))}, body...)
		return append([]byte{0x16, 3, 0, 0, byte(len(handshake))}, handshake...)
	}
	tests := []struct {
		name  string
		bytes []byte
	}{
		{"SSL 2", append([]byte{0x80, 0x2e, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80}, make([]byte, 32)...)},
		{"SSL 3", hello(0)},
		{"TLS 1.0", hello(1)},
		{"TLS 1.1", hello(2)},
		{"TLS 1.2 without extensions", hello(3)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, address)
			write(t, c, string(tt.bytes))
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || (len(got) > 0 && (got[0] != 0x15 || len(got) != 7)) { // 0x15: an alert of two bytes
				t.Errorf("got % x, %v", got, err)
			}
		})
	}
	if n := s.Stats().HandshakesFailed; n != uint64(len(tests)) {
		t.Errorf("%d failed handshakes counted, want %d", n, len(tests))
	}
}
