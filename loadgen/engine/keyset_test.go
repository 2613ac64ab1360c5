package engine_test

import (
	"encoding/json"
	"testing"

	"trent/loadgen/engine"
	"trent/loadgen/workload"
)

// What one process provisioned serves another: the same keys and artifacts, under a cap of its own, and no right to delete them.
func TestKeySet(t *testing.T) {
	t.Parallel()
	w, err := workload.Load("mixed")
	if err != nil {
		t.Fatal(err)
	}
	made := engine.FakeKeys(w)
	text, err := json.Marshal(made.Export())
	if err != nil {
		t.Fatal(err)
	}
	var set engine.KeySet
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	got, err := engine.Import(w, set, 7)
	if err != nil {
		t.Fatal(err)
	}
	if left, capped := got.Remaining(); left != 7 || !capped {
		t.Errorf("%d left", left)
	}
	for entry := range w.Mix {
		if got.Artifacts(entry) != made.Artifacts(entry) {
			t.Errorf("entry %d has %d artifacts a key, not %d", entry, got.Artifacts(entry), made.Artifacts(entry))
		}
		for variant := range got.Artifacts(entry) {
			value, payload := got.Artifact(entry, 0, variant)
			wantValue, wantPayload := made.Artifact(entry, 0, variant)
			if value != wantValue || payload != wantPayload || got.KeyID(w.Mix[entry].Group(), 0) != made.KeyID(w.Mix[entry].Group(), 0) {
				t.Errorf("entry %d has other artifacts", entry)
			}
		}
	}
	if err := got.Release(t.Context()); err != nil {
		t.Errorf("releasing the keys of another: %v", err)
	}
	other, err := workload.Load("token-signing")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Import(other, set, 0); err == nil {
		t.Error("keys of another workload were taken")
	}
	set.Keys[0] = set.Keys[0][1:]
	if _, err := engine.Import(w, set, 0); err == nil {
		t.Error("too few keys were taken")
	}
}
