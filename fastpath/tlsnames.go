package fastpath

import (
	"crypto/tls"

	"trent/fastpath/frontend"
)

// openSSLNames are the suites of TLS 1.2 as records name them.
var openSSLNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
}

// tlsNames are a connection's version, suite and key exchange as records name them.
func tlsNames(c *frontend.ConnectionTLS) (version, suite, exchange string) {
	if c.Version == tls.VersionTLS13 {
		version = "TLSv1.3"
		switch c.CipherSuite {
		case tls.TLS_AES_128_GCM_SHA256:
			suite = "TLS_AES_128_GCM_SHA256"
		case tls.TLS_AES_256_GCM_SHA384:
			suite = "TLS_AES_256_GCM_SHA384"
		case tls.TLS_CHACHA20_POLY1305_SHA256:
			suite = "TLS_CHACHA20_POLY1305_SHA256"
		}
	} else {
		version, suite = "TLSv1.2", openSSLNames[c.CipherSuite]
	}
	switch c.Curve {
	case tls.X25519MLKEM768:
		exchange = "X25519MLKEM768"
	case tls.SecP256r1MLKEM768:
		exchange = "SecP256r1MLKEM768"
	case tls.SecP384r1MLKEM1024:
		exchange = "SecP384r1MLKEM1024"
	case tls.X25519:
		exchange = "x25519"
	case tls.CurveP256:
		exchange = "secp256r1"
	case tls.CurveP384:
		exchange = "secp384r1"
	case tls.CurveP521:
		exchange = "secp521r1"
	}
	return version, suite, exchange
}
