// Package link is the wire between a service host and a module in another process: Client, the host's end, which is an
// hsm.Member, and Server, which puts a module behind listeners. Connections run over Unix sockets or TCP; sessions
// (hsm/internal/session) protect them the same on both.
//
// # How a call runs
//
// Do takes an entry of its connection's table, whose place and turn are the request's id, appends the call to what is
// queued for that connection, and waits. Nothing waits for company: whoever finds nobody writing becomes the writer,
// seals what has queued up as one envelope, writes it by one system call, and looks again; so the more calls there are
// at a time, the more share an envelope. Others that are ready to run get the chance to queue theirs first. A writer
// never waits for the peer: what the connection does not take at once is left to the flusher.
//
// An answer finds its entry armed and makes it filling, puts the results into the call, makes it done and wakes the
// caller; or finds it abandoned, because the caller's deadline has passed, and touches nothing. Each step is a
// compare-and-swap, and a caller returns only after winning its own. The id of an abandoned request stays taken until
// its answer comes or the connection ends. One sweeper serves all deadlines of a client; it sleeps until the earliest.
//
// A caller that finds nobody reading reads itself until it has its answer, which saves a call that is alone the hop
// from another goroutine; what is pending then, the reader goes on with, and it reads while the connection is idle.
// To spin for an answer before parking was measured: it wins little where the machine is idle, and loses much where
// it is not.
//
// At the module's end one goroutine reads a connection. It runs calls of symmetric and HMAC keys itself, one after the
// other, and writes their answers when nothing more has come. All others go to workers, which the connections of a server
// share, bounded in number, those of a connection first in, first out, those of several in turn: some for what takes up to a millisecond (curves, public keys,
// recipients), some for what takes longer (RSA and ML-DSA with the private key, key pairs, imports), some for
// administration. So answers come out of order, and what takes long holds up nothing that does not.
//
// # Bounds
//
//   - requests of a connection: the client's table, of which calls that take long leave a quarter to the others; more
//     wait for room until their deadline, then hsm.ErrBusy. The server takes as many as it is told, and 16 MiB of those
//     that wait for a worker; more it answers by hsm.ErrBusy
//   - a host that does not read its answers is not read either once 1 MiB waits for it, and is cut off when a write has
//     not got on for the time allowed
//   - a connection before its first envelope: few of them, a time limit for all of it, eight frames of 16 KiB, and few
//     domain tokens a minute; asymmetric work on few at a time. So it stands in no listed host's way
//   - idle connections end; clients ping
//
// # Which errors mean what
//
// hsm.ErrBusy: nothing was started; also without a connection, as *downError, which says why, and is hsm.ErrOutOfService
// as well while the module waits for a domain token. hsm.ErrUnavailable: the request was handed to the connection, which
// ended before its answer. A frame that did not go out whole was not handed over: nobody can have opened it. What was
// never sent is tried on another connection first. hsm.ErrDomain comes from the module: it does not know the version of
// a domain key; a host delivers the newest domain token by Install, and tries again.
//
// # The wire, version 1
//
// Integers are big-endian. "bytes" is a length (4 bytes) and so many bytes. There is one encoding of everything; what
// is left over, unknown or out of range ends the connection. A frame:
//
//	offset  size  what
//	0       4     length of the rest, up to 16 KiB before the session, 516 KiB else
//	4       1     version of the wire: 1
//	5       1     kind
//	6       n     body
//
//	kind           from    body
//	1  identify    host    empty
//	2  identity    module  code (1), then for 0: the identity as below, else text
//	3  deliver     host    domain token
//	4  delivered   module  code (1), then text
//	5  hello       host    first message of a handshake (hsm/internal/session)
//	6  welcome     module  its answer
//	7  open        host    the message that opens a connection under a session
//	8  opened      module  its answer; only envelopes follow in either direction
//	9  envelope    both    messages, sealed
//	10 refusal     module  why (1), lowest and highest version spoken (1, 1); the connection ends. This frame has this
//	                       form in every version
//
//	refusals: 1 version, 2 malformed, 3 not listed or altered, 4 the module's state is older than the host's, 5 out of
//	service, 6 the session is over, 7 too many
//
// Identify, deliver, hello and open may follow each other in any order, up to eight. What comes before the session is
// as good as whoever is in between; a token proves itself, and an identity is proved by the handshake that follows.
// The first envelope must come soon: it shows that the open message was not somebody else's, repeated. A message of an
// envelope:
//
//	offset  size  what
//	0       4     length of the message, this header included
//	4       4     request id; 0 where there is none
//	8       1     kind; an answer's is its request's with the highest bit set
//	9       n     body
//
//	kind            request                  answer
//	1   call        as below                 as below
//	2   forget      material (32)            code (1), text
//	3   status      empty                    code (1), text or JSON of hsm.Status
//	4   identity    empty                    code (1), text or identity
//	5   execute     command                  code (1), text or domain token
//	6   install     domain token             code (1), text
//	7   cancel      empty; id of a request   none of its own
//	8   ping        empty, id 0              empty, id 0
//	9   goodbye     empty, id 0              none: the host sends nothing more; the module answers what it has
//	                                         and closes
//	127 going away  –                        empty, id 0, unasked: the host should send nothing more here, and say
//	                                         goodbye
//
// A call:
//
//	offset  size  what
//	0       1     Op
//	1       1     Algorithm
//	2       1     TargetAlgorithm
//	3       1     Spec
//	4       1     Usage
//	5       1     Wrapping
//	6       1     flags: 1 Digest, 2 ExternalMu, 4 Time, 8 Key, 16 Target, 32 Recipient
//	7       1     0
//	8       4     N, signed
//	12      8     nanoseconds left; 0: without deadline
//	20      4     room in Out, up to 16 KiB
//	24      4     room in Secret
//	28      4     room in Public
//	32      12    with flag 4: Time, seconds since 1970 (8, signed) and nanoseconds (4)
//	        –     with flag 8: Key: Spec (1), Usage (1), Material (32), Token (bytes), Identity (bytes)
//	        –     with flag 16: Target, likewise
//	        –     AAD, TargetAAD, In, In2 (bytes each)
//	        –     with flag 32: Recipient (bytes)
//
// Its answer is a code, and for 0: Material (32), Out, Secret, Public (bytes each). An identity:
//
//	0       1     1: in service
//	1       16    domain
//	17      8     number of the state
//	25      32    its hash
//	57      –     name, signing key, agreement key, KEM key (bytes each)
//
// Codes are the places of codes in errors.go: 0 success, 1 hsm.ErrAuthentication, and so on. Texts are for people, up to
// 1,024 bytes, and hold nothing secret.
//
// # Sessions and ends
//
// A Host has one session key, which a handshake with any module of the domain made and all of them know by its token. It
// is renewed after three to four fifths of its life, and each connection with it: the new one is opened first. The old
// one is said goodbye to, and ends when its answers are there. The same happens when a module is going away, so that a
// rolling restart fails no request.
//
// # Plaintext
//
// Requests and answers hold plaintext in buffers of the Go heap at both ends. They are sealed and opened in place, and
// wiped as soon as they are handled, when they grow, and when a connection ends.
//
// # Concurrency and goroutines
//
// Client, Host and Server are safe for concurrent use. A Client owns its sweeper, one keeper a connection, which makes,
// replaces and drains it, and two goroutines for each connection, the reader and the flusher. A Server owns a janitor,
// for each connection the goroutine that reads it and a flusher, and its workers, which end when they have nothing to
// do. Close ends all of them before it returns. No goroutine is made for a call.
//
// What this package is not: it checks no command and no domain token, which modules do; it chooses between no modules,
// which hsm/fleet does; and it does no cryptography of its own.
package link
