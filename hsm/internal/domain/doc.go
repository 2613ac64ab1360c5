// Package domain is the root of the key hierarchy: the domain keys, and the file in which they lie sealed
// while the module is not running.
//
// A domain has an identifier, a name and one or more domain keys, numbered from 1. All of them open tokens,
// only the newest seals. A domain key lies in an arena and nowhere else; from outside one can use it, not
// read it.
//
// # The sealed file
//
// All integers are big-endian; l is the length of the name.
//
//	offset  size  what
//	0       8     "trentdom"
//	8       2     0001, the version of this format
//	10      1     how the seal key is made: 1 HKDF-SHA256 of a key file or credential, 2 Argon2id of a passphrase
//	11      1     Argon2id parallelism; 0 otherwise
//	12      4     Argon2id passes; 0 otherwise
//	16      4     Argon2id memory in KiB; 0 otherwise
//	20      32    salt
//	52      16    identifier of the domain
//	68      1     l, 1 to 64
//	69      l     name: lower-case letters, digits, hyphens
//	69+l    4     n, the length of ciphertext and tag
//	73+l    12    AES-256-GCM nonce
//	85+l    n     ciphertext ‖ tag (16 bytes), with offsets 0 to 72+l as additional data, of:
//	              u32 count ‖ (u32 version ‖ 32 bytes of domain key)*, versions ascending
//	85+l+n  32    SHA-256 of all before: tells damage from a wrong key, and authenticates nothing
//
// The seal key is HKDF-SHA256 (RFC 5869) of the secret with the salt and the info "trent domain seal", or
// Argon2id (RFC 9106) of the passphrase with the salt and the parameters in the file. Every write draws a new
// nonce; a new salt needs the secret again and is drawn only at creation.
//
// The file is written beside its place, synced, moved there, and its directory synced. Creation never
// replaces a file. A rollback of the whole directory to older files is not detected. Whoever has both the
// file and the secret has the keys; losing the secret loses them.
//
// What this package is not: it does not manage the tokens under its keys, nor the quorum of a fleet. It has
// no goroutines. Readers (Newest, Find) are lock-free and safe beside Rotate.
package domain
