package hsm

import "trent/hsm/internal/blob"

// MaterialOf returns the identifier of the material that a symmetric ciphertext blob names in its public
// header; false: it is not a blob. Nothing is authenticated by this.
func MaterialOf(ciphertext []byte) (MaterialID, bool) {
	if b, ok := blob.Parse(ciphertext); ok {
		return MaterialID(b.Material), true
	}
	if b, ok := blob.ParseDevice(ciphertext); ok { // hsm/pkcs11's
		return MaterialID(b.Material), true
	}
	return MaterialID{}, false
}

// BlobSize is the length in bytes of the ciphertext blob of a plaintext of that many bytes: 184 for 32.
func BlobSize(plaintext int) int { return blob.Size(plaintext) }
