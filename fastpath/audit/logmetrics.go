package audit

import (
	"fmt"
	"io"
	"time"
)

// WritePrometheus writes the log's counters.
func (l *Log) WritePrometheus(w io.Writer) {
	c := &l.counts
	for _, m := range []struct {
		name, kind string
		value      any
	}{
		{"trent_audit_records_written_total", "counter", c.written.Load()},
		{"trent_audit_records_dropped_total", "counter", c.dropped.Load()},
		{"trent_audit_waits_total", "counter", c.blocked.Load()},
		{"trent_audit_bytes_total", "counter", c.bytes.Load()},
		{"trent_audit_files_completed_total", "counter", c.completed.Load()},
		{"trent_audit_files_removed_total", "counter", c.removed.Load()},
		{"trent_audit_errors_total", "counter", c.errors.Load()},
		{"trent_audit_files_open", "gauge", c.open.Load()},
		{"trent_audit_stored_bytes", "gauge", max(0, c.total.Load())},
		{"trent_audit_lag_seconds", "gauge", time.Duration(c.lag.Load()).Seconds()},
		{"trent_audit_buffer_fill_ratio", "gauge", float64(l.buffer.made.Load()-int64(len(l.buffer.free))) / float64(l.buffer.limit)},
	} {
		fmt.Fprintf(w, "# TYPE %s %s\n%s %v\n", m.name, m.kind, m.name, m.value)
	}
}

// Written is how many records are in files.
func (l *Log) Written() uint64 { return l.counts.written.Load() }

// Dropped is how many records found no room.
func (l *Log) Dropped() uint64 { return l.counts.dropped.Load() }

// WritePrometheus writes the security log's counters.
func (l *SecurityLog) WritePrometheus(w io.Writer) {
	fmt.Fprintf(w, "# TYPE trent_security_lines_written_total counter\ntrent_security_lines_written_total %d\n", l.written.Load())
	fmt.Fprintf(w, "# TYPE trent_security_lines_dropped_total counter\ntrent_security_lines_dropped_total %d\n", l.dropped.Load())
	fmt.Fprintf(w, "# TYPE trent_security_errors_total counter\ntrent_security_errors_total %d\n", l.errors.Load())
}

// WritePrometheus writes the counters of the log of decisions.
func (d *Decisions) WritePrometheus(w io.Writer) {
	fmt.Fprintf(w, "# TYPE trent_decisions_written_total counter\ntrent_decisions_written_total %d\n", d.written.Load())
	fmt.Fprintf(w, "# TYPE trent_decisions_dropped_total counter\ntrent_decisions_dropped_total %d\n", d.dropped.Load())
	fmt.Fprintf(w, "# TYPE trent_decisions_errors_total counter\ntrent_decisions_errors_total %d\n", d.errors.Load())
}
