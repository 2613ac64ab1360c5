package fastpath_test

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"sync"

	"trent/store"
)

// writes records what the requests of one goroutine commit; what the server does in the background is not theirs.
type writes struct {
	store.Store

	mu    sync.Mutex
	whose string // goroutine whose request is on its way; empty: none
	keys  []string
}

// Commit implements store.Store.
func (w *writes) Commit(ctx context.Context, t store.Txn) (store.Revision, error) {
	revision, err := w.Store.Commit(ctx, t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.whose != "" && w.whose == goroutine() {
		for i := range t.Put {
			w.keys = append(w.keys, string(t.Put[i].Key))
		}
		for _, key := range t.Delete {
			w.keys = append(w.keys, string(key))
		}
	}
	return revision, err
}

func (w *writes) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whose, w.keys = goroutine(), nil
}

func (w *writes) end() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whose = ""
	return w.keys
}

// goroutine is the running goroutine's number, as a stack's first line has it.
func goroutine() string {
	var buf [64]byte
	return string(bytes.Fields(buf[:runtime.Stack(buf[:], false)])[1])
}

// list reads all pages of a list of objects.
func (x *subject) list(operation, member string, in map[string]any) []map[string]any {
	x.t.Helper()
	var all []map[string]any
	for range 1000 {
		answer, status := x.call(operation, in)
		if status != 200 {
			x.t.Fatalf("%s %v: %v", operation, in, answer)
		}
		for _, e := range answer[member].([]any) {
			all = append(all, e.(map[string]any))
		}
		if answer["Truncated"] != true {
			return all
		}
		in["Marker"] = answer["NextMarker"]
	}
	x.t.Fatalf("%s %v has no end", operation, in)
	return nil
}

// checkKeys looks at all keys and at what hangs on them.
func (x *subject) checkKeys() {
	x.t.Helper()
	x.checkStores()
	listed := map[string]bool{}
	for _, k := range x.list("ListKeys", "Keys", map[string]any{"Limit": 7}) {
		listed[k["KeyId"].(string)] = true
	}
	for id := range x.created {
		if !listed[id] {
			x.t.Errorf("key %s was created and is not listed", id)
		}
	}
	targets := map[string]string{}
	for _, a := range x.list("ListAliases", "Aliases", map[string]any{"Limit": 5}) {
		if target, ok := a["TargetKeyId"].(string); ok {
			targets[a["AliasName"].(string)] = target
		}
	}
	byKey := 0
	for _, id := range sortedKeys(listed) {
		x.checkKey(id)
		for _, a := range x.list("ListAliases", "Aliases", map[string]any{"KeyId": id}) {
			byKey++
			if targets[a["AliasName"].(string)] != id {
				x.t.Errorf("alias %v is listed for key %s and for key %s", a["AliasName"], id, targets[a["AliasName"].(string)])
			}
		}
	}
	if byKey != len(targets) {
		x.t.Errorf("%d aliases with a key, %d by key", len(targets), byKey)
	}
}

func sortedKeys(m map[string]bool) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkKey: the members of a key's metadata agree with each other, its policy and tags are such as were accepted, and it
// does what its state lets it do.
func (x *subject) checkKey(id string) {
	x.t.Helper()
	answer, status := x.call("DescribeKey", map[string]any{"KeyId": id})
	if status != 200 {
		x.t.Errorf("key %s is listed and not described: %v", id, answer)
		return
	}
	m := answer["KeyMetadata"].(map[string]any)
	state, _ := m["KeyState"].(string)
	_, dated := m["DeletionDate"]
	switch {
	case m["Enabled"] != (state == "Enabled"):
		x.t.Errorf("key %s is %s and enabled: %v", id, state, m["Enabled"])
	case dated != (state == "PendingDeletion"):
		x.t.Errorf("key %s is %s with a deletion date: %v", id, state, dated)
	case !strings.HasSuffix(m["Arn"].(string), ":key/"+id) || m["KeyId"] != id:
		x.t.Errorf("key %s is described as %v %v", id, m["KeyId"], m["Arn"])
	case (m["MultiRegionConfiguration"] != nil) != (m["MultiRegion"] == true):
		x.t.Errorf("key %s: multi-Region %v, %v", id, m["MultiRegion"], m["MultiRegionConfiguration"])
	}
	policy, status := x.call("GetKeyPolicy", map[string]any{"KeyId": id})
	if text, _ := policy["Policy"].(string); status != 200 || !json.Valid([]byte(text)) {
		x.t.Errorf("policy of key %s: %v", id, policy)
	}
	seen := map[string]bool{}
	for _, tag := range x.list("ListResourceTags", "Tags", map[string]any{"KeyId": id}) {
		name := tag["TagKey"].(string)
		if seen[name] || strings.HasPrefix(strings.ToLower(name), "aws:") {
			x.t.Errorf("key %s has the tag %q, twice: %v", id, name, seen[name])
		}
		seen[name] = true
	}
	if len(seen) > 50 {
		x.t.Errorf("key %s has %d tags", id, len(seen))
	}
	if m["KeySpec"] == "SYMMETRIC_DEFAULT" && m["KeyManager"] == "CUSTOMER" {
		x.checkUse(id, state)
	}
}

// checkUse: a symmetric key encrypts and decrypts, new and old, exactly while it is enabled.
func (x *subject) checkUse(id, state string) {
	x.t.Helper()
	answer, status := x.call("Encrypt", map[string]any{"KeyId": id, "Plaintext": "eA=="})
	if usable := state == "Enabled" || state == "Updating"; usable != (status == 200) {
		x.t.Errorf("key %s is %s and Encrypt answers %v", id, state, answer)
	}
	if status != 200 {
		return
	}
	if x.sealed[id] == "" {
		x.sealed[id] = answer["CiphertextBlob"].(string)
	}
	for _, blob := range []any{x.sealed[id], answer["CiphertextBlob"]} {
		if opened, status := x.call("Decrypt", map[string]any{"CiphertextBlob": blob}); status != 200 || opened["Plaintext"] != "eA==" {
			x.t.Errorf("key %s: Decrypt answers %v", id, opened)
		}
	}
}
