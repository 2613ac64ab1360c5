package attack

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"trent/loadgen/scrape"
	"trent/results"
)

// recordedSeries bounds the series of a record.
const recordedSeries = 200

// keepSeries leaves out what would only swell a record: buckets, and what every program says of its runtime.
func keepSeries(s *scrape.Sample) bool {
	if strings.HasSuffix(s.Name, "_bucket") || s.Kind == scrape.Untyped && strings.HasSuffix(s.Name, "_created") {
		return false
	}
	switch s.Name {
	case "go_goroutines", "go_gc_cycles_total", "process_cpu_seconds_total", "process_open_fds":
		return true
	}
	for _, prefix := range []string{"go_", "process_", "python_", "promhttp_", "jvm_"} {
		if strings.HasPrefix(s.Name, prefix) {
			return false
		}
	}
	return true
}

// serverMetrics turns a log into what a record keeps. Times count from origin; means are over the window from…to.
func serverMetrics(url string, log *scrape.Log, origin time.Time, from, to time.Duration) *results.ServerMetrics {
	m := &results.ServerMetrics{URL: url, Scrapes: len(log.Readings), Failed: log.Failed}
	if log.Failure != nil {
		m.Failure = log.Failure.Error()
	}
	for _, r := range log.Readings {
		m.At = append(m.At, r.At.Sub(origin))
	}
	for _, id := range slices.Sorted(maps.Keys(log.Kinds)) {
		if len(m.Series) == recordedSeries {
			m.Left++
			continue
		}
		m.Series = append(m.Series, oneSeries(id, log, m.At, from, to))
	}
	return m
}

// oneSeries is one series of a log.
func oneSeries(id string, log *scrape.Log, at []time.Duration, from, to time.Duration) results.MetricSeries {
	s := results.MetricSeries{Name: id, Counter: log.Kinds[id] == scrape.Counter}
	total, weight := 0.0, 0.0
	for i, r := range log.Readings {
		value, ok := r.Values[id]
		length := 1.0
		switch {
		case !ok && s.Counter && i > 0 && len(r.Values) > 0:
			value = 0 // a counter with labels appears with its first event
		case !ok, math.IsInf(value, 0):
			value = math.NaN()
		}
		if s.Counter {
			if i == 0 {
				s.Values = append(s.Values, math.NaN())
				continue
			}
			length = (at[i] - at[i-1]).Seconds()
			if value = scrape.Rate(log.Readings[i-1].Values[id], value, at[i]-at[i-1]); math.IsInf(value, 0) {
				value = math.NaN()
			}
		}
		s.Values = append(s.Values, value)
		// An interval of a counter counts by where it ends; half of the first may lie before the window.
		if math.IsNaN(value) || at[i] < from || at[i] > to+time.Second/2 {
			continue
		}
		total, weight = total+value*length, weight+length
		s.Max = max(s.Max, value)
	}
	if weight > 0 {
		s.Mean = total / weight
	}
	return s
}
