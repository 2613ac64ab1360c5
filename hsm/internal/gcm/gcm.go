// Package gcm is AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags, as interchangeable
// kernels behind one interface and one table.
//
// A kernel takes the raw key with every call, because every ciphertext of the module has a key of its own:
// there is no cipher object to keep. The kernels are
//
//	aesni     own assembly for amd64 with AES-NI, PCLMULQDQ and AVX; not in FIPS 140-3 mode
//	std       the standard library's AES-GCM with the caller's nonce
//	std-fips  the standard library's approved mode for a FIPS 140-3 module, which draws its nonce itself
//
// A row whose processor features this machine lacks is not listed and cannot be picked.
//
// # Where keys go
//
// aesni keeps key, round keys, hash key and key stream in the State that the caller gives, which it wipes, and in
// registers, which it clears; it has no stack frame and allocates nothing. It neither branches on secrets nor reads
// memory by them. Only when a signal interrupts it do its registers lie in the thread's signal stack, until the next
// signal; the Go scheduler does not preempt assembly. The std kernels copy the key into a cipher object on the Go heap,
// which cannot be wiped (two allocations a call), and do not use the State.
//
// What this package is not: it does not derive keys, choose nonces (std-fips apart) or know about the formats
// that carry nonce and ciphertext.
//
// Nothing in this package has a goroutine; every kernel is safe for concurrent use.
package gcm

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Sizes in bytes.
const (
	KeySize   = 32
	NonceSize = 12
	TagSize   = 16
)

// State is a kernel's working memory for one call: key schedule, powers of the hash key, key stream, tag. The
// caller says where that lies. It holds no pointers, so it may lie in an arena; it is zero before and after each
// call, and serves one call at a time.
type State struct {
	round   [15][16]byte   // AES round keys
	mask    [16]byte       // the encrypted first counter, which covers the tag
	stream  [8][16]byte    // blocks of key stream
	power   [8][2][16]byte // of the hash key, 1 to 8; beside each the sum of its halves
	counter [16]byte
	tag     [TagSize]byte
}

// Kernel is one implementation of AES-256-GCM. All kernels open what any of them sealed.
type Kernel interface {
	// Name is the kernel's name in the table, as Pick takes it.
	Name() string

	// MakesNonce says which way nonce goes in Seal. False: the caller fills it before the call and the
	// kernel reads it. True: the kernel draws a random nonce and writes it there, so whatever the caller
	// put in is lost, and an encoder puts the nonce into its format after sealing.
	MakesNonce() bool

	// Seal appends ciphertext ‖ tag of plaintext under key and nonce to dst. It stays in dst's array where
	// the capacity holds len(plaintext) + TagSize more bytes; otherwise the result moves, as with append.
	// plaintext may be that very place (dst[len(dst):]) or must not overlap it; aad must not overlap it.
	// Overlaps and plaintexts over 2³⁶ - 32 bytes (SP 800-38D §5.2.1.1) panic: no input reaches that.
	Seal(s *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plaintext, aad []byte) []byte

	// Open checks ciphertextAndTag and aad and appends the plaintext to dst, under the same rules of
	// capacity and overlap; nonce is only read. If anything is wrong it returns dst as it was and false, and
	// the bytes behind it where the plaintext would have been are zero.
	Open(s *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, ciphertextAndTag, aad []byte) ([]byte, bool)
}

// ErrUnknown is Pick's error for a name that is not in the table or not usable here.
var ErrUnknown = errors.New("gcm: no such kernel here")

// row is a kernel and what it needs to run.
type row struct {
	kernel   Kernel
	own      bool              // this package's own code: not in FIPS 140-3 mode
	approved bool              // may run when only approved cryptography is allowed (GODEBUG=fips140=only)
	needs    []cpuid.FeatureID // processor features, all of them
}

// table has the best kernel first.
var table = append(slices.Clip(ownRows),
	row{kernel: std{}},
	row{kernel: stdFIPS{}, approved: true},
)

// Kernels lists the kernels that this machine and this process's FIPS mode can run, best first.
func Kernels() []Kernel {
	return usable(table, cpuid.CPU.Supports, fips140.Enabled(), fips140.Enforced())
}

// Pick returns the kernel called name; "" is the best one. The error wraps ErrUnknown.
func Pick(name string) (Kernel, error) {
	return pick(Kernels(), name)
}

func usable(rows []row, supports func(...cpuid.FeatureID) bool, noOwn, approvedOnly bool) []Kernel {
	var list []Kernel
	for _, r := range rows {
		if (!noOwn || !r.own) && (!approvedOnly || r.approved) && supports(r.needs...) {
			list = append(list, r.kernel)
		}
	}
	return list
}

func pick(list []Kernel, name string) (Kernel, error) {
	names := make([]string, len(list))
	for i, k := range list {
		if names[i] = k.Name(); name == "" || names[i] == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("picking kernel %q: %w: take one of %s", name, ErrUnknown, strings.Join(names, ", "))
}
