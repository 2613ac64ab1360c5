// Package appliance is an HSM in a process of its own, what `trent hsm serve` runs: it takes the calls of service hosts
// over hsm/link and the commands of operators at its console.
//
//	service hosts ── hsm/link over Unix socket or TCP ──►┐
//	                                                     │ Server ── hsm.Member (keys in locked memory)
//	operators ────── console: HTTP over STATE/console.sock ►┘
//
// # Who may do what
//
// A host needs a session, which only hosts that the domain state lists get; before one it may ask for the identity and
// deliver a domain token, which is authenticated by itself and which an appliance takes only if it remembers the domain.
// The first token of all, and the command that creates a domain, come by the console: a socket of mode 0600 in a
// directory of mode 0700, which checks that its peer is the appliance's own user or root. Whoever has that user can take
// the appliance out of service, as by a signal, and cannot read a key or change a domain without the signatures that
// its rules want.
//
// # The console
//
// HTTP/1.1. Tokens and commands are their own bytes (application/octet-stream), all else is JSON. What is refused has
// a status of 400 or more and {"error": text, "kind": word}; the words are in kinds.
//
//	GET  /identity  {"name", "signing", "agreement", "kem": base64, "in_service", "domain", "hash": hex, "number"}
//	GET  /status    the module's status, the process's confinement, sessions (what `trent hsm status` shows)
//	GET  /token     the domain token that is held: 404 while there is none
//	GET  /audit     the domain's log of commands
//	POST /audit     another member's log → {"added": entries that this one lacked}
//	POST /execute   a signed command → the token of the successor state
//	POST /install   a domain token → 204
//	POST /zeroize   {"fingerprint": hex of its own} → 204; the identity and all keys are gone, and the process ends
//
// # Confinement
//
// The process confines itself (package confine) before it reads its first key. It has no profiler and no other
// listener than these two.
//
// What this package is not: it decides nothing about commands and keys, which the Member does, and it does not speak the
// wire's format, which link does.
//
// A Server owns the goroutines of its listeners; Run ends when they have. Its methods are safe for concurrent use.
package appliance
