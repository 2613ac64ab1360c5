package workload

import (
	"fmt"
	"slices"
	"strings"
)

// WithPayload is the workload with payloads of one size, or of the most that an operation and its key take if that is
// less. Entries whose size is not theirs to choose (digests, data keys by spec, operations without a payload) stay as they
// are; the error says that all do.
func (w *Workload) WithPayload(size int) (*Workload, error) {
	v := w.clone()
	changed := false
	for i := range v.Mix {
		e := &v.Mix[i]
		op, known := operations[e.Operation]
		if !known || op.payload == "" || e.DataKeySpec != "" || e.MessageType == "DIGEST" || !e.Payload.set() {
			continue
		}
		limit := op.limit
		if e.group >= 0 {
			s := specs[v.Keys[e.group].Spec]
			limit = s.payloadLimit(&op, e.Algorithm)
		}
		e.Payload, changed = Size{Fixed: min(size, limit)}, true
	}
	if !changed {
		return nil, fmt.Errorf("workload %s has no payload whose size could be chosen", w.Name)
	}
	return v, nil
}

// slowKeys bounds the keys of a group whose keys take long to make.
const slowKeys = 16

// WithKeys is the workload with n keys in every group, at most 16 in one of RSA keys, which take seconds to make. The error says that it uses no keys.
func (w *Workload) WithKeys(n int) (*Workload, error) {
	if len(w.Keys) == 0 {
		return nil, fmt.Errorf("workload %s uses no keys", w.Name)
	}
	v := w.clone()
	for i := range v.Keys {
		v.Keys[i].Count = n
		if strings.HasPrefix(v.Keys[i].Spec, "RSA_") {
			v.Keys[i].Count = min(n, slowKeys)
		}
	}
	return v, nil
}

// clone shares nothing that a variant changes.
func (w *Workload) clone() *Workload {
	v := *w
	v.Keys, v.Mix = slices.Clone(w.Keys), slices.Clone(w.Mix)
	return &v
}
