// Package results is the record of a run: what was sent, on which machine, what came back, and what it means. A
// record is one JSON file; this package defines its schema, reads and writes it, and renders it for a terminal and
// as one self-contained HTML page.
//
// It measures and judges nothing: the figures and verdicts are put in by loadgen/attack and loadgen/capacity. It
// starts no goroutine; all functions are safe for concurrent use as long as nobody changes the record meanwhile.
//
// # The file, schema 1
//
// A reader accepts this schema and older ones, ignores members it does not know, and refuses newer schemas with
// ErrNewer. Durations are nanoseconds (names end in _ns), shares are 0 to 1, rates are per second (names end in
// _rate). A latency is a number of nanoseconds or the text "never", which ranks above every number.
//
//	schema            1
//	kind              "attack", "capacity", "quota", "compare", "soak", "replay" or "plan"
//	tool              the program and its version
//	command           the command line that repeats the run, as a list of arguments
//	started           RFC 3339 time of the first hit due; elapsed_ns until the last answer
//	seed              of the schedule, the sequence of hits and the resampling
//	interrupted       whether it was stopped early
//	environment       CPU model, cores, kernel, governor, Go version, module versions, CPU lists, steal …
//	target            url, region, whether the run spawned it, process id
//	engine            name, connections, timeout_ns, hits due, sent, done, reconnections
//	workload, slo     name and full text of the file
//	schedule          the canonical spec, duration_ns, mean_rate
//	total             figures of all hits together (see Operation)
//	operations        figures by entry of the workload: counts by outcome, judged percentiles with 95 % intervals,
//	                  service time, errors by exception name, and the histograms (HDR V2, compressed, base64)
//	lags              pacer, wait, send, client: how late hits left, by cause
//	series            one entry a block (1 s): hits due, outcomes, percentiles with enough hits beyond them, maximum
//	heat              good answers by latency (edges_ns) for each stretch of the run (columns), for looking at
//	machine           one entry a sample: busy and stolen share of each CPU; of client and server (process trees) CPU
//	                  time, waits for a CPU, context switches, memory; collections and clock steps of the client;
//	                  pressure of the machine and of the client's control group
//	server_metrics    what the server said of itself: at_ns of each scrape, and by series its values (counters as
//	                  rates, null where missing), mean and max over the judged window
//	cost              CPU time a request, of client and server
//	gates             what might void the run: figure, limit, whether it did, what to do
//	verdicts          each limit: value, interval, outcome, reason, needed_ns
//	outcome           pass, fail, void, inconclusive …; exit_code is the process's
//	capacity          kind capacity only: steps, bracket, sustained_rate, label, ceiling_rate, overload; bound (what
//	                  limits, with its counters); where asked for noise, trials, sensitivity, headroom, scalability
//	engine.sdk        engine sdk only: attempts, throttled attempts, retried calls, backoff_ns, latency of attempts
//	closed_loop       clients, think_ns … of a run without a schedule: "due" in the record then means "sent"
//	connections       how connections were made and replaced; opening and during: handshakes made, failed, resumed, times of
//	                  dial and TLS, kinds; handshake_rate; cold_start: first_answer_ns, all_served_ns
//	comparison        kind compare only: both subjects, rounds, effects, probes, pairs left out (see ComparisonResult)
//	agents            a distributed run: each agent's host, hits, CPU, lag, clock offsets and gates, and the holes of lost ones
//	plan              kind plan only: quotas (calls, peaks, throttles by part of the horizon, scale at which throttling
//	                  begins, quota to ask for), causes (calls, throttles and cost by who causes them), cost of a month,
//	                  the busiest stretch call by call, hsms by profile, remedies, verify (predicted and measured)
//	quota             kind quota only: each quota's expected, offered and admitted rates, burst, shape of the limiter, probes of
//	                  what shares it, how refusals look, outcome and reasons
//	soak              kind soak only: samples verified, keys, counts of both sides, trends, events, faults, gaps, what was lost
//	replay            kind replay only: files and events read, late ones, parts, who called what, what was not sent
//	notes             sentences for the reader
package results
