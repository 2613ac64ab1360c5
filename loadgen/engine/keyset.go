package engine

import (
	"fmt"

	"trent/loadgen/workload"
)

// KeySet is what a Provisioned holds, for other processes that send the same workload. It has no secrets: key IDs, and
// ciphertexts, signatures and MACs with the payloads they were made of, which are test data.
type KeySet struct {
	Keys      [][]string      `json:"keys"`      // IDs by group and index
	Artifacts [][]KeyArtifact `json:"artifacts"` // by entry of the mix, then key and variant
}

// KeyArtifact is what an entry sends; both base64.
type KeyArtifact struct {
	Value   string `json:"value"`
	Payload string `json:"payload,omitempty"`
}

// Export is the keys and artifacts for Import.
func (p *Provisioned) Export() KeySet {
	set := KeySet{Keys: p.keys, Artifacts: make([][]KeyArtifact, len(p.artifacts))}
	for entry, list := range p.artifacts {
		for _, a := range list {
			set.Artifacts[entry] = append(set.Artifacts[entry], KeyArtifact{a.value, a.payload})
		}
	}
	return set
}

// Import is the Provisioned of another process, for sending w under a cap of its own (0: none). Its Release does nothing: the keys
// belong to who made them. It fails where the set does not fit the workload.
func Import(w *workload.Workload, set KeySet, limit uint64) (*Provisioned, error) {
	if len(set.Keys) != len(w.Keys) || len(set.Artifacts) != len(w.Mix) {
		return nil, fmt.Errorf("keys of another workload: %d groups and %d entries instead of %d and %d",
			len(set.Keys), len(set.Artifacts), len(w.Keys), len(w.Mix))
	}
	p := &Provisioned{workload: w, budget: &budget{limit: limit}, keys: set.Keys,
		artifacts: make([][]artifact, len(w.Mix)), made: make([]int, len(w.Mix))}
	for group, ids := range set.Keys {
		if len(ids) != w.Keys[group].Count {
			return nil, fmt.Errorf("keys of another workload: %d in group %q instead of %d", len(ids), w.Keys[group].Name, w.Keys[group].Count)
		}
	}
	for entry, list := range set.Artifacts {
		e := &w.Mix[entry]
		if e.Artifact() == workload.NoArtifact {
			if len(list) > 0 {
				return nil, fmt.Errorf("keys of another workload: entry %q sends nothing that was made before", e.Name)
			}
			continue
		}
		keys := w.Keys[e.Group()].Count
		made := len(list) / keys
		if made < 1 || made > e.Variants || made*keys != len(list) {
			return nil, fmt.Errorf("keys of another workload: entry %q has %d artifacts for %d keys of %d variants", e.Name, len(list), keys, e.Variants)
		}
		p.made[entry] = made
		for _, a := range list {
			p.artifacts[entry] = append(p.artifacts[entry], artifact{a.Value, a.Payload})
		}
	}
	return p, nil
}

// Remaining is the number of requests left under the cap, and whether there is one.
func (p *Provisioned) Remaining() (left uint64, capped bool) {
	if p.budget.limit == 0 {
		return 0, false
	}
	return p.budget.limit - min(p.budget.used.Load(), p.budget.limit), true
}
