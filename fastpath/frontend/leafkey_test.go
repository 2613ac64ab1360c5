package frontend_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"trent/fastpath/frontend"
)

// The service's certificates are of RSA; clients that cannot do with that get another.
func TestKindOfCertificate(t *testing.T) {
	t.Parallel()
	ca, err := frontend.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		client *tls.Config
		want   x509.PublicKeyAlgorithm
	}{
		{"1.3", &tls.Config{}, x509.RSA},
		{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, x509.RSA},
		{"1.2, RSA suites only", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}}, x509.RSA},
		{"1.2, ECDSA suites only", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, x509.ECDSA},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, host := range []string{"localhost", "kms.eu-west-1.amazonaws.com"} {
				near, far := net.Pipe()
				server := tls.Server(far, frontend.ServerTLS(ca))
				go func() { _ = server.Handshake() }()
				config := tt.client.Clone()
				config.RootCAs, config.ServerName = ca.Pool(), host
				client := tls.Client(near, config)
				if err := client.Handshake(); err != nil {
					t.Fatal(err)
				}
				if got := client.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm; got != tt.want {
					t.Errorf("%s: a certificate of %v, want %v", host, got, tt.want)
				}
				near.Close()
				far.Close()
			}
		})
	}
}
