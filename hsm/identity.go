package hsm

import "encoding/binary"

// An identity is what a key is bound to: four fields, each a big-endian 32-bit length and its bytes.
//
//	partition ‖ account ‖ key id ‖ Region (empty for a multi-Region key, whose replicas share ciphertexts)
//
// Never the full ARN: an ARN names a Region even where the key does not belong to one.

// AppendIdentity appends the identity of a key to dst; region is "" for a multi-Region key.
func AppendIdentity(dst []byte, partition, account, keyID, region string) []byte {
	for _, field := range [...]string{partition, account, keyID, region} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(field)))
		dst = append(dst, field...)
	}
	return dst
}

// KeyIDOf returns the key id in an identity, for modules outside of this package; false: not an identity with a key id.
func KeyIDOf(identity []byte) ([]byte, bool) { return keyIDOf(identity) }

// keyIDOf returns the key id in an identity; false: not an identity with a key id.
func keyIDOf(identity []byte) ([]byte, bool) {
	var keyID []byte
	for i := range 4 {
		if len(identity) < 4 {
			return nil, false
		}
		n := binary.BigEndian.Uint32(identity)
		identity = identity[4:]
		if uint64(n) > uint64(len(identity)) {
			return nil, false
		}
		if i == 2 {
			keyID = identity[:n]
		}
		identity = identity[n:]
	}
	return keyID, len(identity) == 0 && len(keyID) > 0
}
