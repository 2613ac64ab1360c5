package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// What is known of a write.
const (
	wanted    = "wanted" // about to be sent; after a crash it counts as ambiguous
	madeIt    = "made"
	ambiguous = "ambiguous"
	refusedIt = "refused"
	absent    = "absent"   // ambiguous, and read back: it had no effect
	readBack  = "resolved" // ambiguous, and read back: it had its effect
)

// keyEntry is a key that the soak made, or tried to.
type keyEntry struct {
	Token string `json:"token,omitempty"` // its description; "" for the load's keys
	ID    string `json:"id,omitempty"`
	State string `json:"state"`
	Alias string `json:"alias,omitempty"` // its state; "" where none was tried
	Load  bool   `json:"load,omitempty"`  // of the load, not of the trickle
	Spec  string `json:"spec,omitempty"`
	Given bool   `json:"given,omitempty"` // by the user, who wants it as it is
}

// inventory is the bookkeeping of all keys and aliases of a soak. Safe for concurrent use.
type inventory struct {
	mu   sync.Mutex
	id   string // of the soak, in tokens and aliases
	keys []keyEntry
}

func (v *inventory) token(n int) string     { return fmt.Sprintf("trent soak %s/%d", v.id, n) }
func (v *inventory) aliasName(n int) string { return fmt.Sprintf("alias/trent-soak-%s-%d", v.id, n) }

// addLoad notes the keys that the load runs on.
func (v *inventory) addLoad(id, spec string, given bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys = append(v.keys, keyEntry{ID: id, State: madeIt, Load: true, Spec: spec, Given: given})
}

func (v *inventory) set(i int, change func(*keyEntry)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.keys[i])
}

func (v *inventory) snapshot() []keyEntry {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]keyEntry(nil), v.keys...)
}

