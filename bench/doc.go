// Package bench measures what Trent claims, each figure as a ratio to a floor or a peer in the same run.
//
// The echo floor is stock fasthttp and crypto/tls without a line of Trent's code: same request bytes, same
// connections, same core, same offered rate, a fixed answer of the same size. CPU a request is that of the
// server's process tree by its CPU clock; a figure is the median of paired ratios over rounds in random
// order, with a 95 % bootstrap interval, and rounds in which the hypervisor stole more than 1 % are dropped
// and counted. It is not a test: nothing here runs in `make test`.
//
// The harness is measured the same way: what a request costs each engine that sends all it can, beside wrk and plain vegeta with the
// same bytes over the same connections; the highest paced rate that passes every gate; how late the pacer is; how much memory a long
// run takes; and, against a server that holds each answer for a time it stamps on it, whether the percentiles are true. Rounds in
// which other processes used the cores are repeated, and a figure for which the machine was never quiet is inconclusive.
//
// Separate HSMs are appliances in processes of their own, over Unix sockets: what one costs beside a module in process, what a
// second one adds, what a rotation of domain keys does to p99, and how long the rate suffers from the end of one of three by SIGKILL.
//
// bench/trentbench is the command. Servers run as child processes pinned to one core, the client on another;
// every child ends with its parent.
package bench
