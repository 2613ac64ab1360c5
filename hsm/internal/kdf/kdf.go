// Package kdf derives 256-bit keys by the KDF in counter mode of NIST SP 800-108r1 §4.1, with HMAC-SHA256 as
// its PRF, a 32-bit counter before the fixed data, and one block of output:
//
//	K(i) = HMAC-SHA256(K(in), [1]_32 ‖ label ‖ 00 ‖ context ‖ [256]_32)
//
// Midstate is the key after HMAC's key schedule (RFC 2104 §4): the SHA-256 states behind the inner and the
// outer padded key. A derivation from it costs two compressions instead of four. It is as secret as the key.
//
// The compression function has two implementations: SHA instructions on amd64 (block_amd64.s), which leave
// nothing on the Go heap, and the standard library's SHA-256 resumed from its marshalled state, elsewhere and
// whenever the process runs in FIPS 140-3 mode.
//
// What this package is not: a general KDF. Labels are constants of the caller, lengths are fixed.
//
// No goroutines; functions are safe for concurrent use, a Midstate for concurrent Derive calls.
package kdf

// Midstate is a key, ready for derivations. It holds no pointers, so it may lie in memory that the garbage
// collector does not know. The zero value is not a key: Init first.
type Midstate struct {
	Inner, Outer [8]uint32
}
