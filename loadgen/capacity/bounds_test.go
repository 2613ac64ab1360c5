package capacity_test

import (
	"math"
	"testing"

	"trent/loadgen/capacity"
	"trent/results"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	quiet := capacity.Evidence{ServerBusy: 0.5, ClientBusy: 0.3, Throttled: 0, EnginesBusy: 0.1, EngineQueue: 0, WorkersFull: 0, StoreSyncing: 0.1, StoreQueue: 0, NetworkFilled: nan}
	nothing := capacity.Evidence{ServerBusy: nan, ClientBusy: nan, Throttled: nan, EnginesBusy: nan, EngineQueue: nan, WorkersFull: nan, StoreSyncing: nan, StoreQueue: nan, NetworkFilled: nan}
	with := func(spoil func(*capacity.Evidence)) capacity.Evidence {
		e := quiet
		spoil(&e)
		return e
	}
	for _, c := range []struct {
		name      string
		at, above capacity.Evidence
		want      string
		server    bool
	}{
		{"nothing used up", quiet, quiet, results.BoundUnknown, false},
		{"nothing known", nothing, nothing, results.BoundUnknown, false},
		{"CPU", with(func(e *capacity.Evidence) { e.ServerBusy = 0.9 }), quiet, results.BoundCPU, true},
		{"CPU just below", with(func(e *capacity.Evidence) { e.ServerBusy = 0.899 }), quiet, results.BoundUnknown, false},
		{"CPU at a higher rate only", quiet, with(func(e *capacity.Evidence) { e.ServerBusy = 0.97 }), results.BoundCPU, false},
		{"CPU, with the engines busy too", with(func(e *capacity.Evidence) { e.ServerBusy, e.EnginesBusy, e.EngineQueue = 0.95, 1, 6 }), quiet, results.BoundCPU, true},
		{"queue for engines", with(func(e *capacity.Evidence) { e.EngineQueue = 1.5 }), nothing, results.BoundHSM, true},
		{"engines busy", with(func(e *capacity.Evidence) { e.EnginesBusy = 0.95 }), quiet, results.BoundHSM, true},
		{"workers", with(func(e *capacity.Evidence) { e.WorkersFull = 0.5 }), quiet, results.BoundWorkers, true},
		{"store", with(func(e *capacity.Evidence) { e.StoreSyncing = 0.93 }), quiet, results.BoundStore, true},
		{"queue of the store", with(func(e *capacity.Evidence) { e.StoreQueue = 20 }), quiet, results.BoundStore, true},
		{"quota shows above it", quiet, with(func(e *capacity.Evidence) { e.Throttled = 0.04 }), results.BoundQuota, false},
		{"quota before CPU above it", quiet, with(func(e *capacity.Evidence) { e.Throttled, e.ServerBusy = 0.04, 0.95 }), results.BoundQuota, false},
		{"at the rate before above it", with(func(e *capacity.Evidence) { e.StoreSyncing = 0.9 }), with(func(e *capacity.Evidence) { e.ServerBusy = 0.95 }), results.BoundStore, true},
		{"network", with(func(e *capacity.Evidence) { e.NetworkFilled = 1 }), quiet, results.BoundNetwork, true},
		{"client", with(func(e *capacity.Evidence) { e.ClientBusy = 0.8 }), quiet, results.BoundClient, false},
		{"a full client hides what the server could do", with(func(e *capacity.Evidence) { e.ClientBusy, e.ServerBusy = 0.85, 0.95 }), quiet, results.BoundClient, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := capacity.Bounds(c.at, c.above)
			if got.Name != c.want || got.Server != c.server {
				t.Errorf("%s, of the server %v (%s); want %s, %v", got.Name, got.Server, got.Text, c.want, c.server)
			}
			if len(got.Rows) != 9 || got.Text == "" || (got.Change == "") != (c.want == results.BoundUnknown) {
				t.Errorf("%d rows, text %q, change %q", len(got.Rows), got.Text, got.Change)
			}
		})
	}
}
