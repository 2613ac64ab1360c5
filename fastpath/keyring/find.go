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
		return k.unexpired(ctx, s)
	}
	s, err := k.load(ctx, c, hash)
	if err != nil {
		return nil, err
	}
	return k.unexpired(ctx, s)
}

// Resolve finds the key that a caller's name means. A name that is no name, of another Region or of no alias is a
// *NameError; a well-formed id without a key is a Missing snapshot. Other errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) Resolve(ctx context.Context, caller Scope, name []byte) (Resolved, error) {
	var r Resolved
	var c cacheKey
	if !hasPrefix(name, arnPrefix) {
		placed := setPlace(&c, caller.Partition, caller.Account, caller.Region)
		if hasPrefix(name, aliasPrefix) {
			r.Form = AliasNameForm
			return k.byAlias(ctx, r, &c, placed, caller, nil, name)
		}
		r.Form = KeyIDForm
		return k.byName(ctx, r, &c, placed, caller, nil, name)
	}
	account, rest, ok := here(name, &caller)
	if !ok {
		return r, notHere(name, &caller)
	}
	placed := setPlace(&c, caller.Partition, account, caller.Region)
	switch {
	case hasPrefix(rest, aliasPrefix):
		r.Form = AliasARNForm
		return k.byAlias(ctx, r, &c, placed, caller, account, rest)
	case hasPrefix(rest, keyPrefix):
		r.Form = KeyARNForm
		return k.byName(ctx, r, &c, placed, caller, account, rest[len(keyPrefix):])
	}
	return r, &NameError{Kind: MalformedARN, Text: string(name)}
}

// byName finishes Resolve for a key id. c holds the place if it is one; account, a view, is not nil in an ARN.
func (k *Keyring) byName(ctx context.Context, r Resolved, c *cacheKey, placed bool, caller Scope, account, key []byte) (Resolved, error) {
	lower, ok := setKey(c, key)
	if !ok {
		kind := InvalidID
		if r.Form == KeyARNForm {
			kind = InvalidARNID
		}
		return r, &NameError{Kind: kind, Text: string(key)}
	}
	if !lower || !placed {
		r.Snapshot = missing(caller.in(account).Key(string(key)))
		return r, nil
	}
	hash := k.seed.of(c)
	var err error
	if r.Snapshot = k.keys.get(c, hash); r.Snapshot == nil {
		if r.Snapshot, err = k.load(ctx, *c, hash); err != nil {
			return r, err
		}
	}
	r.Snapshot, err = k.unexpired(ctx, r.Snapshot)
	return r, err
}

// in is the scope in the account that an ARN names, if it does.
func (s Scope) in(account []byte) Scope {
	if account != nil {
		s.Account = string(account)
	}
	return s
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

// byAlias finishes Resolve for an alias; its arguments are as byName's.
func (k *Keyring) byAlias(ctx context.Context, r Resolved, c *cacheKey, placed bool, caller Scope, account, name []byte) (Resolved, error) {
	if !placed || !storableAlias(name) {
		return r, noAlias(caller, account, name)
	}
	setAlias(c, k.nameSeed, name)
	e := k.aliases.get(c, k.seed.of(c))
	if e == nil || e.name != string(name) {
		var err error
		if e, err = k.loadAlias(ctx, *c, string(name)); err != nil {
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
	r.Alias = name
	var err error
	r.Snapshot, err = k.unexpired(ctx, s)
	return r, err
}

func noAlias(caller Scope, account, name []byte) error {
	return &NameError{Kind: NoAlias, Text: caller.in(account).AliasARN(string(name))}
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
