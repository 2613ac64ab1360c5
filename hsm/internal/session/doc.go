// Package session is both ends of an authenticated, encrypted session between a service host and the modules of a
// domain: the handshake, the session key with its token, the keys of a connection, and envelopes.
//
//	host                                            module
//	  hello: offers, ephemeral, signature       →     a listed host made this ephemeral
//	  the module's answer is for this hello     ←   answer: ephemeral, session key under the agreed key, token, signature
//	  … the session key is good for every module of the domain until its time is over …
//	  open: token, random, proof                →     who sends this has the session key, and its host is still listed
//	  this module of the domain has it, too     ←   accept: random, signature, proof
//	  envelopes, counted                       ⇄      envelopes, counted
//
// # Messages of the handshake
//
// All integers are big-endian. An identity is the SubjectPublicKeyInfo of a P-384 key in its one DER encoding with an
// uncompressed point, a point is one of P-384, uncompressed, and a signature is r ‖ s with s in the lower half (ECDSA
// with SHA-384), so that each has one encoding. Anything longer, shorter or out of range is refused.
//
// Hello, the host's (252 or 1,820 bytes). k is 1,568 if bit 1 of the offers is set, otherwise 0.
//
//	offset  size  what
//	0       1     01, the version of this format
//	1       1     01, hello
//	2       1     offers: bit 0 ECDH P-384 (always), bit 1 that and ML-KEM-1024
//	3       16    domain
//	19      8     number of the newest domain state that the host knows
//	27      32    host: SHA-256 of its identity
//	59      97    ephemeral point
//	156     k     ML-KEM-1024 encapsulation key
//	156+k   96    signature of SHA-384("trent session hello" ‖ 00 ‖ offsets 0 to 155+k)
//
// Answer, the module's. c is 1,568 if the choice is 2, otherwise 0; t is the length of the token, 1 to 512.
//
//	offset   size  what
//	0        1     01, the version of this format
//	1        1     02, answer
//	2        1     offers, as in hello
//	3        1     choice: 1 ECDH P-384, 2 that and ML-KEM-1024; always 2 where both ends offer it
//	4        16    domain
//	20       8     number of the domain state that the module holds
//	28       120   identity of the module
//	148      97    ephemeral point
//	245      c     ML-KEM-1024 ciphertext
//	245+c    4     seconds that the session is good for, 1 to 86,400
//	249+c    12    AES-256-GCM nonce
//	261+c    48    session key ‖ tag under the agreed key, with the agreement's hash as additional data
//	309+c    2     t
//	311+c    t     token of the session key under a domain key
//	311+c+t  96    signature of SHA-384("trent session answer" ‖ 00 ‖ hello ‖ offsets 0 to 310+c+t)
//
// The agreement's hash is SHA-384("trent session transcript" ‖ 00 ‖ hello ‖ offsets 0 to 248+c of answer). The agreed key
// is the one-step KDF of SP 800-56C r2 with HMAC-SHA256 of the ECDH secret ‖ the ML-KEM secret, with "trent session
// agreement" ‖ 00 ‖ that hash as the fixed information. It encrypts one session key and is gone.
//
// # Messages of a connection
//
// Open, the host's:
//
//	offset  size  what
//	0       1     01, the version of this format
//	1       1     03, open
//	2       16    domain
//	18      32    random
//	50      48    SHA-384("trent session transcript" ‖ 00 ‖ hello ‖ answer) of the session's handshake
//	98      2     t
//	100     t     token of the session key
//	100+t   32    proof: HMAC-SHA256 of offsets 0 to 99+t under KDF(session key, "trent session open", host)
//
// Accept, the module's (290 bytes):
//
//	offset  size  what
//	0       1     01, the version of this format
//	1       1     04, accept
//	2       8     number of the domain state that the module holds
//	10      120   identity of the module
//	130     32    random
//	162     96    signature of SHA-384("trent session accept" ‖ 00 ‖ open ‖ offsets 0 to 161)
//	258     32    proof: HMAC-SHA256 of open ‖ offsets 0 to 257 under KDF(session key, "trent session accept", 00 ‖ ends)
//
// Envelope, of n bytes of plaintext, up to 4 MiB:
//
//	offset  size  what
//	0       1     01 the nonce is the counter, 02 the kernel draws nonces (std-fips)
//	1       12    AES-256-GCM nonce
//	13      n     ciphertext
//	13+n    16    tag
//
// The additional data is offset 0 ‖ direction ‖ u64 counter ‖ u32 n, and the counter as nonce is u32 zero ‖ u64 counter;
// it starts at 0 in each direction and the receiver takes exactly the next, whichever the nonce. The key of a direction
// (01 to the module, 02 to the host) is KDF(session key, "trent session connection", direction ‖ ends), where ends is
// host (32) ‖ module (32) ‖ the host's random ‖ the module's random ‖ domain (16), and KDF is that of package kdf (SP
// 800-108 with HMAC-SHA256). The session key itself encrypts nothing.
//
// # Who proves what
//
//   - Hello: a host that the module's state lists wants a session, offers this, and chose this ephemeral. Not when: a
//     copy is as good as the hello, but what it brings can be read only by who has the ephemeral.
//   - Answer: a module of the host's domain, in a state not older than the host knows, saw this very hello, chose the best
//     of both offers, and made the session key. Only those who know an ephemeral key of the pair can read it. Leaked
//     signing keys open no recorded handshake; a leaked domain key opens the tokens under it.
//   - Open: whoever sends it has the session key, which is this host's, and says of which handshake it comes. It is the
//     host or a module of the domain; a module that was removed has it until the key's domain key is dropped or its time
//     is over.
//   - Accept: this module, by its signature, has the session key and saw this open message. A former module that still
//     has session keys cannot take the place of another one.
//   - First envelope to the module: its sender has the session key now. Until then an accepted connection may be somebody
//     who repeats a message, and holds a slot: the caller gives it a deadline.
//
// # What attacks come to
//
//	attack                                          answer                                   test
//	any byte of any message altered                 ErrRefused                               TestAltered
//	an offer stripped, or the choice lowered        ErrRefused                               TestDowngrade
//	a hello repeated                                ErrRefused; later, a key for its author  TestReplayedHello
//	an open message repeated                        ErrRefused; elsewhere, other keys        TestReplayedOpen
//	an envelope repeated, left out, out of order    the connection is dead                   TestEnvelopes
//	an envelope sent back, or on another connection the connection is dead                   TestEnvelopes
//	a host that was removed                         ErrRefused at handshake and connection   TestRemovedHost
//	a module that was removed or is of no domain    ErrRefused by the host                   TestForeignModule
//	a module that has missed a state                ErrStale, by both                        TestStaleModule
//	a session whose time is over, a clock set back  ErrExpired                               TestExpiry
//	nonsense that a host or module has signed       ErrRefused                               TestInsiders
//	a flood of hellos, unknown or repeated          a look-up each                           TestCheapRefusal
//	a look at the memory outside the arena          no session key                           TestKeysStayInTheArena
//
// Messages without end, and connections that stay silent, are the caller's to bound; see MaxHello and its like.
//
// Keys lie in slots of a Pool, in an arena, and are wiped with their release. Working copies of ephemeral keys and
// shared secrets are the standard library's, on its heap, cleared by builds with runtime/secret; between hello and
// answer they exist in the slot only. The kernels' own copies: package gcm.
//
// Time is an argument. A session ends by the module's clock, in its token, and for the host so many seconds after its
// handshake, so that the clocks need not agree; callers pass times of time.Now, whose differences no jump of the wall
// clock changes. Running connections do not look at clocks at all: Conn.Ends is for the caller to heed.
//
// After any refusal of an open message a host forgets its ticket and makes a new handshake; a refusal of that is
// final until the domain's state changes.
//
// What this package is not: it moves no bytes over a network (hsm/link does) and knows no commands. It has no
// goroutines. Host, Responder, Ticket and Pool are safe for concurrent use, a Conn for one goroutine in each direction.
package session
