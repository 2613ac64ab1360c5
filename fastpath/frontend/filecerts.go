package frontend

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// FileCerts is a certificate of the user's own, from a pair of PEM files. Safe for concurrent use; no goroutine.
type FileCerts struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// OpenFileCerts reads a certificate chain, the leaf first, and its key.
func OpenFileCerts(certFile, keyFile string) (*FileCerts, error) {
	f := &FileCerts{certFile: certFile, keyFile: keyFile}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the files again. On an error, and one is that the certificate has ended, the one before stays in use;
// connections that stand go on in any case.
func (f *FileCerts) Reload() error {
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err == nil && time.Now().After(pair.Leaf.NotAfter) {
		err = fmt.Errorf("it ended on %s", pair.Leaf.NotAfter.UTC().Format(time.DateTime))
	}
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

// String is the certificate in use for people to read: its names, and the day of its end.
func (f *FileCerts) String() string {
	leaf := f.current.Load().Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, address := range leaf.IPAddresses {
		names = append(names, address.String())
	}
	if len(names) == 0 {
		names = []string{"no names"}
	}
	return fmt.Sprintf("%s, until %s", strings.Join(names, ", "), leaf.NotAfter.UTC().Format(time.DateOnly))
}

// Anchors are in PEM the certificates of the chain that can be trusted in place of the leaf: authorities, or the leaf
// itself where it is nobody else's.
func (f *FileCerts) Anchors() []byte {
	pair := f.current.Load()
	var out []byte
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil || !c.IsCA && !bytes.Equal(c.RawIssuer, c.RawSubject) {
			continue
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
