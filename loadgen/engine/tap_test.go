package engine_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// A tap gets the hits that the seed chooses, the same from each engine and each time, with the request that was sent.
func TestTap(t *testing.T) {
	t.Parallel()
	w := parse(t, "name: w\nkeys: [{name: k}]\nmix: [{operation: Encrypt}]\n")
	f := newFakeKMS(t)
	keys, err := engine.Provision(t.Context(), f.target(), w, engine.ProvisionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]uint64
	for _, name := range engine.Names() {
		e, err := engine.New(name)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var taken []uint64
		tap := &engine.Tap{Every: 5, Take: func(x engine.Tapped) {
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, x.N)
			if x.Operation != "Encrypt" || !bytes.Contains(x.Request, []byte(keys.KeyID(0, 0))) || !bytes.Contains(x.Response, []byte("CiphertextBlob")) {
				t.Errorf("%s: tapped %+v", name, x)
			}
		}}
		plan := &engine.Plan{Target: f.target(), Workload: w, Keys: keys, Seed: 7, Connections: 4, Tap: tap, Schedule: schedule.Constant(1000, 500*time.Millisecond)}
		if name == "sdk" {
			plan.Recorder = measure.NewRecorder(measure.Config{Entries: w.EntryNames()})
			if _, err := e.Run(t.Context(), plan); !errors.Is(err, engine.ErrNoTap) {
				t.Errorf("error %v, want that it has no tap", err)
			}
			continue
		}
		run(t, e, plan)
		slices.Sort(taken)
		if len(taken) < 60 || len(taken) > 140 {
			t.Errorf("%s: %d of 500 hits tapped, want about 100", name, len(taken))
		}
		all = append(all, taken)
	}
	if !slices.Equal(all[0], all[1]) {
		t.Error("the engines tapped different hits")
	}
}

func TestMidnight(t *testing.T) {
	t.Parallel()
	c := engine.Credentials{AccessKeyID: "a", Secret: "s"}
	if err := engine.CheckMidnight(c, "us-east-1", time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}
