// Package session is both ends of an authenticated, encrypted session between a service host and the modules of a
// domain: the handshake, the session key with its token, the keys of a connection, and envelopes.
//
// What this package is not: it moves no bytes over a network (hsm/link does) and knows no commands.
package session
