package algorithm

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// AES key wrap with padding, KWP-AD of SP 800-38F §6.3, RFC 5649.

const semiblock = 8

// keyWrapIV is the constant half of the initial value (RFC 5649 §3); the other half is the plaintext's length.
var keyWrapIV = [4]byte{0xa6, 0x59, 0x59, 0xa6}

// unwrapPadded appends the plaintext of wrapped under an AES key to dst. What is wrong with it takes no part in how
// long that takes, its length apart. Error: ErrDecrypt; dst is then as it was, and nothing lies behind it.
func unwrapPadded(kek, wrapped, dst []byte) ([]byte, error) {
	n := len(wrapped)/semiblock - 1
	if len(wrapped)%semiblock != 0 || n < 1 {
		return dst, ErrDecrypt
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return dst, ErrDecrypt
	}
	r := make([]byte, len(wrapped))
	defer clear(r)
	copy(r, wrapped)
	if n == 1 {
		block.Decrypt(r, r)
	} else {
		unwrapRounds(block.Decrypt, r, n)
	}
	plaintext := r[semiblock:]
	padding := uint32(n*semiblock) - binary.BigEndian.Uint32(r[4:semiblock]) // of a good one: 0 to 7
	ok := subtle.ConstantTimeCompare(r[:4], keyWrapIV[:]) & subtle.ConstantTimeEq(int32(padding&^7), 0)
	var rest byte
	for i := range semiblock - 1 {
		mask := -subtle.ConstantTimeLessOrEq(i+1, int(padding&7))
		rest |= plaintext[len(plaintext)-1-i] & byte(mask)
	}
	if ok&subtle.ConstantTimeByteEq(rest, 0) != 1 {
		return dst, ErrDecrypt
	}
	return append(dst, plaintext[:len(plaintext)-int(padding)]...), nil
}

// unwrapRounds is the inverse of the wrapping process W in place (RFC 3394 §2.2.2, with an index).
func unwrapRounds(decrypt func(dst, src []byte), r []byte, n int) {
	var b [aes.BlockSize]byte
	defer clear(b[:])
	copy(b[:semiblock], r)
	for t := uint64(6 * n); t > 0; t-- {
		block := r[((t-1)%uint64(n)+1)*semiblock:][:semiblock]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^t)
		copy(b[semiblock:], block)
		decrypt(b[:], b[:])
		copy(block, b[semiblock:])
	}
	copy(r, b[:semiblock])
}
