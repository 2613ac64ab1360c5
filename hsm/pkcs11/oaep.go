package pkcs11

import (
	"crypto"
	"crypto/subtle"
	"encoding/binary"
)

// decodeOAEP takes an OAEP encoding (RFC 8017 §7.1.2, without label) of k bytes apart, as bare RSA gives it, leading
// zeros perhaps left out. What is wrong with it takes no part in how long that takes (Manger, CRYPTO 2001).
func decodeOAEP(hash crypto.Hash, encoded []byte, k int) ([]byte, bool) {
	size := hash.Size()
	if len(encoded) > k || k < 2*size+2 {
		return nil, false
	}
	em := make([]byte, k)
	defer clear(em)
	copy(em[k-len(encoded):], encoded)
	seed, db := em[1:1+size], em[1+size:]
	mask(hash, db, seed)
	mask(hash, seed, db)

	good := subtle.ConstantTimeByteEq(em[0], 0)
	empty := hash.New().Sum(nil)
	good &= subtle.ConstantTimeCompare(empty, db[:size])
	index, looking := 0, 1
	for i, b := range db[size:] {
		zero, one := subtle.ConstantTimeByteEq(b, 0), subtle.ConstantTimeByteEq(b, 1)
		index = subtle.ConstantTimeSelect(looking&one, i, index)
		good &= 1 &^ (looking & (1 &^ (zero | one)))
		looking &= 1 &^ one
	}
	if good&(1&^looking) != 1 {
		return nil, false
	}
	return append([]byte(nil), db[size+index+1:]...), true
}

// mask applies MGF1 (RFC 8017 §B.2.1) of seed to out.
func mask(hash crypto.Hash, seed, out []byte) {
	for counter := uint32(0); len(out) > 0; counter++ {
		h := hash.New()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		sum := h.Sum(nil)
		n := subtle.XORBytes(out, out, sum)
		clear(sum)
		out = out[n:]
	}
}
