package frontend

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// FileCerts is a certificate of the user's own, from a pair of PEM files. Safe for concurrent use; no goroutine.
type FileCerts struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// OpenFileCerts reads a certificate chain, the leaf first, and its key.
func OpenFileCerts(certFile, keyFile string) (*FileCerts, error) {
	f := &FileCerts{certFile: certFile, keyFile: keyFile}
	return f, f.Reload()
}

// Reload reads the files again. On an error the certificate before stays in use; connections that stand go on in any case.
func (f *FileCerts) Reload() error {
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return fmt.Errorf("loading the certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	f.current.Store(&pair)
	return nil
}

// Certificate implements CertSource: the same one whatever name is asked for.
func (f *FileCerts) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current.Load(), nil
}
