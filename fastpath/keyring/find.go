package keyring

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"trent/store"
)

// ByID returns the key, or a Missing snapshot if there is none. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) ByID(ctx context.Context, id ID) (*Snapshot, error) {
	var c cacheKey
	lower, ok := setKey(&c, id.Key)
	if !ok || !lower || !setPlace(&c, id.Partition, id.Account, id.Region) {
		return missing(id), nil
	}
	hash := k.seed.of(&c)
	if s := k.keys.get(&c, hash); s != nil {
		return s, nil
	}
	return k.load(ctx, c, hash)
}

// byKey is ByID for a scope of which the account may be a view into a request. ok is false where key is not a
// well-formed key id.
func (k *Keyring) byKey(ctx context.Context, partition, region string, account, key []byte) (s *Snapshot, ok bool, err error) {
	var c cacheKey
	lower, ok := setKey(&c, key)
	if !ok {
		return nil, false, nil
	}
	if !lower || !setPlace(&c, partition, account, region) {
		return missing(ID{partition, string(account), region, string(key)}), true, nil
	}
	hash := k.seed.of(&c)
	if s := k.keys.get(&c, hash); s != nil {
		return s, true, nil
	}
	s, err = k.load(ctx, c, hash)
	return s, true, err
}

// Resolve finds the key that a caller's name means. A name that is no name, of another Region or of no alias is a
// *NameError; a well-formed id without a key is a Missing snapshot. Other errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) Resolve(ctx context.Context, caller Scope, name []byte) (Resolved, error) {
	var r Resolved
	if !hasPrefix(name, arnPrefix) {
		var account [accountLength]byte
		own := account[:copy(account[:], caller.Account)]
		if hasPrefix(name, aliasPrefix) {
			r.Form = AliasNameForm
			return k.byAlias(ctx, r, caller, own, name)
		}
		r.Form = KeyIDForm
		return k.byName(ctx, r, caller, own, name, InvalidID)
	}
	account, rest, ok := here(name, &caller)
	if !ok {
		return r, notHere(name, &caller)
	}
	switch {
	case hasPrefix(rest, aliasPrefix):
		r.Form = AliasARNForm
		return k.byAlias(ctx, r, caller, account, rest)
	case hasPrefix(rest, keyPrefix):
		r.Form = KeyARNForm
		return k.byName(ctx, r, caller, account, rest[len(keyPrefix):], InvalidARNID)
	}
	return r, &NameError{Kind: MalformedARN, Text: string(name)}
}

// byName finishes Resolve for a key id; malformed is the kind of error if it is none.
func (k *Keyring) byName(ctx context.Context, r Resolved, caller Scope, account, key []byte, malformed NameErrorKind) (Resolved, error) {
	s, ok, err := k.byKey(ctx, caller.Partition, caller.Region, account, key)
	if !ok {
		return r, &NameError{Kind: malformed, Text: string(key)}
	}
	r.Snapshot = s
	return r, err
}

// notHere is why an ARN is not one of the caller's partition and Region.
func notHere(name []byte, caller *Scope) error {
	p, ok := parseARN(name)
	if ok && string(p.region) != caller.Region {
		return &NameError{Kind: OtherRegion, Text: string(p.region)}
	}
	// Also if only the partition is another one: a Region belongs to one partition.
	return &NameError{Kind: MalformedARN, Text: string(name)}
}

// aliasEntry is what a cached alias leads to.
type aliasEntry struct {
	name   string   // whole: the cache key holds only its hash
	target cacheKey // of the key
	hash   uint64
}

func setAlias(c *cacheKey, seed maphash.Seed, name []byte) {
	h := maphash.Bytes(seed, name)
	for i := range 8 {
		c.id[i], c.id[8+i] = byte(h>>(8*i)), byte(len(name)>>(8*i))
	}
}

func (k *Keyring) byAlias(ctx context.Context, r Resolved, caller Scope, account, name []byte) (Resolved, error) {
	var c cacheKey
	if !setPlace(&c, caller.Partition, account, caller.Region) || !storableAlias(name) {
		return r, noAlias(caller, account, name)
	}
	setAlias(&c, k.nameSeed, name)
	e := k.aliases.get(&c, k.seed.of(&c))
	if e == nil || e.name != string(name) {
		var err error
		if e, err = k.loadAlias(ctx, c, string(name)); err != nil {
			return r, err
		}
	}
	if e.target.partition == 0 { // cached as absent
		return r, noAlias(caller, account, name)
	}
	s := k.keys.get(&e.target, e.hash)
	if s == nil {
		var err error
		if s, err = k.load(ctx, e.target, e.hash); err != nil {
			return r, err
		}
	}
	if s.Missing { // the key is being deleted, and the alias with it
		return r, noAlias(caller, account, name)
	}
	r.Snapshot, r.Alias = s, name
	return r, nil
}

func noAlias(caller Scope, account, name []byte) error {
	caller.Account = string(account)
	return &NameError{Kind: NoAlias, Text: caller.AliasARN(string(name))}
}

func (k *Keyring) loadAlias(ctx context.Context, c cacheKey, name string) (*aliasEntry, error) {
	epoch := k.aliases.epoch(k.seed.of(&c))
	n := &node[aliasEntry]{key: c, value: aliasEntry{name: name}}
	at := ID{Partition: partitions[c.partition-1], Account: string(c.account[:]), Region: c.regionName()}
	rec, err := k.store.Load(ctx, aliasKey(at.scope(), name))
	switch {
	case errors.Is(err, store.ErrNotFound):
		n.absent = true
	case err != nil:
		return nil, fmt.Errorf("loading an alias: %w", err)
	default:
		a, err := decodeAlias(rec.Value)
		if err != nil {
			return nil, err
		}
		target := c
		target.id, target.kind = [16]byte{}, 0
		if lower, ok := setKey(&target, a.Target); !ok || !lower {
			return nil, fmt.Errorf("reading the target of an alias: %w", ErrRecord)
		}
		n.revision, n.value.target, n.value.hash = rec.Revision, target, k.seed.of(&target)
	}
	k.aliases.fill(n, epoch, len(name))
	return &n.value, nil
}
