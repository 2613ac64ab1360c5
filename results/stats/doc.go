// Package stats holds the statistics that runs are judged and compared by: bootstrap intervals of percentiles
// and of paired ratios, permutation and rank tests, and the correction for many tests at once.
//
// Everything here is pure: values in, figures out, no clock, no goroutine, no global state. Randomness comes
// from a seed that the caller records, so that the same record always gives the same figures. All functions
// are safe for concurrent use.
//
// It is not a general library. It knows nothing of requests, limits or records; loadgen/slo turns its
// intervals into verdicts.
//
// Why blocks: latencies of neighbouring requests are correlated (a pause of the server hits all that wait),
// so resampling single requests gives intervals that are far too narrow. Whole seconds are resampled instead:
// the non-overlapping block bootstrap (Carlstein 1986; Künsch 1989) with percentile intervals (Efron and
// Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13).
package stats
