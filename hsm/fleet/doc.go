// Package fleet is many modules as one: an hsm.Module that spreads calls over its members, watches their health by
// real answers, and takes members out and in again without a failed call.
//
// # Placement
//
// A key has its member by rendezvous hashing (highest random weight) over the members in service, so that a
// member which comes or goes moves its own keys alone, and ready key states are used where they are. Load is
// bounded: a member with more than 5/4 of the mean number of calls in flight is passed over for the next in the
// key's order. Calls without a key go to the member with the fewest calls in flight.
//
// # Health, and what is tried again
//
// A member is out as soon as a call comes back with hsm.ErrUnavailable or hsm.ErrOutOfService, or its status cannot
// be had; a probe brings it back, after a pause that doubles while it keeps failing. What follows an error:
//
//	ErrBusy, ErrOutOfService   the call was never started: the next member gets it
//	ErrUnavailable             it may have run: the next member gets it if that leaves nothing behind (Retryable), twice
//	                           at the most
//	ErrDomain                  the member may lack the newest domain state: Options.Deliver, then once more
//	ErrDeadline, all others    the caller's
//
// Without any member in service a call waits for one, no longer than Options.Patience and its deadline, and then ends
// with ErrUnavailable. Hedging (a second try on another member while the first still runs) is off unless
// Options.HedgeAfter is set.
//
// # Concurrency and goroutines
//
// A Fleet is safe for concurrent use. The path of a call takes no lock: the members are an immutable list, their
// states and counts are atomics. There is one goroutine a member, its watch, which Close stops; a hedged call
// has two more while it runs.
//
// What this package is not: it knows neither sockets (hsm/link does) nor domain states; whoever makes a fleet
// gives it modules and the function that brings a member up to date.
package fleet
