package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"software.sslmate.com/src/go-pkcs12"

	"trent/fastpath"
	"trent/fastpath/frontend"
)

// writeCertificates writes what clients need to trust the server, and says where it is.
func (r *running) writeCertificates(dir string, ca *frontend.CA) error {
	r.ready.CA, r.ready.Bundle = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-bundle.pem")
	return writeTrust(r.ready.CA, r.ready.Bundle, ca, r.certs)
}

// writeTrust writes the local CA, and a bundle with the system's roots, so that a client which is pointed at it still
// reaches the rest of the world. Both have the authorities that come with a certificate of the user's own, too.
func writeTrust(root, bundle string, ca *frontend.CA, own *frontend.FileCerts) error {
	roots, err := ca.Bundle()
	if err != nil {
		return err
	}
	var anchors []byte
	if own != nil {
		anchors = own.Anchors()
	}
	for path, content := range map[string][]byte{root: ca.Root(), bundle: roots} {
		if err := os.WriteFile(path+".new", slices.Concat(content, anchors), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// writeTrustStore makes a PKCS#12 trust store for Java of a PEM bundle.
func writeTrustStore(bundle, path string) error {
	rest, err := os.ReadFile(bundle)
	if err != nil {
		return err
	}
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		// A system's bundle may hold roots that Go does not parse; Java can do without them too.
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certificates = append(certificates, c)
		}
	}
	if len(certificates) == 0 {
		return errors.New("no certificate in " + bundle)
	}
	store, err := pkcs12.Modern.EncodeTrustStore(certificates, trustStorePassword)
	if err != nil {
		return err
	}
	return os.WriteFile(path, store, 0o600)
}

// defaultRegion is what clients are pointed at: us-east-1, or the first Region that is served.
func defaultRegion(regions *fastpath.Regions) string {
	if regions.Lookup([]byte("us-east-1")) != nil {
		return "us-east-1"
	}
	return regions.Names()[0]
}
