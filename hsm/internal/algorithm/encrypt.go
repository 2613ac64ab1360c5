package algorithm

import "io"

// encrypter is what a family with public key encryption implements; alg is one of the key's.
type encrypter interface {
	Private
	encrypt(alg Alg, plaintext, dst []byte, rand io.Reader) ([]byte, error)
	decrypt(alg Alg, ciphertext, dst []byte) ([]byte, error)
}

// Encrypt appends plaintext, encrypted to p by alg, to dst: as many bytes as the modulus has for RSA, DER for SM2.
// Errors: ErrUnsupported; ErrTooLong over PlaintextLimit; or the library's.
func Encrypt(p Private, alg Alg, plaintext, dst []byte, rand io.Reader) ([]byte, error) {
	k, ok := p.(encrypter)
	if !ok || !Compatible(p.Spec(), EncryptDecrypt, alg) {
		return dst, ErrUnsupported
	}
	return k.encrypt(alg, plaintext, dst, rand)
}

// Decrypt appends the plaintext of a ciphertext that Encrypt made for p by alg to dst. Errors: ErrUnsupported,
// and ErrDecrypt for everything else, whatever the cause.
func Decrypt(p Private, alg Alg, ciphertext, dst []byte) ([]byte, error) {
	k, ok := p.(encrypter)
	if !ok || !Compatible(p.Spec(), EncryptDecrypt, alg) {
		return dst, ErrUnsupported
	}
	return k.decrypt(alg, ciphertext, dst)
}

// MaxPlaintext is the longest plaintext in bytes that Decrypt returns: SM2's.
const MaxPlaintext = sm2PlaintextLimit

// PlaintextLimit is the longest plaintext in bytes that Encrypt takes for a key of spec by alg, 0 where the two do
// not go together.
func PlaintextLimit(spec Spec, alg Alg) int {
	switch {
	case !Compatible(spec, EncryptDecrypt, alg):
		return 0
	case alg == SM2PKE:
		return sm2PlaintextLimit
	case oaepHash(alg) != nil:
		return rsaBits(spec)/8 - 2*oaepHash(alg).Size() - 2 // RFC 8017 §7.1.1
	}
	return 0
}

var (
	_ encrypter = (*rsaKey)(nil)
	_ encrypter = (*sm2Key)(nil)
)
