//go:build amd64 && !purego

package gcm

import "github.com/klauspost/cpuid/v2"

// ownRows are the kernels in this package's own assembly.
var ownRows = []row{
	{kernel: aesni{}, own: true, needs: []cpuid.FeatureID{cpuid.AESNI, cpuid.CLMUL, cpuid.AVX}},
}

// begin expands the key into s, and sets hash key, mask and the first blocks of the key stream.
//
//go:noescape
func begin(s *State, key *[KeySize]byte, nonce *[NonceSize]byte)

// cover adds the key stream to n bytes of src, into dst.
//
//go:noescape
func cover(s *State, dst, src *byte, n int)

// digest sets s.tag to the tag of aad and text, which is ciphertext.
//
//go:noescape
func digest(s *State, aad, text []byte)
