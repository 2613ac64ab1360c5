// Package kdf is what the module makes of HMAC: keys derived from keys, and the MACs of the API.
//
// It derives 256-bit keys by the KDF in counter mode of NIST SP 800-108r1 §4.1, with HMAC-SHA256 as
// its PRF, a 32-bit counter before the fixed data, and one block of output:
//
//	K(i) = HMAC-SHA256(K(in), [1]_32 ‖ label ‖ 00 ‖ context ‖ [256]_32)
//
// Midstate is the key after HMAC's key schedule (RFC 2104 §4): the SHA-256 states behind the inner and the
// outer padded key. A derivation from it costs two compressions instead of four. It is as secret as the key.
//
// The compression function of SHA-256 has two implementations: SHA instructions on amd64 (block_amd64.s), and the
// standard library's SHA-256 resumed from its marshalled state, elsewhere and whenever the process runs in FIPS 140-3
// mode. MACKey is the same for HMAC with SHA-224 to SHA-512 as the API has it, with an own compression function for the
// longer two (sha512_amd64.s); it exists only where OwnMAC says so.
//
// # Where keys go
//
// On amd64 with those instructions, a key is in the Midstate or MACKey, wherever that lies, in the scratch that a caller
// gives, and in registers, which the assembly clears; the stack and the heap see messages and their inner hashes alone.
// Elsewhere the padded key goes through the stack and a pooled object of the standard library, both wiped afterwards.
//
// What this package is not: a general KDF or MAC. Labels are constants of the caller, lengths are fixed, keys of MACs
// are of at most 64 bytes.
//
// No goroutines; functions are safe for concurrent use, a Midstate or MACKey for concurrent Derive, MAC and Sum calls.
package kdf

// Midstate is a key, ready for derivations. It holds no pointers, so it may lie in memory that the garbage
// collector does not know. The zero value is not a key: Init first.
type Midstate struct {
	Inner, Outer [8]uint32
}
