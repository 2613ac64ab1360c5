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
// # Who talks to whom
//
//	clients ── TLS, SigV4 ──► service host ── hsm/link: sessions, over Unix socket or TCP ──► appliance, appliance, …
//	                            │    ▲                                                           ▲
//	          store: key tokens ┘    │ commands, signed                commands, signed, console │
//	          and domain tokens      └───────────────────── operators ───────────────────────────┘
//
// Appliances do not talk to each other: a host carries domain tokens between them. Hosts never have a domain key, nor a
// key's material; a session key is all that they share with appliances. A module opened by Open stands in the host's own
// process, where only the second half of "Where keys lie" protects it from that process.
//
// # Threats
//
// What is to be protected, from whom, by what, and the test that shows it. Tests without a package are of cmd/trent/attacktest.
//
//	key material          a host that was taken over     tokens alone; material never leaves the appliance
//	                                                     TestImportedKeys, TestAllKeys
//	                      a core dump, swap              locked memory that is not dumped; not dumpable, no core
//	                                                     TestImportedKeys, TestAllKeys
//	                      another process of its user    not dumpable, seccomp, Landlock
//	                                                     cmd/trent TestApplianceUnderAttack, TestServerUnderAttack
//	                      a reader of disks, logs,       sealed or encrypted before it is written; never printed
//	                      metrics, answers, errors       TestAllKeys; hsm TestPrintingShowsNoKeys
//	                      a profiler, a debug endpoint   there is none
//	                                                     hsm/appliance TestNoDebugging
//	                      the build that reveals keys    its code is not in the program that is shipped
//	                                                     TestShippedBinaryRevealsNothing
//	calls and answers     a listener on the wire         envelopes under keys of each connection, ECDH and ML-KEM
//	                                                     hsm/link TestNothingInClear, hsm/internal/session TestDowngrade
//	                      one who alters or repeats      counters, transcripts, signatures
//	                                                     hsm/internal/session TestAltered, TestReplayedOpen, TestEnvelopes
//	                      a host that is not listed      handshake and every connection refused
//	                                                     hsm/internal/session TestRemovedHost
//	                      an appliance of no domain      refused by the host
//	                                                     hsm/internal/session TestForeignModule
//	the domain's rules    fewer operators than a quorum  checked inside the module, against the state it holds
//	                                                     hsm/internal/domain TestFewerThanAQuorumChangeNothing
//	                      one who forges a domain token  signature of a member that is remembered
//	                                                     hsm/internal/domain TestForgedToken
//	                      who hides what was done        the log's head is in every domain token
//	                                                     hsm/internal/domain TestLogShowsWhatWasDoneToIt
//	recovery key          fewer holders than needed      Shamir's scheme, shares encrypted to operators
//	                                                     hsm TestRecovery
//
// Out of reach, and what limits it:
//
//   - Root that attaches to an appliance, injects code or replaces the program. Secret memory (memfd_secret) keeps it from
//     reading the arena from outside, and out of any core dump that it forces; where the kernel has none, root reads
//     locked memory through /proc/PID/mem. Asymmetric working copies and the module's own scalars are on the heap in
//     either case; only builds with GOEXPERIMENT=runtimesecret clear them, once they are collected.
//   - A host that was taken over uses keys, through its session, for as long as it is listed. It cannot take them away. Its own
//     signing key is on its heap and in its key file: whoever has it is that host until operators remove it.
//   - A module that was removed, with the session keys or session tokens that it has seen, can pass for the host of that
//     session towards others, and open them, until the domain key that sealed them is dropped or the session's time is over.
//   - A clone of an old state directory, with domain tokens of its time, opens what is sealed under the domain keys of that
//     time. Removal rotates at once; what was copied before stays open.
//   - A domain key that leaked opens recorded connections: the session tokens in their open messages are sealed under it.
//     There is no forward secrecy beyond the rotation of domain keys. A leaked signing key opens nothing recorded.
//   - The recovery envelope and the operators' shares are of P-384 alone: who keeps a domain token until that is broken
//     opens it, though members' envelopes have ML-KEM-1024 beside it.
//   - The arithmetic of Shamir's scheme (circl) is not in constant time. It runs while the recovery key is split or put
//     together, inside the module.
//   - A member that comes back many states behind takes the word of the token's exporter, a member that it remembers, that the
//     state descends from its own. A remembered member that was taken over can so mislead it.
//   - A rollback of a whole state directory together with the tokens in the store is not detected.
//   - Time and number of calls are not hidden: who watches the wire sees who calls how often, and lengths.
//   - Data keys, key pairs and plaintexts that the API returns pass through the host: they are the customer's, and are
//     wiped there (fastpath/conformance TestSecretsAreNowhere), not kept from it.
//
// # FIPS
//
// The kernel std-fips uses Go's FIPS 140-3 module; passphrases go through PBKDF2 with Seal.Rounds of FIPSRounds. Key specs
// that this module does not have are refused under it, by ErrUnsupported: SM2, SM4, secp256k1, ML-KEM-512 and ML-DSA. Under
// GODEBUG=fips140=only RSAES_OAEP_SHA_1 is, too.
//
// # Concurrency and goroutines
//
// Local is safe for concurrent use; Close waits for calls in progress, and calls after it give
// ErrUnavailable; so does the making of an asymmetric key that Close finds in progress, for which it does not
// wait. It owns one goroutine, the sweep of idle slots, which Close stops.
//
// What this package is not: it knows nothing of aliases, policies, key states or the API's messages.
package hsm
