// Package scrape reads a server's own metrics while a load runs: a parser of the Prometheus and OpenMetrics text
// formats (parse.go), and a Scraper that asks for them once a second (scraper.go).
//
// It understands what both formats share (samples with labels, TYPE lines, comments, timestamps, exemplars), and refuses
// anything else with its line and column. Input is bounded, since a server under test may answer anything. It knows
// nothing of what a series means: choosing and judging series is the business of whoever records them.
//
// A Scraper owns one goroutine from Start to Stop. Everything else is a plain call, safe for concurrent use.
package scrape
