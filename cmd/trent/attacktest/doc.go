// Package attacktest searches for keys, in the manner of an attacker: it lets the real programs work under load with every
// key spec, an appliance and a server in front of it, and then looks for the bytes of keys wherever somebody could read.
//
//	searched                                    for                                 expected
//	memory of the server, under load            every key, but its own host key     nothing outside its arena
//	core dumps of both, made by root            the same                            nothing of the server; the arena is no part
//	memory of the appliance                     symmetric, HMAC, domain and         nothing outside its arena
//	                                            session keys
//	data directory, state directory, audit      every key, and the host's           nothing
//	records, logs
//	traffic between server and appliance, and   every key, and the host's           nothing
//	between clients and server
//	answers, errors, metrics, status            every key, and the host's           nothing
//
// The arena of a process that may lock no memory can be read: there the keys must be, and its core dump must lack it.
//
// Keys are looked for raw, in hex, in base64 at its three alignments, with the bytes of each word or of the whole number
// reversed, with HMAC's paddings, as round keys of AES, and as the states of hash functions that HMAC begins with. A
// planted text must be found by the same search. A mapping that cannot be read fails it, unless it is an arena.
//
// The keys that are known are those that were imported; and, from programs built with the tag reveal (package reveal),
// those that were generated, those of domain and sessions, and identities.
//
// In the appliance, asymmetric keys and its own identity are the exceptions that package hsm lists. What is found of them
// is logged.
//
// What needs root, gdb or a minute runs with TRENT_ATTACK_TESTS=1, which `make attack-tests` sets.
package attacktest
