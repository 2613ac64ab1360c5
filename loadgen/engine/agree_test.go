package engine_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// knownDelays is a server that holds its answers by seeded delays between 5 and 60 ms, and notes what it really took.
func knownDelays(t *testing.T, count int) (f *fakeKMS, truth func(q float64) time.Duration) {
	t.Helper()
	source := rand.New(rand.NewPCG(1, 2))
	delays := make([]time.Duration, count)
	for i := range delays {
		delays[i] = 5*time.Millisecond + time.Duration(source.Int64N(int64(55*time.Millisecond)))
	}
	var mu sync.Mutex
	var held []time.Duration
	f = newFakeKMS(t)
	f.misbehave = func(n uint64, _ string, w http.ResponseWriter, r *http.Request) bool {
		begun := time.Now()
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(delays[int(n-1)%count] - time.Since(begun))
		mu.Lock()
		held = append(held, time.Since(begun))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, "{}")
		return true
	}
	return f, func(q float64) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(held)
		return held[min(int(q*float64(len(held))), len(held)-1)]
	}
}

// All engines see what a server of known delays did. What a busy machine adds is one-sided: an engine may never be faster than the
// truth, and of the runs whose client was not late by itself (others would be void) the best must be near it.
func TestEnginesAgree(t *testing.T) {
	for _, name := range engine.Names() {
		t.Run(name, func(t *testing.T) {
			e, err := engine.New(name)
			if err != nil {
				t.Fatal(err)
			}
			best, valid := time.Duration(-1), false
			for range 4 {
				excess, lag := beyondTruth(t, e)
				if best < 0 || excess < best {
					best = excess
				}
				valid = valid || lag < 3*time.Millisecond
				if best < 6*time.Millisecond {
					return
				}
			}
			if !valid {
				t.Skip("the machine was too busy to tell")
			}
			t.Errorf("the best of four runs is %v above the truth", best)
		})
	}
}

// beyondTruth is by how much an engine's percentiles lie above the server's, and how late the client was by itself.
func beyondTruth(t *testing.T, e engine.Engine) (excess, lag time.Duration) {
	const hits = 120
	f, truth := knownDelays(t, hits)
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	_, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 16,
		Schedule: schedule.Constant(200, hits*time.Second/200)})
	if s.Count(measure.OK) != hits {
		t.Fatalf("%d of %d OK: %v", s.Count(measure.OK), hits, s.Errors)
	}
	for _, q := range []float64{0.1, 0.25, 0.5, 0.75, 0.9} {
		got, want := measure.Quantile(s.Latency(measure.OK), q), truth(q-0.01)
		if got < want-want/50-time.Millisecond {
			t.Errorf("p%.0f: %v, though the server held it for %v", 100*q, got, want)
		}
		excess = max(excess, got-want)
		if service := measure.Quantile(s.Service(measure.OK), q); service > got+got/50 {
			t.Errorf("p%.0f: service time %v beyond latency %v", 100*q, service, got)
		}
	}
	return excess, measure.Quantile(s.ClientLag(), 0.95)
}
