// Package operator is what the operators of a domain work with: their keys, the commands that they propose and sign, what a
// command does in words, and the hand-over of their shares when all modules were lost.
//
// Nothing here decides: a module holds each command against the rules of its state itself. What this package says of a
// command (Describe, Status) is for the person who is about to sign it, made of the same bytes that are signed.
//
// # Files
//
// A key file is text: a first line "trent operator key 1", then PEM blocks, in this order: the signing key, and the agreement
// key for shares. Both are P-384 keys, PKCS #8, encrypted by PBES2 (PBKDF2-HMAC-SHA256, AES-256-CBC) when there is a
// passphrase. A signing key in a PKCS #11 token is not in the file; the file then says "trent operator key 1 pkcs11" and has
// the agreement key alone. A single PEM block without the first line is a host's signing key.
//
// A public file is JSON: {"format": "trent principal 1", "name", "role": "operator" or "host", "signing", "agreement"}, keys
// as SubjectPublicKeyInfo, DER in base64. The same with "format": "trent module 1" is a module's.
//
// A share file:
//
//	offset  size  what
//	0       8     "trentshr"
//	8       2     0001, the version of this format
//	10      32    fingerprint of the operator
//	42      32    fingerprint of the module for which it is encrypted
//	74      2     n
//	76      n     the share, encrypted to that module
//
// Command files, domain tokens and audit logs are drawn where they are made, in hsm/internal/domain.
//
// Everything here is safe for concurrent use, and owns no goroutine.
package operator
