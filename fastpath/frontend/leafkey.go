package frontend

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"sync"
)

// rsaBits is the size of the service's own certificates' keys.
const rsaBits = 2048

// rsaLeafKey is made once in a process, on first need: it takes tens of milliseconds, and more on a busy machine.
var rsaLeafKey = sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) })

// leafKey is the key of a new certificate: the process's one of RSA, or a new one of P-256.
func leafKey(useRSA bool) (crypto.Signer, error) {
	if useRSA {
		return rsaLeafKey()
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// takesRSA says whether a client can do with an RSA certificate: it verifies RSASSA-PSS, which TLS 1.3 needs, or in TLS
// 1.2 an RSA signature and a suite with RSA authentication.
func takesRSA(hello *tls.ClientHelloInfo) bool {
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return slices.Contains(hello.SignatureSchemes, tls.PSSWithSHA256)
	}
	signs := func(s tls.SignatureScheme) bool {
		return s == tls.PSSWithSHA256 || s == tls.PKCS1WithSHA256 || s == tls.PKCS1WithSHA384 || s == tls.PKCS1WithSHA512
	}
	authenticates := func(suite uint16) bool {
		switch suite {
		case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
			return true
		}
		return false
	}
	return slices.ContainsFunc(hello.SignatureSchemes, signs) && slices.ContainsFunc(hello.CipherSuites, authenticates)
}
