// Package bench measures what Trent claims, each figure as a ratio to a floor or a peer in the same run.
//
// The echo floor is stock fasthttp and crypto/tls without a line of Trent's code: same request bytes, same
// connections, same core, same offered rate, a fixed answer of the same size. CPU a request is that of the
// server's process tree by its CPU clock; a figure is the median of paired ratios over rounds in random
// order, with a 95 % bootstrap interval, and rounds in which the hypervisor stole more than 1 % are dropped
// and counted. It is not a test: nothing here runs in `make test`.
//
// bench/trentbench is the command. Servers run as child processes pinned to one core, the client on another;
// every child ends with its parent.
package bench
