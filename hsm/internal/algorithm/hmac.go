package algorithm

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// macs are the HMAC algorithms (FIPS 198-1, RFC 2104) in the order of their specs. MACs are never truncated,
// and keys are as long as the hash (AWS KMS Developer Guide, "Key specs for HMAC KMS keys").
var macs = [...]struct {
	size int // of key and MAC, bytes
	hash func() hash.Hash
}{
	{sha256.Size224, sha256.New224},
	{sha256.Size, sha256.New},
	{sha512.Size384, sha512.New384},
	{sha512.Size, sha512.New},
}

// MAC appends the MAC of msg by alg under key (the material) to dst: 28, 32, 48 or 64 bytes. Errors:
// ErrUnsupported if alg is no MAC algorithm, ErrMaterial if the key has not its length.
func MAC(alg Alg, key, msg, dst []byte) ([]byte, error) {
	if alg < HMACSHA224 || alg > HMACSHA512 {
		return dst, ErrUnsupported
	}
	a := &macs[alg-HMACSHA224]
	if len(key) != a.size {
		return dst, ErrMaterial
	}
	h := hmac.New(a.hash, key)
	h.Write(msg)
	return h.Sum(dst), nil
}

// VerifyMAC checks in constant time that mac is what MAC makes. Errors: those of MAC, and ErrMismatch.
func VerifyMAC(alg Alg, key, msg, mac []byte) error {
	var buf [sha512.Size]byte
	defer clear(buf[:]) // a good MAC, which the caller may not have
	want, err := MAC(alg, key, msg, buf[:0])
	if err != nil {
		return err
	}
	if !hmac.Equal(want, mac) {
		return ErrMismatch
	}
	return nil
}
