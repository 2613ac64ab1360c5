package frontend

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// CA is a local certificate authority that issues the server's certificates. Certificates and their keys
// live in memory only; the directory holds the authority. Safe for concurrent use.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer
	pem         []byte
	dns         []string
	addresses   []net.IP
	now         func() time.Time

	mu     sync.RWMutex
	issued map[leafName]*tls.Certificate
}

const (
	caCertFile = "ca.pem"
	caKeyFile  = "ca.key"

	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 397 * 24 * time.Hour // strict clients refuse more than 825 days, browsers more than 398
	leafRenewal  = 30 * 24 * time.Hour  // a certificate with less left is issued anew
	backdate     = time.Hour            // for clients whose clock is slow

	maxIssued = 256 // certificates kept
)

// OpenCA loads the authority kept in dir, or makes one (P-256, ten years, key file 0600). names are host
// names and addresses that the default certificate holds beside localhost, 127.0.0.1 and ::1.
func OpenCA(dir string, names ...string) (*CA, error) {
	ca := &CA{
		now: time.Now, issued: map[leafName]*tls.Certificate{},
		dns: []string{"localhost"}, addresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			ca.addresses = append(ca.addresses, address)
		} else {
			ca.dns = append(ca.dns, name)
		}
	}
	certPath, keyPath := filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile)
	_, certErr := os.Stat(certPath)
	_, keyErr := os.Stat(keyPath)
	if errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist) {
		if err := createCA(dir, certPath, keyPath); err != nil {
			return nil, fmt.Errorf("making a local certificate authority: %w", err)
		}
	}
	if err := ca.load(certPath, keyPath); err != nil {
		return nil, fmt.Errorf("loading the local certificate authority (to make a new one, which clients must then trust, remove %s and %s): %w",
			certPath, keyPath, err)
	}
	return ca, nil
}

func createCA(dir, certPath, keyPath string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Organization: []string{"Trent"}, CommonName: "Trent local CA " + now.UTC().Format(time.DateTime)},
		NotBefore:    now.Add(-backdate), NotAfter: now.Add(caLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	defer clear(encoded)
	defer clear(pkcs8)
	// The key first: a certificate without its key would be trusted and of no use.
	if err := writeFile(keyPath, encoded, 0o600); err != nil {
		return err
	}
	return writeFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// writeFile writes a file that is complete or not there.
func writeFile(path string, content []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // made 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func (ca *CA) load(certPath, keyPath string) error {
	info, err := os.Stat(keyPath)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others: chmod 600 it, or make a new authority", keyPath)
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return err
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s is not an authority's certificate", certPath)
	}
	if ca.now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("%s ended on %s", certPath, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	ca.certificate, ca.key = pair.Leaf, signer
	ca.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw})
	return nil
}

// leafName is a certificate's place: the host name, "" for the default certificate, and the kind of key.
type leafName struct {
	host string
	rsa  bool
}

// Certificate implements CertSource: a certificate for an AWS name of the service if the client asks for
// one, else the default certificate. Its key is of RSA, as the service's are, for whoever takes that, else of P-256.
func (ca *CA) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := leafName{hello.ServerName, takesRSA(hello)}
	if !isServiceName(name.host) {
		name.host = ""
	}
	ca.mu.RLock()
	found := ca.issued[name]
	ca.mu.RUnlock()
	if found != nil && found.Leaf.NotAfter.Sub(ca.now()) > leafRenewal {
		return found, nil
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if found = ca.issued[name]; found != nil && found.Leaf.NotAfter.Sub(ca.now()) > leafRenewal {
		return found, nil
	}
	dns, addresses := ca.dns, ca.addresses
	if name.host != "" {
		dns, addresses = []string{name.host}, nil
	}
	made, err := ca.issue(dns, addresses, name.rsa)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %q: %w", hello.ServerName, err)
	}
	if len(ca.issued) >= maxIssued {
		clear(ca.issued)
	}
	ca.issued[name] = made
	return made, nil
}

func (ca *CA) issue(dns []string, addresses []net.IP, useRSA bool) (*tls.Certificate, error) {
	key, err := leafKey(useRSA)
	if err != nil {
		return nil, err
	}
	now := ca.now()
	end := now.Add(leafLifetime)
	if end.After(ca.certificate.NotAfter) {
		end = ca.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Organization: []string{"Trent"}, CommonName: commonName(dns[0])},
		NotBefore:    now.Add(-backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              dns, IPAddresses: addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// commonName is for people to read; clients look at the alternative names. X.509 allows it 64 characters.
func commonName(name string) string { return name[:min(len(name), 64)] }

// serial is 127 random bits (RFC 5280, section 4.1.2.2: positive, at most 20 bytes).
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[0] &= 0x7f
	b[15] |= 1
	return new(big.Int).SetBytes(b[:])
}

// Root is the authority's certificate in PEM.
func (ca *CA) Root() []byte { return ca.pem }

// Pool holds the authority only.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	return pool
}

// systemRoots are the places of the system's own bundle, as crypto/x509 looks for it on Linux and the BSDs.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
	"/etc/ssl/ca-bundle.pem",                            // OpenSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and newer
	"/etc/ssl/cert.pem",                                 // macOS, Alpine, BSD
}

// Bundle is the system's roots, if there are any, followed by the authority's certificate, in PEM: what
// AWS_CA_BUNDLE and its siblings want. The environment's own SSL_CERT_FILE is not read, since it may name an
// earlier bundle of this kind.
func (ca *CA) Bundle() ([]byte, error) {
	for _, path := range systemRoots {
		roots, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the system's roots: %w", err)
		}
		if len(roots) > 0 && roots[len(roots)-1] != '\n' {
			roots = append(roots, '\n')
		}
		return append(roots, ca.pem...), nil
	}
	return append([]byte(nil), ca.pem...), nil
}
