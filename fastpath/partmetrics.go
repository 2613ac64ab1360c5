package fastpath

import (
	"fmt"
	"io"

	"trent/hsm"
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
	if several, ok := s.module.(hsm.Several); ok {
		writeModulesMetrics(w, several.Modules(s.ctx))
	}
}

// writeModulesMetrics writes what is known of each of several HSMs, by the label module.
func writeModulesMetrics(w io.Writer, modules []hsm.ModuleStatus) {
	for _, m := range []struct {
		name, kind string
		value      func(*hsm.ModuleStatus) any
	}{
		{"trent_hsm_module_up", "gauge", func(m *hsm.ModuleStatus) any {
			if m.Serving {
				return 1
			}
			return 0
		}},
		{"trent_hsm_module_in_flight", "gauge", func(m *hsm.ModuleStatus) any { return m.InFlight }},
		{"trent_hsm_module_calls_total", "counter", func(m *hsm.ModuleStatus) any { return m.Calls }},
		{"trent_hsm_module_failed_total", "counter", func(m *hsm.ModuleStatus) any { return m.Failed }},
		{"trent_hsm_module_engines_busy", "gauge", func(m *hsm.ModuleStatus) any { return m.Status.EnginesBusy }},
		{"trent_hsm_module_engine_queue", "gauge", func(m *hsm.ModuleStatus) any { return m.Status.EngineQueue }},
		{"trent_hsm_module_domain_number", "gauge", func(m *hsm.ModuleStatus) any { return m.Status.DomainNumber }},
	} {
		fmt.Fprintf(w, "# TYPE %s %s\n", m.name, m.kind)
		for i := range modules {
			fmt.Fprintf(w, "%s{module=%q} %v\n", m.name, modules[i].Name, m.value(&modules[i]))
		}
	}
}

// writeKeyringMetrics writes the size of the caches of keys.
func (s *Server) writeKeyringMetrics(w io.Writer) {
	stats := s.keys.Stats()
	fmt.Fprintf(w, "# TYPE trent_keyring_entries gauge\ntrent_keyring_entries %d\n", stats.Entries)
	fmt.Fprintf(w, "# TYPE trent_keyring_bytes gauge\ntrent_keyring_bytes %d\n", stats.Bytes)
	fmt.Fprintf(w, "# TYPE trent_keyring_evicted_total counter\ntrent_keyring_evicted_total %d\n", stats.Evicted)
}
