package linktest

import (
	"crypto/x509"
	"encoding/json"
	"testing"

	"trent/hsm/internal/session"
)

// exported is a member and the domain as it knows it.
type exported struct {
	ID      [16]byte
	Number  uint64
	Key     [32]byte
	Hosts   [][]byte
	Signing []byte
}

// Export encodes a member and the hosts of its domain, for Import in another process.
func (m *Member) Export(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(m.key)
	if err != nil {
		t.Fatal(err)
	}
	e := exported{ID: m.domain.id, Number: m.domain.number, Key: m.domain.key, Signing: der}
	for _, spki := range m.domain.hosts {
		e.Hosts = append(e.Hosts, spki)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Import makes a member of what Export gave.
func Import(b []byte) (*Member, error) {
	var e exported
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(e.Signing)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	d := &Domain{id: e.ID, number: e.Number, key: e.Key, hosts: map[session.Fingerprint][]byte{}, modules: map[session.Fingerprint]bool{}}
	for _, h := range e.Hosts {
		d.hosts[fingerprint(h)] = h
	}
	m := &Member{domain: d, signer: &signer{key, spki}, number: e.Number}
	d.modules[m.Fingerprint()] = true
	return m, nil
}
