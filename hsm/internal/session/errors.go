package session

import "errors"

var (
	// ErrRefused is the one answer to a message that is malformed, altered, of another domain, or of somebody who is not
	// listed. Nothing says which.
	ErrRefused = errors.New("session: the other end is not one of the domain's, or a message was altered")
	// ErrStale is a module that holds an older state of the domain than the host knows: it needs the newest domain token.
	ErrStale = errors.New("session: the module holds an older state of the domain")
	// ErrOutOfService is a module without a state of a domain.
	ErrOutOfService = errors.New("session: the module is out of service")
	// ErrExpired is a session key whose time is over: a new handshake makes another.
	ErrExpired = errors.New("session: the session is over")
	// ErrFull is a pool without a free slot: too many connections, sessions and handshakes at a time.
	ErrFull = errors.New("session: no room for another session or connection")
	// ErrClosed is a connection, ticket or handshake that is closed, broken or used already. It stays so.
	ErrClosed = errors.New("session: closed")
	// ErrSpent is a direction of a connection that has carried MaxEnvelopes.
	ErrSpent = errors.New("session: the connection has carried as much as its keys are good for")
	// ErrTooLong is a plaintext of more than MaxPlaintext bytes.
	ErrTooLong = errors.New("session: too long for an envelope")
)
