package algorithm

import "encoding/asn1"

// Wrapping is how material to import is wrapped, the API's WrappingAlgorithm. The values stand in import tokens
// and never change.
type Wrapping uint8

// Wrapping algorithms.
const (
	WrappingNone Wrapping = iota
	WrapOAEPSHA1
	WrapOAEPSHA256
	WrapRSAAESKeyWrapSHA1
	WrapRSAAESKeyWrapSHA256
	WrapSM2PKE
)

// wrappings is indexed by Wrapping: what the wrapping key encrypts by, and whether that is an AES key under which
// the material follows.
var wrappings = [...]struct {
	alg    Alg
	hybrid bool
}{
	WrapOAEPSHA1:            {OAEPSHA1, false},
	WrapOAEPSHA256:          {OAEPSHA256, false},
	WrapRSAAESKeyWrapSHA1:   {OAEPSHA1, true},
	WrapRSAAESKeyWrapSHA256: {OAEPSHA256, true},
	WrapSM2PKE:              {SM2PKE, false},
}

// maxImport is the longest material that is imported, in bytes, with room to spare: an RSA_4096 key has 2,400.
const maxImport = 4096

// kekSize is the AES key of the hybrid wrappings, in bytes (AWS KMS Developer Guide, "Encrypt the key material").
const kekSize = 32

// Wraps says whether a wrapping key of spec goes with w.
func Wraps(w Wrapping, spec Spec) bool {
	return w > WrappingNone && int(w) < len(wrappings) && Compatible(spec, EncryptDecrypt, wrappings[w].alg)
}

// CanImport says whether material of spec may be imported wrapped by w under a key of wrappingSpec (AWS KMS Developer
// Guide, "Select a wrapping algorithm"): RSA keys are too large for all but the hybrid wrappings, which are for
// asymmetric keys only, and a P-521 key for OAEP by RSA_2048. SM2PKE has no such limit.
func CanImport(spec Spec, w Wrapping, wrappingSpec Spec) bool {
	if !Wraps(w, wrappingSpec) || !Importable(spec) {
		return false
	}
	if w == WrapSM2PKE {
		return true
	}
	switch hybrid := wrappings[w].hybrid; {
	case MaterialSize(spec) > 0:
		return !hybrid
	case spec >= RSA2048 && spec <= RSA4096:
		return hybrid
	case spec == P521 && wrappingSpec == RSA2048:
		return hybrid
	}
	return true
}

// Importable says whether there is a form in which material of spec is imported. ML-DSA keys have none (AWS KMS
// Developer Guide, "Importing key material"); for ML-KEM none is known.
func Importable(spec Spec) bool {
	return MaterialSize(spec) > 0 || Asymmetric(spec) && (spec < MLDSA44 || spec > MLKEM1024)
}

// Unwrap appends the material in wrapped, under p by w, to dst. Errors: ErrUnsupported where p and w do not go
// together, and ErrDecrypt for everything else, whatever the cause and by the same steps.
func Unwrap(p Private, w Wrapping, wrapped, dst []byte) ([]byte, error) {
	if !Wraps(w, p.Spec()) {
		return dst, ErrUnsupported
	}
	how := wrappings[w]
	if k, ok := p.(*sm2Key); ok {
		return k.decryptUpTo(maxImport, wrapped, dst)
	}
	if !how.hybrid {
		return Decrypt(p, how.alg, wrapped, dst)
	}
	size := rsaBits(p.Spec()) / 8
	if len(wrapped) <= size {
		return dst, ErrDecrypt
	}
	// A key that cannot be decrypted is one of zeros, so that the second step is made with or without it.
	var kek [kekSize]byte
	buf := make([]byte, 0, size)
	defer func() { clear(kek[:]); clear(buf[:cap(buf)]) }()
	opened, err := Decrypt(p, how.alg, wrapped[:size], buf)
	good := err == nil && len(opened) == kekSize
	if good {
		copy(kek[:], opened)
	}
	out, err := unwrapPadded(kek[:], wrapped[size:], dst)
	if err != nil || !good {
		clear(out[len(dst):])
		return dst, ErrDecrypt
	}
	return out, nil
}

// Import makes material of spec from what was imported: for asymmetric specs PKCS #8 DER, encoded anew so that
// one key has one form, and its public key. RSA keys have two primes, elliptic curves a name. The results are
// the caller's; it wipes material. Errors: ErrMaterial for what is not a key of spec, ErrUnsupported for specs
// whose material cannot be imported.
func Import(spec Spec, in []byte) (material, spki []byte, err error) {
	if !Importable(spec) {
		return nil, nil, ErrUnsupported
	}
	if n := MaterialSize(spec); n > 0 {
		if len(in) != n {
			return nil, nil, ErrMaterial
		}
		return append(make([]byte, 0, n), in...), nil, nil
	}
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(in, &whole); err != nil || len(rest) > 0 {
		return nil, nil, ErrMaterial // the parser of PKCS #8 takes what follows it
	}
	p, err := Parse(spec, in)
	if err != nil {
		return nil, nil, err
	}
	defer p.Wipe()
	if material, err = encodePrivate(p); err != nil {
		return nil, nil, err
	}
	return material, p.Public(), nil
}

// encodePrivate is the PKCS #8 form of p, as Generate makes it.
func encodePrivate(p Private) ([]byte, error) {
	switch p := p.(type) {
	case *rsaKey:
		if len(p.key.Primes) != 2 || !exponentsAgree(p.key) {
			return nil, ErrMaterial
		}
		return rsaPKCS8(p.key), nil
	case *ecdsaKey:
		return ecdsaPKCS8(p.spec, p.key)
	case *ed25519Key:
		return ed25519PKCS8(p.key), nil
	case *secp256k1Key:
		scalar := p.key.Serialize()
		defer clear(scalar)
		return secp256k1Type.pkcs8EC(scalar, p.public.SerializeUncompressed()), nil
	case *sm2Key:
		var scalar [sm2Scalar]byte
		defer clear(scalar[:])
		p.key.D.FillBytes(scalar[:])
		return sm2Type.pkcs8EC(scalar[:], sm2Point(&p.key.PublicKey)), nil
	}
	return nil, ErrUnsupported
}
