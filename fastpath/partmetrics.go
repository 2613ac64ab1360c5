package fastpath

import (
	"fmt"
	"io"
)

// writeModuleMetrics writes what the HSM says of its workers, and of the engines that bound its slow operations. The
// sum of waits divided by their number is the mean wait for an engine; a queue that stays is what limits such a load.
func (s *Server) writeModuleMetrics(w io.Writer) {
	status, err := s.module.Status(s.ctx)
	if err != nil {
		return
	}
	for _, m := range []struct {
		name, kind string
		value      any
	}{
		{"trent_hsm_workers", "gauge", status.Workers},
		{"trent_hsm_workers_busy", "gauge", status.Busy},
		{"trent_hsm_parked_total", "counter", status.Parked},
		{"trent_hsm_engines", "gauge", status.Engines},
		{"trent_hsm_engines_busy", "gauge", status.EnginesBusy},
		{"trent_hsm_engine_queue", "gauge", status.EngineQueue},
		{"trent_hsm_engine_waits_total", "counter", status.EngineWaits},
		{"trent_hsm_engine_wait_seconds_total", "counter", status.EngineWaited.Seconds()},
		{"trent_hsm_domain_version", "gauge", status.DomainVersion},
	} {
		fmt.Fprintf(w, "# TYPE %s %s\n%s %v\n", m.name, m.kind, m.name, m.value)
	}
}

// writeKeyringMetrics writes the size of the caches of keys.
func (s *Server) writeKeyringMetrics(w io.Writer) {
	stats := s.keys.Stats()
	fmt.Fprintf(w, "# TYPE trent_keyring_entries gauge\ntrent_keyring_entries %d\n", stats.Entries)
	fmt.Fprintf(w, "# TYPE trent_keyring_bytes gauge\ntrent_keyring_bytes %d\n", stats.Bytes)
	fmt.Fprintf(w, "# TYPE trent_keyring_evicted_total counter\ntrent_keyring_evicted_total %d\n", stats.Evicted)
}
