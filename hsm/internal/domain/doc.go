// Package domain is the root of the key hierarchy: the domain keys of one module, sealed in a file (Domain), or those of
// several, which travel between them as domain tokens (Member).
//
// A domain has an identifier, a name and one or more domain keys, numbered from 1. All of them open tokens,
// only the active one seals. A domain key lies in an arena and nowhere else; from outside one can use it, not
// read it.
//
// # A domain of several modules
//
// What is public of a domain is its State, which only a signed command changes. Each module has an identity that it made
// itself: a P-384 key to sign, one to agree, and an ML-KEM-1024 key. A member executes a command by exporting the token
// of the state's successor, and changes nothing in itself; a host publishes the token; then every member installs it,
// the exporter too. So no two modules need to speak to each other, and nothing is lost with a module that dies between.
//
// A member installs the child of the state that it holds, exported by a member of that state, with the command in it that
// makes the one of the other. A token carries the commands of the last steps, too: a member that missed some tokens while
// it ran does those commands again, each held against the rules of the state before it, and so gets to the newest state
// by children alone. It remembers on disk, before anything else happens, which state it holds and who its members are.
// After a start it holds no keys; it takes a token of its domain by a module that it remembers, not older than the state
// remembered, and of the same line as far as that can be seen: that state itself, or one whose log of commands goes on
// from there. That a token so much newer descends from the remembered state that it does not reach back to it is its
// exporter's word. A module in no domain takes any token that lists it: who hands it the first one decides where it
// belongs. A rollback of the state directory together with the tokens is not detected.
//
// A module that was removed cannot open the token of its removal, nor any later one. It, or a clone of its state
// directory together with a token of its time, still opens what is under the domain keys of that time: they count as
// exposed from then on, tokens are re-encrypted, and the keys dropped.
//
// # State
//
// All integers are big-endian; text is u8 length ‖ bytes; bytes are u16 length ‖ bytes; a list is u8 count ‖ each. Times
// are milliseconds since 1970, 0 for none. Public keys are SubjectPublicKeyInfo of P-384 in their one DER encoding.
//
//	offset  size  what
//	0       4     "trds"
//	4       2     0001, the version of this format
//	6       16    identifier of the domain
//	22      8     number, from 1
//	30      32    hash of the state before: SHA-256 of its encoding; zeros in the first
//	62      8     when it was made
//	70      8     period of rotation, nanoseconds
//	78      8     number of entries of the audit log
//	86      32    hash of the last of them
//	118           text name ‖ bytes recovery key ‖ u8 shares that make it
//	              list of members, each: text name ‖ bytes signing key ‖ bytes agreement key ‖ bytes ML-KEM-1024
//	                encapsulation key, or none
//	              list of signers, each: text name ‖ u8 role ‖ bytes signing key ‖ bytes agreement key, or none
//	              list of rules, each: u8 command ‖ list of alternatives, each a list of: u8 role ‖ u8 number
//	              list of domain keys, each: u32 version ‖ u8 phase ‖ when made ‖ activated ‖ ended ‖ 32 bytes
//	                HMAC-SHA256(domain key, "trent domain key" ‖ domain ‖ u32 version)
//
// The check values bind the domain keys into the hash of the state, so that two tokens of one state hold the same keys.
// They tell nothing of a key of 256 random bits.
//
// # Domain token
//
// At most MaxToken bytes; s is the length of the state, m that of its members' envelopes, k the number of domain keys.
//
//	offset  size  what
//	0       8     "trentdtk"
//	8       2     0001, the version of this format
//	10      4     s
//	14      s     the state
//	14+s    m     for each member an envelope of the key-encryption key, 32 random bytes of this token alone
//	              the same for the recovery key (157 bytes)
//	              list of shares, each: 32 bytes fingerprint of the operator's signing key ‖ envelope of the share
//	              12 bytes nonce ‖ 32k + 16 bytes: the domain keys by AES-256-GCM under the key-encryption key, with
//	                "trent domain keys " ‖ hash of the state as additional data
//	              list of the audit log's last entries, this state's last, each: u32 length ‖ entry
//	              32 bytes fingerprint of the exporter's signing key, a member's
//	              u8 length ‖ its ECDSA signature (P-384, SHA-384, ASN.1) of everything before
//
// A share is its number (1 byte, from 1) and a scalar of P-384 (48 bytes): Shamir's scheme over the order of the group,
// whose secret is the private recovery key. The recovery key is made with the domain, and made anew when operators
// change and after a recovery. Its private half is in a module only while it is split or put together.
// It is classical, as operators' keys in PKCS #11 tokens are: whoever keeps a domain token until P-384 is broken opens it
// by its recovery envelope, or by the shares. Against that, tokens are kept from those who need not have them.
//
// # Envelope
//
//	offset  size  what
//	0       97    ephemeral public key, an uncompressed point of P-384
//	97      1568  ML-KEM-1024 ciphertext, where the recipient has such a key; else nothing
//	        12    AES-256-GCM nonce
//	        n     ciphertext
//	        16    tag
//
// Its key is HKDF-SHA384 of the shared x coordinate ‖ the shared secret of ML-KEM, where there is one, without salt, with
// the info "trent envelope" ‖ h, where h = SHA-384(bytes context ‖ bytes agreement key ‖ bytes encapsulation key ‖ bytes
// ephemeral key and ciphertext) is the additional data too. Contexts are "trent domain token key " ‖ hash of the state ‖
// fingerprint of the recipient (a member's signing key, the recovery key), "trent recovery share " ‖ domain ‖ recovery
// key ‖ operator, and "trent recovery transfer " ‖ domain ‖ recovery key ‖ module. Whether ML-KEM is in it follows from
// the recipient alone, and a module refuses a state that lists it by other keys than its own.
//
// # Identity file
//
// It is sealed like the file below, but begins with "trentidn", has the module's name and a random identifier in the
// place of the domain's, and holds
//
//	offset  size  what
//	0       48    private signing key, a scalar of P-384
//	48      48    private agreement key, likewise
//	96      64    seed of the ML-KEM-1024 key
//	160     16    the domain; zeros: in none
//	176     8     number of the last state
//	184     32    hash of that state
//	216     32    hash of the audit log's entry for that state
//	248     1     n, the number of its members
//	249     120n  their signing keys
//
// The private halves lie in the arena. The standard library copies them to the heap while they are used; there a build
// with GOEXPERIMENT=runtimesecret clears them once they are collected.
//
// # The sealed file
//
// All integers are big-endian; l is the length of the name.
//
//	offset  size  what
//	0       8     "trentdom"
//	8       2     0002, the version of this format
//	10      1     how the seal key is made: 1 HKDF-SHA256 of a key file or credential, 2 Argon2id of a passphrase,
//	              3 PBKDF2-HMAC-SHA256 of a passphrase
//	11      1     Argon2id parallelism; 0 otherwise
//	12      4     Argon2id passes, or PBKDF2 rounds, 1,000 to 10,000,000; 0 otherwise
//	16      4     Argon2id memory in KiB; 0 otherwise
//	20      32    salt
//	52      16    identifier of the domain
//	68      1     l, 1 to 64
//	69      l     name: lower-case letters, digits, hyphens
//	69+l    4     n, the length of ciphertext and tag
//	73+l    12    AES-256-GCM nonce
//	85+l    n     ciphertext ‖ tag (16 bytes), with offsets 0 to 72+l as additional data, of:
//	              u32 count ‖ (u32 version ‖ when made ‖ when deactivated, as in a state ‖ 32 bytes of domain key)*,
//	              versions ascending, the last one active; in format 0001 without the times
//	85+l+n  32    SHA-256 of all before: tells damage from a wrong key, and authenticates nothing
//
// The seal key is HKDF-SHA256 (RFC 5869) of the secret with the salt and the info "trent domain seal", or
// Argon2id (RFC 9106) or, in FIPS mode, PBKDF2-HMAC-SHA256 (NIST SP 800-132) of the passphrase with the salt and the
// parameters in the file. Every write draws a new
// nonce; a new salt needs the secret again and is drawn only at creation.
//
// The file is written beside its place, synced, moved there, and its directory synced. Creation never
// replaces a file. A rollback of the whole directory to older files is not detected. Whoever has both the
// file and the secret has the keys; losing the secret loses them.
//
// # Commands and the audit log
//
// Their formats are drawn at Command, AuditEntry and Log. Operators, or hosts for the rotation, sign a command, which names
// the state that it applies to by number and hash; Check holds the signatures, all of which must be right and of listed
// signers, against that state's rules; Successor makes the next state, and is pure. The rules of every state keep a single
// operator from changing a protection where there are two, and each command possible. Each state has one entry in the
// log, with the signed command; the log's head is in the state. From the log alone all states can be made again, and
// so are when it is verified (VerifyLog), and when a member installs (Step).
//
// What this package is not: it does not manage the tokens under its keys, and carries nothing between modules. It has no goroutines. Readers of domain keys are lock-free and safe beside whoever changes them.
package domain
