package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"trent/store"
)

// PermitByGrant tells whether a grant on the key allows what q asks for, and which: the first one found. It takes no lock
// and allocates nothing when the grants of all grantees are cached, or that they have none, unless q has a Child. Grants
// on a key that is missing allow nothing. Errors: store.ErrUnavailable, ErrRecord, ctx's while it waits for another to read.
func (k *Keyring) PermitByGrant(ctx context.Context, key *Snapshot, q *GrantQuery) (GrantID, bool, error) {
	var c cacheKey
	if key.Missing || q.Operation == GrantNothing || q.Operation >= NumGrantOperations {
		return GrantID{}, false, nil
	}
	if _, ok := setKey(&c, key.Key); !ok || !setPlace(&c, key.Partition, key.Account, key.Region) {
		return GrantID{}, false, nil
	}
	var search grantSearch
	search.begin(q, k.grants.seed)
	for again := true; again; {
		removed := k.grants.removed.Load()
		n, err := k.searchGrants(ctx, &c, key, &search)
		if err != nil {
			return GrantID{}, false, fmt.Errorf("looking for a grant: %w", err)
		}
		if n != nil {
			return n.id, true, nil
		}
		// A grant that replaced one that is gone may have come where the search had been already.
		again = k.grants.removed.Load() != removed && ctx.Err() == nil
	}
	if len(q.Tokens) > 0 {
		return k.permitByToken(ctx, key, q)
	}
	return GrantID{}, false, nil
}

// HasGrants tells whether the key may have grants: true where it had some not long ago. It allocates nothing when that is
// cached. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) HasGrants(ctx context.Context, key *Snapshot) (bool, error) {
	var c cacheKey
	if _, ok := setKey(&c, key.Key); !ok || key.Missing || !setPlace(&c, key.Partition, key.Account, key.Region) {
		return false, nil
	}
	return k.hasGrants(ctx, &c, key)
}

// searchGrants looks into the sets of all grantees.
func (k *Keyring) searchGrants(ctx context.Context, c *cacheKey, key *Snapshot, q *grantSearch) (*grantNode, error) {
	for _, grantee := range q.Grantees {
		if grantee == "" {
			continue
		}
		at := k.grants.at(c, grantee)
		e := k.grants.cached(&at, &c.id, grantee)
		if e == nil {
			some, err := k.hasGrants(ctx, c, key)
			if err != nil || !some {
				return nil, err
			}
			if e, err = k.grantsOf(ctx, c, key.ID, grantee); err != nil {
				return nil, err
			}
		}
		if n := e.set.find(q); n != nil {
			return n, nil
		}
	}
	return nil, nil
}

// permitByToken reads the grants that tokens name: the watch may not have brought yet what another process made.
func (k *Keyring) permitByToken(ctx context.Context, key *Snapshot, q *GrantQuery) (GrantID, bool, error) {
	for _, id := range q.Tokens {
		g, err := k.Grant(ctx, key.ID, id)
		if errors.Is(err, ErrGrantMissing) {
			continue
		}
		if err != nil {
			return GrantID{}, false, err
		}
		if slices.Contains(q.Grantees, g.grantee()) && g.permits(q) {
			return id, true, nil
		}
	}
	return GrantID{}, false, nil
}

func (k *Keyring) hasGrants(ctx context.Context, c *cacheKey, key *Snapshot) (bool, error) {
	hash := k.seed.of(c)
	if h := k.grants.heads.get(c, hash); h != nil {
		return h.some, nil
	}
	return k.loadHead(ctx, c, hash, key.ID)
}

func (k *Keyring) loadHead(ctx context.Context, c *cacheKey, hash uint64, id ID) (bool, error) {
	epoch := k.grants.heads.epoch(hash)
	has, revision, err := k.children(ctx, id)
	if err != nil && !errors.Is(err, ErrKeyMissing) {
		return false, err
	}
	n := &node[grantHead]{key: *c, revision: revision, value: grantHead{some: has.grants > 0}}
	n.absent = !n.value.some
	k.grants.heads.fill(n, epoch, 0)
	return n.value.some, nil
}

// grantsOf reads the grants of a grantee into the cache; of several who ask at the same time one reads.
func (k *Keyring) grantsOf(ctx context.Context, c *cacheKey, id ID, grantee string) (*granteeEntry, error) {
	at := k.grants.at(c, grantee)
	for {
		l, mine := k.grants.join(&at, &c.id, grantee)
		if mine {
			base, grants, err := k.readGrants(ctx, id, grantee)
			return k.grants.end(&at, l, base, grants, err != nil), err
		}
		select {
		case <-l.done:
			if l.entry != nil {
				return l.entry, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// grantsPerPage is how many records are listed at a time.
const grantsPerPage = 1000

// readGrants reads the grants of a grantee as they are at base or later.
func (k *Keyring) readGrants(ctx context.Context, id ID, grantee string) (base store.Revision, grants []Grant, err error) {
	if base, err = k.store.Head(ctx); err != nil {
		return 0, nil, fmt.Errorf("reading the head revision: %w", err)
	}
	ids, err := k.grantIDs(ctx, granteePrefix(id, grantee))
	if err != nil {
		return 0, nil, err
	}
	if len(ids) > grantsPerPage {
		grants, err = k.grantsAmong(ctx, id, ids)
		return base, grants, err
	}
	grants = make([]Grant, 0, len(ids))
	for _, grant := range ids {
		g, err := k.Grant(ctx, id, grant)
		if errors.Is(err, ErrGrantMissing) { // deleted since
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		grants = append(grants, g)
	}
	return base, grants, nil
}

// grantIDs lists the grants whose store keys begin with prefix, in order.
func (k *Keyring) grantIDs(ctx context.Context, prefix []byte) (ids []GrantID, err error) {
	err = k.eachGrant(ctx, prefix, func(id GrantID, _ []byte) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// grantsAmong reads the grants of a key that are among ids, which are in order, by listing all: cheaper than one by one.
func (k *Keyring) grantsAmong(ctx context.Context, key ID, ids []GrantID) ([]Grant, error) {
	grants := make([]Grant, 0, len(ids))
	err := k.eachGrant(ctx, key.prefix(kindGrant), func(id GrantID, value []byte) error {
		if _, ok := slices.BinarySearchFunc(ids, id, compareGrantIDs); !ok {
			return nil
		}
		g, err := decodeGrant(value)
		g.Key, g.ID = key, id
		grants = append(grants, g)
		return err
	})
	return grants, err
}

func compareGrantIDs(a, b GrantID) int { return bytes.Compare(a[:], b[:]) }

// eachGrant calls f with all records whose store keys are prefix and the id of a grant.
func (k *Keyring) eachGrant(ctx context.Context, prefix []byte, f func(id GrantID, value []byte) error) error {
	for after := []byte(nil); ; {
		records, more, err := k.store.List(ctx, prefix, after, grantsPerPage)
		if err != nil {
			return fmt.Errorf("listing grants: %w", err)
		}
		for i := range records {
			after = records[i].Key
			rest := after[len(prefix):]
			if len(rest) != len(GrantID{}) {
				return fmt.Errorf("reading the store key of a grant: %w", ErrRecord)
			}
			if err := f(GrantID(rest), records[i].Value); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
