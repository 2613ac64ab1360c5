package algorithm

import (
	"crypto/ecdsa"
	"crypto/x509"
)

// agreer is what a family with key agreement implements.
type agreer interface {
	Private
	agree(peer, dst []byte) ([]byte, error)
}

// Agree appends the secret that p shares with a peer's public key (SubjectPublicKeyInfo) to dst: the x coordinate of
// the common point (SEC 1 §3.3.1), 32, 48 or 66 bytes, without any key derivation. Errors: ErrUnsupported, and ErrPeer
// for a public key that is none, or not a point of p's curve.
func Agree(p Private, peer, dst []byte) ([]byte, error) {
	a, ok := p.(agreer)
	if !ok {
		return dst, ErrUnsupported
	}
	return a.agree(peer, dst)
}

func (k *ecdsaKey) agree(peer, dst []byte) ([]byte, error) {
	parsed, err := x509.ParsePKIXPublicKey(peer)
	if err != nil {
		return dst, ErrPeer
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != k.key.Curve {
		return dst, ErrPeer
	}
	remote, err := public.ECDH()
	if err != nil {
		return dst, ErrPeer
	}
	key, err := k.agreement()
	if err != nil {
		return dst, ErrMaterial
	}
	shared, err := key.ECDH(remote)
	if err != nil {
		return dst, ErrPeer
	}
	defer clear(shared)
	return append(dst, shared...), nil
}

var (
	_ agreer = (*ecdsaKey)(nil)
	_ agreer = (*sm2Key)(nil)
)
