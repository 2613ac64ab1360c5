package keyring

import (
	"context"
	"fmt"
	"strings"
)

// Attributes are what conditions may ask of a key beside its snapshot. Immutable.
type Attributes struct {
	Tags    []Tag    // in order of their keys
	Aliases []string // names, each beginning with "alias/", in order
	// ManyAliases: the key has more aliases than the quota allows, and Aliases has as many as that.
	ManyAliases bool
}

// Attributes returns a key's tags and aliases as they were when s was loaded or later. The first call for a snapshot reads the store;
// what it found is kept with the snapshot, which every change of tags and aliases ends. The attributes of a key that is
// missing are empty. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) Attributes(ctx context.Context, s *Snapshot) (*Attributes, error) {
	if a := s.attributes.Load(); a != nil {
		return a, nil
	}
	if s.Missing {
		return &Attributes{}, nil
	}
	// s may be a copy of what is cached by now, or older.
	var cached *Snapshot
	var c cacheKey
	if _, ok := setKey(&c, s.Key); ok && setPlace(&c, s.Partition, s.Account, s.Region) {
		if cached = k.keys.get(&c, k.seed.of(&c)); cached != nil {
			if a := cached.attributes.Load(); a != nil {
				return a, nil
			}
		}
	}
	a, err := k.loadAttributes(ctx, s.ID)
	if err != nil {
		return nil, fmt.Errorf("loading a key's attributes: %w", err)
	}
	if cached != nil {
		k.keys.extend(&c, cached, a.bytes(), func() bool { return cached.attributes.CompareAndSwap(nil, a) })
	}
	return a, nil
}

func (k *Keyring) loadAttributes(ctx context.Context, id ID) (*Attributes, error) {
	a := &Attributes{}
	var err error
	if a.Tags, _, err = k.tags(ctx, id); err != nil {
		return nil, err
	}
	prefix := id.prefix(kindReverse)
	for after := []byte(nil); ; {
		records, more, err := k.store.List(ctx, prefix, after, min(k.aliasesPerKey-len(a.Aliases)+1, aliasesPerPage))
		if err != nil {
			return nil, fmt.Errorf("listing a key's aliases: %w", err)
		}
		for i := range records {
			after = records[i].Key
			if len(a.Aliases) == k.aliasesPerKey {
				a.ManyAliases = true
				return a, nil
			}
			a.Aliases = append(a.Aliases, strings.TrimPrefix(string(after), string(prefix)))
		}
		if !more {
			return a, nil
		}
	}
}

const aliasesPerPage = 1000

// bytes is what the attributes take in memory.
func (a *Attributes) bytes() int {
	n := 64 + 32*cap(a.Tags) + 16*cap(a.Aliases)
	for _, t := range a.Tags {
		n += roundUp(len(t.Key)) + roundUp(len(t.Value))
	}
	for _, name := range a.Aliases {
		n += roundUp(len(name))
	}
	return n
}
