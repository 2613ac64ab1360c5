package pkcs11

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"

	"trent/hsm"
)

// curve is what a device is told of an elliptic curve, and what is needed to find a public key (SEC 2, 2.4 and 2.5).
type curve struct {
	spec       hsm.KeySpec
	oid        asn1.ObjectIdentifier
	size       int // of a coordinate in bytes
	p, a, b, n *big.Int
	gx, gy     *big.Int
}

func number(hex string) *big.Int {
	n, _ := new(big.Int).SetString(hex, 16)
	return n
}

// curveOf is the curve of a spec; nil: it has none.
func curveOf(spec hsm.KeySpec) *curve {
	switch spec {
	case hsm.P256:
		p := number("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")
		return &curve{spec, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, 32, p, new(big.Int).Sub(p, big.NewInt(3)),
			number("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
			number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
			number("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
			number("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")}
	case hsm.P384:
		p := number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff")
		return &curve{spec, asn1.ObjectIdentifier{1, 3, 132, 0, 34}, 48, p, new(big.Int).Sub(p, big.NewInt(3)),
			number("b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef"),
			number("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
			number("aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7"),
			number("3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f")}
	case hsm.P521:
		p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))
		return &curve{spec, asn1.ObjectIdentifier{1, 3, 132, 0, 35}, 66, p, new(big.Int).Sub(p, big.NewInt(3)),
			number("051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00"),
			number("1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"),
			number("0c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66"),
			number("11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650")}
	case hsm.Secp256k1:
		return &curve{spec, asn1.ObjectIdentifier{1, 3, 132, 0, 10}, 32,
			number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"), new(big.Int), big.NewInt(7),
			number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
			number("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
			number("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")}
	}
	return nil
}

// parameters is CKA_EC_PARAMS: the curve's object identifier in DER.
func (c *curve) parameters() []byte {
	der, err := asn1.Marshal(c.oid)
	if err != nil {
		panic("pkcs11: encoding a curve's identifier: " + err.Error())
	}
	return der
}

var oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1} // RFC 5480 §2.1.1

var errPoint = errors.New("pkcs11: the device gave no point of the curve")

// spki is SubjectPublicKeyInfo of a point (SEC 1 §2.3.3, uncompressed), which must lie on the curve.
func (c *curve) spki(point []byte) ([]byte, error) {
	if len(point) != 1+2*c.size || point[0] != 4 {
		return nil, errPoint
	}
	x, y := new(big.Int).SetBytes(point[1:1+c.size]), new(big.Int).SetBytes(point[1+c.size:])
	if !c.on(x, y) {
		return nil, errPoint
	}
	return encodeSPKI(pkix.AlgorithmIdentifier{Algorithm: oidECPublicKey, Parameters: asn1.RawValue{FullBytes: c.parameters()}}, point)
}

func encodeSPKI(algorithm pkix.AlgorithmIdentifier, key []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{algorithm, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
}

// unwrapPoint is the point in CKA_EC_POINT: DER says PKCS #11, but some devices give the bare point.
func unwrapPoint(value []byte, size int) ([]byte, error) {
	var inner []byte
	if rest, err := asn1.Unmarshal(value, &inner); err == nil && len(rest) == 0 && len(inner) == size {
		return inner, nil
	}
	if len(value) == size {
		return value, nil
	}
	return nil, errPoint
}

// appendDER appends the DER (RFC 3279 §2.2.3) of a device's signature r ‖ s to dst. The error is for what is none.
func (c *curve) appendDER(dst, rs []byte) ([]byte, error) {
	if len(rs) == 0 || len(rs)%2 != 0 || len(rs) > 2*c.size {
		return dst, errors.New("pkcs11: the device gave no signature of the curve")
	}
	r, s := new(big.Int).SetBytes(rs[:len(rs)/2]), new(big.Int).SetBytes(rs[len(rs)/2:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return append(dst, der...), err
}

// parseDER is the r ‖ s of a signature in DER; false: it is none of the curve, or not in the one encoding that it has.
func (c *curve) parseDER(der []byte) ([]byte, bool) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.Cmp(c.n) >= 0 || sig.S.Cmp(c.n) >= 0 {
		return nil, false
	}
	if again, err := asn1.Marshal(sig); err != nil || !bytes.Equal(again, der) {
		return nil, false
	}
	out := make([]byte, 2*c.size)
	sig.R.FillBytes(out[:c.size])
	sig.S.FillBytes(out[c.size:])
	return out, true
}