// rotatable are the symmetric keys of the load, as far as they are known to exist.
func (v *inventory) rotatable() []string {
	var ids []string
	for _, k := range v.snapshot() {
		if k.Load && !k.Given && k.Spec == symmetricDefault {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// grow makes one key and an alias for it. Each request is sent once, so that what may have happened is known.
func (v *inventory) grow(ctx context.Context, c Caller) {
	v.mu.Lock()
	n := len(v.keys)
	v.keys = append(v.keys, keyEntry{Token: v.token(n), State: wanted, Spec: symmetricDefault})
	v.mu.Unlock()
	body := fields("Description", v.token(n), "Tags", []map[string]string{{"TagKey": "created-by", "TagValue": "trent-load"}})
	status, response, err := c.CallOnce(ctx, "CreateKey", body)
	var out struct{ KeyMetadata struct{ KeyId string } }
	state, _ := judge(status, response, err)
	if state == done && (json.Unmarshal(response, &out) != nil || out.KeyMetadata.KeyId == "") {
		state = uncertain
	}
	v.set(n, func(k *keyEntry) { k.State, k.ID = stateOf(state), out.KeyMetadata.KeyId })
	if state != done {
		return
	}
	v.set(n, func(k *keyEntry) { k.Alias = wanted })
	status, response, err = c.CallOnce(ctx, "CreateAlias", fields("AliasName", v.aliasName(n), "TargetKeyId", out.KeyMetadata.KeyId))
	state, _ = judge(status, response, err)
	v.set(n, func(k *keyEntry) { k.Alias = stateOf(state) })
}

func stateOf(v verdict) string { return [...]string{madeIt, refusedIt, ambiguous}[v] }

// found is what the server has of a soak.
type found struct {
	keys    map[string]bool   // by ID: listed
	aliases map[string]string // ID of the target by name; of this soak
	tokens  map[string]string // ID by token; of keys whose ID the client never learnt
}

// read lists keys and aliases, and describes those keys that are not known by ID, where a write is ambiguous.
func (v *inventory) read(ctx context.Context, c Caller) (*found, error) {
	f := &found{keys: map[string]bool{}, aliases: map[string]string{}, tokens: map[string]string{}}
	prefix := fmt.Sprintf("alias/trent-soak-%s-", v.id)
	err := pages(ctx, c, "ListKeys", func(page *listing) {
		for _, k := range page.Keys {
			f.keys[k.KeyId] = true
		}
	})
	if err == nil {
		err = pages(ctx, c, "ListAliases", func(page *listing) {
			for _, a := range page.Aliases {
				if strings.HasPrefix(a.AliasName, prefix) {
					f.aliases[a.AliasName] = a.TargetKeyId
				}
			}
		})
	}
	if err != nil {
		return nil, err
	}
	known, open := map[string]bool{}, false
	for _, k := range v.snapshot() {
		known[k.ID] = true
		open = open || k.State == ambiguous || k.State == wanted || k.State == refusedIt
	}
	for id := range f.keys {
		if !open || known[id] {
			continue
		}
		k, err := describe(ctx, c, id)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(k.Description, fmt.Sprintf("trent soak %s/", v.id)) {
			f.tokens[k.Description] = id
		}
	}
	return f, nil
}

type listing struct {
	Keys       []struct{ KeyId string }
	Aliases    []struct{ AliasName, TargetKeyId string }
	NextMarker string
	Truncated  bool
}

// maxPages bounds a listing.
const maxPages = 10_000

func pages(ctx context.Context, c Caller, operation string, page func(*listing)) error {
	body := fields("Limit", 100)
	for range maxPages {
		response, err := insist(ctx, c, operation, body)
		if err != nil {
			return err
		}
		var l listing
		if err := json.Unmarshal(response, &l); err != nil {
			return fmt.Errorf("decoding the answer of %s: %w", operation, err)
		}
		page(&l)
		if !l.Truncated {
			return nil
		}
		body = fields("Limit", 100, "Marker", l.NextMarker)
	}
	return fmt.Errorf("%s does not end", operation)
}

type description struct{ KeyId, Description, KeyState string }

func describe(ctx context.Context, c Caller, id string) (description, error) {
	response, err := insist(ctx, c, "DescribeKey", fields("KeyId", id))
	var out struct{ KeyMetadata description }
	if err == nil {
		err = json.Unmarshal(response, &out)
	}
	return out.KeyMetadata, err
}

// reconciled is the comparison of writes with what is there.
type reconciled struct {
	Acknowledged, Ambiguous, Refused int
	Found                            int // of the soak's own, whatever the client was told
	Applied, NotApplied              int // ambiguous ones, read back
	Lost                             []string
}

// reconcile compares, settles what was ambiguous, and names what is lost: acknowledged and not there, or there and refused.
func (v *inventory) reconcile(f *found) (keys, aliases reconciled) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.keys {
		k := &v.keys[n]
		if k.Given { // perhaps by another name than it is listed under
			continue
		}
		_, byToken := f.tokens[k.Token]
		there := k.ID != "" && f.keys[k.ID] || k.Token != "" && byToken
		if k.ID == "" && byToken {
			k.ID = f.tokens[k.Token]
		}
		keys.settle(&k.State, there, "key "+k.ID+k.Token)
		if k.Alias == "" {
			continue
		}
		target, there := f.aliases[v.aliasName(n)]
		if there && target != k.ID {
			aliases.Lost = append(aliases.Lost, fmt.Sprintf("%s leads to key %s instead of %s", v.aliasName(n), target, k.ID))
		}
		aliases.settle(&k.Alias, there, v.aliasName(n))
	}
	return keys, aliases
}

func (r *reconciled) settle(state *string, there bool, name string) {
	if there {
		r.Found++
	}
	switch *state {
	case madeIt:
		r.Acknowledged++
		if !there {
			r.Lost = append(r.Lost, name+" was acknowledged and is not there")
		}
	case refusedIt:
		r.Refused++
		if there {
			r.Lost = append(r.Lost, name+" was refused and is there all the same")
		}
	default: // ambiguous, wanted when a crash came, or settled before
		r.Ambiguous++
		if *state = absent; there {
			*state = readBack
			r.Applied++
		} else {
			r.NotApplied++
		}
	}
}
