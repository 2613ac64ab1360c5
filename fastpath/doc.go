// Package fastpath is the KMS endpoint: it builds a server from its parts and is the chain that every
// request passes.
//
//	frontend → sigv4 → wire → keyring → quota → authz → operation → wire → audit
//	                    │                                  │
//	                    │ snapshots                        │ tokens in, results out
//	                    ▼                                  ▼
//	store.Store                                        hsm.Module
//
// Requests of STS, which have no target, leave the chain before it is one (stsdoor.go): form in, XML out.
//
// The chain is a straight line over one pooled Exchange a request; each step is a function of narrow
// arguments in a package of its own, and only this package knows them all. It holds no lock while a
// request passes, and nothing of a request outlives its handler. It is not the place of any rule of the
// API: those stand in wire (shapes and texts), operation (what each operation does) and keyring (what is
// known of a key). The packages below own their goroutines; Server.Shutdown and Server.Close end them all.
package fastpath
