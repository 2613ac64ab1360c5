package pebblestore

import (
	"fmt"
	"io"
)

// WritePrometheus writes the metrics in Prometheus text format, under names that begin with trent_store_.
func (m Metrics) WritePrometheus(w io.Writer) {
	for _, c := range []struct {
		name, kind string
		value      any
	}{
		{"commits_total", "counter", m.Commits},
		{"conflicts_total", "counter", m.Conflicts},
		{"committed_bytes_total", "counter", m.BytesCommitted},
		{"commit_queue", "gauge", m.Waiting},
		{"watches", "gauge", m.Watches},
		{"revision", "gauge", m.Head},
	} {
		fmt.Fprintf(w, "# TYPE trent_store_%s %s\ntrent_store_%s %d\n", c.name, c.kind, c.name, c.value)
	}
	m.GroupSize.writePrometheus(w, "trent_store_group_transactions")
	m.SyncSeconds.writePrometheus(w, "trent_store_sync_seconds")
}

func (h Histogram) writePrometheus(w io.Writer, name string) {
	fmt.Fprintf(w, "# TYPE %s histogram\n", name)
	below := uint64(0)
	for i, n := range h.Counts {
		below += n
		bound := "+Inf"
		if i < len(h.Bounds) {
			bound = fmt.Sprint(h.Bounds[i])
		}
		fmt.Fprintf(w, "%s_bucket{le=%q} %d\n", name, bound, below)
	}
	fmt.Fprintf(w, "%s_sum %v\n%s_count %d\n", name, h.Sum, name, below)
}
