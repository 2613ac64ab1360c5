package replay

import (
	"fmt"
	"hash/fnv"
	"strings"

	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

// Bounds of a mapping. A workload takes 256 kinds of requests: what is rarer shares a kind, a key or a caller.
const (
	maxFlows   = 240
	maxOwn     = 64 // keys that get one of their own, by first appearance
	sharedKeys = 8  // that all others share
	fullFlows  = 200
	otherName  = "others"
)

// mapping turns events into flows: kinds of calls with a cause, a caller and a key made for the test.
type mapping struct {
	flows    []traffic.Flow
	counts   []uint64
	index    map[flowID]int
	keys     map[string]string // names for the test by the log's keys
	specs    map[string]string // of keys, by the log's keys
	sendable map[string]bool
	skipped  map[string]uint64 // calls that a load test does not send, by operation
	shared   uint64            // calls whose caller or key shares a name
}

// flowID is what tells kinds of calls apart.
type flowID struct {
	operation, service, caller, key, spec string
	context                               bool
}

func newMapping() *mapping {
	m := &mapping{index: map[flowID]int{}, keys: map[string]string{}, specs: map[string]string{}, sendable: map[string]bool{}, skipped: map[string]uint64{}}
	for _, operation := range workload.Operations() {
		m.sendable[operation] = true
	}
	return m
}

// flow is the index of an event's flow; ok is false for calls that are not sent.
func (m *mapping) flow(e *Event) (index int, ok bool) {
	if !m.sendable[e.Operation] {
		m.skipped[e.Operation]++
		return 0, false
	}
	id := flowID{operation: e.Operation, service: e.Service, caller: e.Caller, context: e.Context}
	if workload.UsesKey(e.Operation) {
		id.key, id.spec = m.key(e), m.spec(e)
		if workload.Fits(e.Operation, id.spec) != nil {
			id.spec = usualSpec(e.Operation)
		}
	}
	return m.find(id), true
}

// find makes a flow where there is room, else one that stands for more: first for all keys that are not among the first, then for all
// callers.
func (m *mapping) find(id flowID) int {
	for _, general := range []func(*flowID){
		func(*flowID) {},
		func(id *flowID) { id.key = shareOf(id.key) },
		func(id *flowID) { id.caller, id.service, id.context = otherName, "", false },
	} {
		general(&id)
		if i, ok := m.index[id]; ok {
			return i
		}
		if len(m.flows) < fullFlows {
			return m.add(id)
		}
		m.shared++
	}
	if len(m.flows) < maxFlows {
		return m.add(id)
	}
	// So many operations on keys of so many specs are no log of this service; the last flow takes what is left.
	return len(m.flows) - 1
}

func (m *mapping) add(id flowID) int {
	f := traffic.Flow{Cause: causeOf(id.caller), Service: id.service, Caller: id.caller, Key: id.key, KeySpec: id.spec, Operation: id.operation}
	if id.context {
		f.Context = map[string]string{"replayed": "{v}"}
	}
	m.index[id] = len(m.flows)
	m.flows = append(m.flows, f)
	m.counts = append(m.counts, 0)
	return len(m.flows) - 1
}

// key is the test's name for an event's key.
func (m *mapping) key(e *Event) string {
	real := e.Key
	if real == "" {
		real = "unknown"
	}
	name, ok := m.keys[real]
	if !ok {
		name = fmt.Sprintf("key %d", len(m.keys)+1)
		if len(m.keys) >= maxOwn {
			name = shareOf(real)
		}
		if len(m.keys) < maxNames {
			m.keys[real] = name
		}
	}
	return name
}

// shareOf is one of the keys that the rarer ones share.
func shareOf(key string) string {
	if key == "" || strings.HasPrefix(key, "shared key ") {
		return key
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // cannot fail
	return fmt.Sprintf("shared key %d", h.Sum32()%sharedKeys+1)
}

// spec is the spec of an event's key: as the request tells, as an earlier one told, or the usual one of the operation.
func (m *mapping) spec(e *Event) string {
	if workload.MakesPairs(e.Operation) {
		if e.Spec != "" {
			return e.Spec
		}
		return "RSA_2048"
	}
	if e.Spec != "" {
		if len(m.specs) < maxNames {
			m.specs[e.Key] = e.Spec
		}
		return e.Spec
	}
	if spec, ok := m.specs[e.Key]; ok && workload.Fits(e.Operation, spec) == nil {
		return spec
	}
	return usualSpec(e.Operation)
}

// usualSpec is the spec that keys of an operation mostly have.
func usualSpec(operation string) string {
	switch operation {
	case "Sign", "Verify":
		return "ECC_NIST_P256"
	case "GetPublicKey":
		return "RSA_2048"
	case "GenerateMac", "VerifyMac":
		return "HMAC_256"
	}
	return "SYMMETRIC_DEFAULT"
}

// causeOf is the short name of a caller: what stands behind the last colon of its ARN.
func causeOf(caller string) string {
	if i := strings.LastIndexByte(caller, ':'); i >= 0 && i+1 < len(caller) {
		return caller[i+1:]
	}
	return caller
}
