package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

// Exporter serves the state of a run in the OpenMetrics text format (RFC draft, version 1.0.0) at /metrics while it lasts, for
// dashboards beside the load. It owns a goroutine and a listener until Close. A nil Exporter does nothing.
type Exporter struct {
	server   *http.Server
	listener net.Listener
	state    atomic.Pointer[engine.Progress]
	workload string
}

// NewExporter listens on an address of this machine, for example 127.0.0.1:9464.
func NewExporter(address, workload string) (*Exporter, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	x := &Exporter{listener: listener, workload: workload}
	x.state.Store(&engine.Progress{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", x.serve)
	x.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = x.server.Serve(listener) }() // it ends by Close
	return x, nil
}

// Address is where it listens.
func (x *Exporter) Address() string { return x.listener.Addr().String() }

// Observe takes the newest state.
func (x *Exporter) Observe(p engine.Progress) {
	if x != nil {
		x.state.Store(&p)
	}
}

// Close ends it.
func (x *Exporter) Close() error {
	if x == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := x.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("closing the metrics: %w", err)
	}
	return x.server.Close()
}

func (x *Exporter) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	_, _ = w.Write(x.text(x.state.Load())) // a reader that went away is no concern of the run
}

// text writes counters of the whole run, and gauges of the last second.
func (x *Exporter) text(p *engine.Progress) []byte {
	var out bytes.Buffer
	family := func(name, kind, unit, help string) {
		fmt.Fprintf(&out, "# TYPE %s %s\n", name, kind)
		if unit != "" {
			fmt.Fprintf(&out, "# UNIT %s %s\n", name, unit)
		}
		fmt.Fprintf(&out, "# HELP %s %s\n", name, help)
	}
	family("trent_load_run", "info", "", "What is sent.")
	fmt.Fprintf(&out, "trent_load_run_info{workload=\"%s\"} 1\n", escape(x.workload))
	family("trent_load_elapsed_seconds", "gauge", "seconds", "Time since the first hit was due.")
	fmt.Fprintf(&out, "trent_load_elapsed_seconds %g\n", p.Elapsed.Seconds())
	family("trent_load_due", "counter", "", "Hits due.")
	fmt.Fprintf(&out, "trent_load_due_total %d\n", p.Due)
	family("trent_load_hits", "counter", "", "Hits by what became of them.")
	for i := range p.Entries {
		e := &p.Entries[i]
		for o := range measure.NumOutcomes {
			fmt.Fprintf(&out, "trent_load_hits_total{entry=\"%s\",outcome=\"%s\"} %d\n", escape(e.Name), o, e.Outcomes[o])
		}
	}
	family("trent_load_latency_seconds", "gauge", "seconds", "Latency of good answers over the last second, from when they were due; left out where there were too few.")
	for _, g := range []struct {
		quantile string
		value    time.Duration
	}{{"0.5", p.P50}, {"0.99", p.P99}, {"1", p.Max}} {
		if g.value > 0 {
			fmt.Fprintf(&out, "trent_load_latency_seconds{quantile=\"%s\"} %g\n", g.quantile, g.value.Seconds())
		}
	}
	out.WriteString("# EOF\n")
	return out.Bytes()
}

// escape makes a text usable as a label's value.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
