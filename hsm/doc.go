// Package hsm is the boundary inside which key material is plaintext: the Module interface, and Local, the
// module that runs in this process.
//
// A caller names a key by its token (the material, sealed under a domain key) and gets results back. No call
// returns plaintext key material, except the data keys and data key pairs that the API itself returns. Outside
// this package and hsm/internal nothing can name the bytes of a key.
//
// # How a symmetric call runs
//
// A key's identity, purpose and other metadata are authenticated with its token. Each ciphertext has a key of
// its own, SP 800-108 over a random nonce, and AES-256-GCM under that with header, identity and encryption
// context as additional data (hsm/internal/blob draws the format); SM4-GCM under keys of spec SM4. The call runs on the caller's goroutine:
//
//  1. claim a worker by compare-and-swap, starting at the shard of the CPU that runs the caller
//  2. find the key ready in one of the worker's slots, or unwrap its token
//  3. derive, seal or open in the worker's scratch, copy the result out, wipe, release
//
// A worker is held across straight-line code only: no lock, channel, I/O or RSA. With the kernel aesni nothing is
// allocated under it; the standard library's AES and HMAC and the library for SM4 allocate their objects. A sweep that finds no free worker parks the
// caller, is counted, and gives ErrBusy after a second.
//
// Slots belong to their worker, so there are no shared readers and nothing to reclaim under them; a hot key
// has a copy in each worker that meets it. A hit needs equality of the whole token and its metadata, byte by
// byte: otherwise a forged token would bypass its own authentication. Forget visits every worker by claiming
// it, so that when it returns no call can be using the material; a call that starts later with the token
// unwraps it anew. A sweep wipes slots that nobody used for Config.SlotIdle.
//
// # Where keys lie
//
// Domain keys, unwrapped symmetric and HMAC material, derived keys, plaintexts in progress and data keys in
// the making lie in an arena (hsm/internal/arena): locked, not dumped, wiped. With the kernel aesni (hsm/internal/gcm)
// so do round keys, hash keys and key streams, and on a processor with SHA instructions and AVX the states of key
// derivation and HMAC (hsm/internal/kdf): then no form of a symmetric or HMAC key is on the Go heap or a stack, which
// TestNoKeysOutsideTheArena searches for. The exceptions, while keys are used in this process:
//
//   - with the kernels std and std-fips, and so always in FIPS 140-3 mode, the standard library's AES copies the keys of
//     single ciphertexts and tokens to the Go heap, where they stay until collected; HMAC keys go the same way with
//     std-fips, in that mode, and where the processor lacks these instructions; in the latter two cases the states of key
//     derivation pass through the stack and a wiped object on the heap
//   - the SM4 library copies key bytes to the Go heap whatever the kernel
//   - asymmetric keys are parsed on the heap and kept there, bounded, until idle or forgotten; a build with
//     GOEXPERIMENT=runtimesecret runs their code inside runtime/secret, which clears stacks and registers, and what
//     was allocated once it is collected; but signatures on curves have stack and registers cleared alone, and their
//     one-time numbers stay on the heap until it is used again
//   - the private key of a data key pair, key material that is imported, a plaintext that is encrypted to a recipient or
//     re-encrypted between a symmetric and an asymmetric key, and the secret that seals the domain lie on the heap while
//     their call runs, and are wiped at its end; the numbers of asymmetric keys, not their encodings, what the libraries
//     unwrap imported material with, and the message keys of recipients stay there until they are collected, and with
//     GOEXPERIMENT=runtimesecret are cleared then
//   - the hash of an SM2 ciphertext, and what the library for ML-KEM-512 makes a shared secret of, stay likewise
//   - a module's own signing and agreement keys, ephemeral ones, and the recovery key while it is split among operators or
//     put together: the standard library and the library for Shamir's scheme copy their numbers to the heap; a build
//     with GOEXPERIMENT=runtimesecret clears them once they are collected
//   - registers lie in the signal stack of a thread that was interrupted, until the next signal
//   - a root that attaches to the process or injects code into it is out of reach of any process
//
// Harden closes what it can before the first key is read.
//
// # Domains
//
// A module opened by Open has a domain of its own, whose keys lie sealed on its disk. One opened by OpenMember shares a
// domain with others: on its disk is only its identity, and what it remembers of the domain; its domain keys come in a
// domain token, encrypted to it, which a host carries from the member that exported it. Until then, and after it erased
// itself, every call gives ErrOutOfService. hsm/internal/domain draws tokens and says what a member accepts.
//
// The key that seals is the active one; pending and deactivated ones open tokens. A domain key that the next state lacks
// is wiped after every worker has been visited, with all that was made ready from tokens under it: whoever uses a domain
// key looks it up while holding a worker. "Unknown version" (ErrDomain) then means that the token is older, or newer,
// than the domain token the module has: the caller brings the newest and tries again.
//
// # FIPS
//
// The kernel std-fips uses Go's FIPS 140-3 module; passphrases go through PBKDF2 with Seal.Rounds of FIPSRounds. Key specs that this module does not have are refused under it, by
// ErrUnsupported: SM2, SM4, secp256k1, ML-KEM-512 and ML-DSA. Under GODEBUG=fips140=only RSAES_OAEP_SHA_1 is, too.
//
// # Concurrency and goroutines
//
// Local is safe for concurrent use; Close waits for calls in progress, and calls after it give
// ErrUnavailable; so does the making of an asymmetric key that Close finds in progress, for which it does not
// wait. It owns one goroutine, the sweep of idle slots, which Close stops.
//
// What this package is not: it knows nothing of aliases, policies, key states or the API's messages.
package hsm
