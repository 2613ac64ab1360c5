package algorithm

// symmetricSize is the length of SYMMETRIC_DEFAULT material in bytes: an AES-256 key.
const symmetricSize = 32

// MaterialSize is the length in bytes of the material of a symmetric or HMAC spec, 0 for others, whose
// material has no fixed length.
func MaterialSize(spec Spec) int {
	switch {
	case spec == SymmetricDefault:
		return symmetricSize
	case spec >= HMAC224 && spec <= HMAC512:
		return macs[spec-HMAC224].size
	}
	return 0
}
