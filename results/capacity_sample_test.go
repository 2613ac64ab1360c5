package results_test

import (
	"bytes"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"trent/results"
)

// fullCapacityRecord is a search with everything that may surround it.
func fullCapacityRecord(t testing.TB) *results.Record {
	t.Helper()
	r := capacityRecord(t)
	c := r.Capacity
	c.Overload.Half, c.Overload.After = 10050, 9980
	c.Bound = &results.Bound{Name: results.BoundCPU, Server: true, Text: "At the sustained rate the busy share of the server's CPUs was 97 %; it limits from 90 %.", Change: "Give the server more CPUs.",
		Rows: []results.BoundRow{
			{Name: results.BoundQuota, Counter: "share of hits throttled", Sustained: pointer(0.0), Above: pointer(0.0), Threshold: 0.001, Share: true},
			{Name: results.BoundCPU, Counter: "busy share of the server's CPUs", Sustained: pointer(0.97), Above: pointer(0.99), Threshold: 0.9, Share: true, Limits: true},
			{Name: results.BoundHSM, Counter: "calls waiting for an engine", Sustained: pointer(0.2), Above: pointer(0.31), Threshold: 1},
			{Name: results.BoundNetwork, Counter: "share of the emulated network used", Threshold: 0.9, Share: true},
		}}
	c.Noise = &results.Noise{Rate: 14000, Costs: []time.Duration{46000, 46500, 45800, 46100, 46900, 45500}, Relative: 0.021}
	c.Trials = &results.Trials{Rates: []float64{20100, 19800, 20300, 20000, 20200}, Median: 20100, Low: pointer(19840.0), High: pointer(20320.0)}
	c.Headroom = &results.Headroom{Modules: 3, Sustained: 20100, Remaining: 13400, Asked: 9000, Fits: pointer(true)}
	for _, dimension := range []string{"payload", "connections"} {
		s := results.Sensitivity{Dimension: dimension, Unit: "bytes", Rate: 8000}
		for i, value := range []int{32, 256, 1024, 4096} {
			s.Points = append(s.Points, results.SensitivityPoint{Value: value, ServerCost: time.Duration(44000 + 3000*i*i), ClientCost: time.Duration(15000 + 1000*i),
				Ceiling: 1e9 / float64(44000+3000*i*i), OKShare: 1, P50: results.Latency(200e3 + 10e3*i), P99: results.Latency(1.1e6 + 1e5*float64(i))})
		}
		c.Sensitivity = append(c.Sensitivity, s)
	}
	c.Scalability = &results.Scalability{Levels: []int{1, 2, 4, 8, 16, 32}, Rates: []float64{4000, 7600, 13000, 18000, 20500, 20900}, Lambda: 4050, Sigma: 0.06, Kappa: 0.0009, Peak: 32.3, R2: 0.998}
	for i, share := range []float64{0.2, 0.4, 0.6, 0.8, 0.9} {
		p99 := results.Latency(8e5 * (1 + share/(1.07-share)))
		c.Steps = append(c.Steps, results.Step{Purpose: results.Curve, Rate: 20100 * share, DueRate: 20100 * share, OKRate: 20100 * share, Judged: 20 * time.Second, P50: results.Latency(3e5 + 1e5*i), P99: p99,
			P99Low: pointer(p99 * 85 / 100), P99High: pointer(p99 * 13 / 10), Outcome: "pass"})
	}
	m := &results.ServerMetrics{URL: "http://127.0.0.1:9090/metrics", Scrapes: 31}
	busy := results.MetricSeries{Name: "trent_hsm_workers_busy", Mean: 3.4, Max: 9}
	queue := results.MetricSeries{Name: "trent_hsm_engine_queue", Mean: 0.2, Max: 3}
	rate := results.MetricSeries{Name: `trent_requests_total{operation="Decrypt",result="ok"}`, Counter: true, Mean: 14000, Max: 14500}
	for i := range 31 {
		m.At = append(m.At, time.Duration(i)*time.Second)
		busy.Values = append(busy.Values, float64(i*7%10))
		queue.Values = append(queue.Values, float64(i*5%4))
		rate.Values = append(rate.Values, 14000+float64(i*37%500))
	}
	rate.Values[0] = math.NaN()
	m.Series = []results.MetricSeries{rate, busy, queue}
	r.ServerMetrics = m
	for i := range r.Machine {
		s := &r.Machine[i]
		s.ClientCPU, s.ServerCPU = 300*time.Millisecond, 970*time.Millisecond
		s.Client = results.Process{Delay: time.Millisecond, Slices: 4000, Voluntary: 3500, Involuntary: 300, Resident: 52 << 20, Anonymous: int64(20<<20 + i<<14)}
		s.Server = &results.Process{Delay: 80 * time.Millisecond, Slices: 9000, Voluntary: 7000, Involuntary: 1800, Resident: 90 << 20, Anonymous: int64(61<<20 + i<<16)}
		s.System, s.Own, s.GCCycles, s.GCPause = results.Pressure{CPU: 0.2}, &results.Pressure{CPU: 0.1}, 1, 200*time.Microsecond
	}
	return r
}

func TestFullCapacityReport(t *testing.T) {
	t.Parallel()
	r := fullCapacityRecord(t)
	var file, page, text bytes.Buffer
	if err := results.Write(&file, r); err != nil {
		t.Fatal(err)
	}
	back, err := results.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := results.RenderHTML(&page, back); err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("TRENT_SAMPLE_PAGE"); path != "" { // to look at it
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := results.RenderTerminal(&text, back); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What limits it: server CPU", "Headroom with 2 of 3 HSMs", "fits, 32.8 % left", "Arithmetic, not measured", "95 % interval of the mean: 19,840 to 20,320/s",
		"Sensitivity to payload", "Universal Scalability Law", "closed loop", "A/A", "The server's own metrics", "9,980 of 10,050/s answered in time", "trent_hsm_engine_queue"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the terminal lacks %q", want)
		}
		if !strings.Contains(strings.ReplaceAll(page.String(), "&#39;", "'"), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, want := range []string{"CPU a request by payload", "Queues in the server", "Memory over time", "Limited by"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// What explains comes after what answers.
	if strings.Index(page.String(), "Rate against latency") > strings.Index(page.String(), "Sensitivity to payload") {
		t.Error("the curve comes after the sensitivities")
	}
	if err := results.RenderWhy(io.Discard, back); err != nil {
		t.Error(err)
	}
}
