package frontend

import (
	"crypto/tls"
	"slices"
)

// CertSource gives certificates for TLS handshakes.
type CertSource interface {
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// ServerTLS is the endpoint's TLS policy: 1.2 and 1.3, ephemeral key exchange only, hybrid post-quantum
// exchanges offered, HTTP/1.1 (KMS Developer Guide, "Infrastructure security" and "Using hybrid
// post-quantum TLS"). Of TLS 1.2's suites only those with AEAD ciphers are on [chosen].
//
// Sessions resume in TLS 1.3, where each has a key exchange of its own, and not in 1.2, where one ticket key
// would open all of them.
func ServerTLS(certs CertSource) *tls.Config {
	config := &tls.Config{
		GetCertificate: certs.Certificate,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		CurvePreferences: []tls.CurveID{
			tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
			tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521,
		},
		NextProtos: []string{"http/1.1"},
		// One record for an answer: splitting it for a fresh connection costs a system call a piece.
		DynamicRecordSizingDisabled: true,
	}
	old := config.Clone()
	old.MaxVersion = tls.VersionTLS12
	old.SessionTicketsDisabled = true
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil
		}
		return old, nil
	}
	return config
}
