// Package host is what a service host needs to use appliances: a signing key of its own, the newest token of its domain,
// and the habit of bringing that token to every module that is behind.
//
// The token is public as far as it goes in clear, and no secret otherwise: what it encloses only modules can open. But it
// is precious, because modules keep no domain keys on disk: when all have stopped, it is the only way back, short of the
// operators' shares. So a TokenStore keeps at least three copies.
//
// A Host is also the other half of trust in a session: it accepts modules that the newest state lists, and no other.
//
// What this package is not: it makes no module work (link does) and spreads no load (fleet does). It has no goroutines.
// A Host and a TokenStore are safe for concurrent use.
package host
