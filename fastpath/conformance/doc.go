// Package conformance is how the endpoint must behave, written as tests against its network interface: the
// SDK over TLS for every operation, hand-made requests for what no SDK sends. It has no code besides.
//
// The same tests run against any endpoint, and then start no server:
//
//	TRENT_CONFORMANCE_ENDPOINT  URL
//	TRENT_CONFORMANCE_ACCOUNT   account of the credential
//	AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//	AWS_CA_BUNDLE               PEM file; unset: the system's roots
//
// Keys that a run made there are scheduled for deletion at its end. What needs a server of the test's own
// (restarts, a moved clock, a look into the data directory) is skipped there.
package conformance
