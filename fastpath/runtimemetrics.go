package fastpath

import (
	"fmt"
	"io"
	"runtime/metrics"
)

// runtimeMetrics are the Go runtime's that are shown, read without stopping the world.
var runtimeMetrics = []struct{ source, name, kind string }{
	{"/sched/goroutines:goroutines", "go_goroutines", "gauge"},
	{"/gc/cycles/total:gc-cycles", "go_gc_cycles_total", "counter"},
	{"/gc/heap/allocs:objects", "go_heap_allocs_objects_total", "counter"},
	{"/gc/heap/live:bytes", "trent_live_heap_bytes", "gauge"}, // as of the last collection
	{"/memory/classes/heap/objects:bytes", "go_heap_objects_bytes", "gauge"},
	{"/memory/classes/total:bytes", "go_memory_total_bytes", "gauge"},
}

func writeRuntimeMetrics(w io.Writer) {
	samples := make([]metrics.Sample, len(runtimeMetrics))
	for i := range samples {
		samples[i].Name = runtimeMetrics[i].source
	}
	metrics.Read(samples)
	for i, m := range runtimeMetrics {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			fmt.Fprintf(w, "# TYPE %s %s\n%s %d\n", m.name, m.kind, m.name, samples[i].Value.Uint64())
		}
	}
}
