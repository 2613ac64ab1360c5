package keyring

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"trent/store"
)

// grantCache keeps the grants of grantees that authorization has asked for, and those that have none. What commits bring,
// its own as those of others, goes into the sets in place: a set of 50,000 grants is never read again for one of them.
//
// A commit may come twice, by the writer and by the watch, and late: before one that was newer. Ids of grants are never
// used again, so that it is enough never to add a grant that is gone. A set was read at its base or later, and takes
// no commit up to that; what this process deletes it remembers until the watch has passed it; and what this process
// adds it leaves to the watch, where that has been there.
type grantCache struct {
	seed    maphash.Seed
	table   *table[granteeEntry]
	heads   *table[grantHead]
	removed atomic.Uint64 // grants so far: a search that found none looks again if it has moved

	mu      sync.Mutex // held by whoever changes a set or enters one
	loads   map[cacheKey]*granteeLoad
	watched store.Revision // all commits up to this have come by the watch, or were before its start
}

// grantHead says whether a key may have grants; an absent one says that it has none.
type grantHead struct{ some bool }

// granteeEntry is what is cached of a grantee on a key. Its node has 256 bytes, so that it begins at a cache line and what
// searches read of it and of its first grant is in three.
type granteeEntry struct {
	id      [16]byte // of the key; the cache key has it mixed with a hash of the grantee
	grantee string
	set     grantSet
	base    store.Revision
	buried  *[]burial
}

// burial is a grant that this process deleted, at a revision that the watch has not passed yet.
type burial struct {
	id       GrantID
	revision store.Revision
}

// granteeLoad is an entry that is being read. Whoever finds it waits for done.
type granteeLoad struct {
	id      [16]byte
	grantee string
	done    chan struct{}
	entry   *granteeEntry // nil after done: ask again
	stale   bool          // commits have been missed
	changes []grantChange
}

// grantChange is what a commit did to a grant.
type grantChange struct {
	grant    *Grant // with Key and ID; nothing else of one that is deleted
	grantee  string
	deleted  bool
	own      bool           // committed by this process, else seen by the watch
	revision store.Revision // 0: the commit failed, and it is not known what it did
}

func (g *grantCache) init(limit int64, seed hashSeed) {
	g.seed = maphash.MakeSeed()
	g.loads = map[cacheKey]*granteeLoad{}
	g.table = newShards[granteeEntry](limit/8*7, 1, seed) // one shard, which has room for the largest set
	g.heads = newTable[grantHead](limit/8, seed)
}

// granteeKind is added to the kind of the key's id.
const granteeKind = 4

// at is where a grantee's grants on the key c are.
func (g *grantCache) at(c *cacheKey, grantee string) cacheKey {
	at := *c
	h := maphash.String(g.seed, grantee)
	le := binary.LittleEndian
	le.PutUint64(at.id[:8], le.Uint64(c.id[:8])^h)
	le.PutUint64(at.id[8:], le.Uint64(c.id[8:])^bits.RotateLeft64(h, 32))
	at.kind += granteeKind
	return at
}

// cached is the entry of a grantee; nil: none.
func (g *grantCache) cached(at *cacheKey, id *[16]byte, grantee string) *granteeEntry {
	e := g.table.get(at, g.table.seed.of(at))
	if e == nil || e.id != *id || e.grantee != grantee {
		return nil
	}
	return e
}

// join is the load of a grantee that is under way, or a new one, which is the caller's to end. It has no place among the
// loads if that of another grantee with the same hash is under way.
func (g *grantCache) join(at *cacheKey, id *[16]byte, grantee string) (l *granteeLoad, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l = g.loads[*at]
	if l != nil && l.id == *id && l.grantee == grantee {
		return l, false
	}
	mine = true
	other := l != nil
	l = &granteeLoad{id: *id, grantee: grantee, done: make(chan struct{}), stale: other}
	if !other {
		g.loads[*at] = l
	}
	return l, mine
}

// end ends a load that is the caller's: what was read at base or later is cached, with what commits did meanwhile.
// failed: nothing was read.
func (g *grantCache) end(at *cacheKey, l *granteeLoad, base store.Revision, grants []Grant, failed bool) *granteeEntry {
	n := &node[granteeEntry]{key: *at, revision: base}
	e := &n.value
	e.id, e.grantee, e.base = l.id, strings.Clone(l.grantee), base
	for i := range grants {
		e.set.add(nodeOf(&grants[i], g.seed, &e.set))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	defer close(l.done)
	if g.loads[*at] == l {
		delete(g.loads, *at)
	}
	if failed {
		return nil
	}
	gone := map[GrantID]bool{} // whatever the order in which the changes came
	for i := range l.changes {
		if c := &l.changes[i]; c.deleted {
			gone[c.grant.ID] = true
			g.change(e, c)
		}
	}
	for i := range l.changes {
		if c := &l.changes[i]; !gone[c.grant.ID] {
			g.change(e, c)
		}
	}
	if !l.stale {
		l.entry = e
		g.enter(n)
	}
	return e
}

// enter offers an entry to the table.
func (g *grantCache) enter(n *node[granteeEntry]) {
	n.absent = n.value.set.count == 0
	g.table.fill(n, g.table.epoch(g.table.seed.of(&n.key)), n.value.bytes())
}

// bytes is what the entry points to.
func (e *granteeEntry) bytes() int {
	n := roundUp(len(e.grantee)) + e.set.bytes
	if e.buried != nil {
		n += 24 + cap(*e.buried)*40
	}
	return n
}

// apply brings a change to the entry that it is about, if that is there.
func (g *grantCache) apply(c *grantChange) {
	var key cacheKey
	id := c.grant.Key
	if _, ok := setKey(&key, id.Key); !ok || !setPlace(&key, id.Partition, id.Account, id.Region) {
		return
	}
	if !c.deleted {
		g.heads.expose(&key)
	}
	at := g.at(&key, c.grantee)
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.loads[at]; l != nil && l.id == key.id && l.grantee == c.grantee {
		if c.revision == 0 {
			l.stale = true
			delete(g.loads, at)
		} else {
			l.changes = append(l.changes, *c)
		}
	}
	e := g.cached(&at, &key.id, c.grantee)
	if e == nil || c.revision != 0 && c.revision <= e.base {
		return
	}
	if c.revision == 0 || e.set.count == 0 {
		// An absence ends with the first grant; the next search reads the few there are.
		g.table.invalidate(&at, anyRevision)
		return
	}
	before := e.bytes()
	g.change(e, c)
	g.table.resize(&at, e, e.bytes()-before)
}

// change brings a change into a set.
func (g *grantCache) change(e *granteeEntry, c *grantChange) {
	switch {
	case c.revision <= e.base:
	case c.deleted:
		if e.set.remove(&c.grant.ID) != nil {
			g.removed.Add(1)
		}
		if c.own && c.revision > g.watched {
			e.bury(burial{c.grant.ID, c.revision}, g.watched)
		}
	case c.own && c.revision <= g.watched: // the watch has brought it, and perhaps its end
	case e.set.get(&c.grant.ID) == nil && !e.isBuried(&c.grant.ID):
		e.set.add(nodeOf(c.grant, g.seed, &e.set))
	}
}

func (e *granteeEntry) bury(b burial, watched store.Revision) {
	if e.buried == nil {
		e.buried = &[]burial{}
	}
	*e.buried = append(slices.DeleteFunc(*e.buried, func(b burial) bool { return b.revision <= watched }), b)
}

func (e *granteeEntry) isBuried(id *GrantID) bool {
	return e.buried != nil && slices.ContainsFunc(*e.buried, func(b burial) bool { return b.id == *id })
}

// saw says that the watch has brought all commits up to a revision.
func (g *grantCache) saw(revision store.Revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = max(g.watched, revision)
}

func (g *grantCache) close() {
	g.abandon()
	g.table.close()
	g.heads.close()
}

// open lets entries in that are read from now on: they include all commits up to head, where the watch starts.
func (g *grantCache) open(head store.Revision) {
	g.abandon()
	g.saw(head)
	g.table.open()
	g.heads.open()
}

// abandon lets no load that is under way enter.
func (g *grantCache) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, l := range g.loads {
		l.stale = true
		delete(g.loads, at)
	}
}

// changeGrants brings what a transaction did to grants into the cache. revision 0: it failed, and nobody knows.
func (k *Keyring) changeGrants(put []store.Record, deleted [][]byte, own bool, revision store.Revision) {
	for i := range put {
		id, grantee, grant, ok := parseGranteeKey(put[i].Key)
		if !ok || put[i].Value == nil { // the watch's deletions
			continue
		}
		c := grantChange{grant: &Grant{Key: id, ID: grant}, grantee: grantee, own: own, revision: revision}
		at := grantKey(id, grant)
		if j := slices.IndexFunc(put, func(r store.Record) bool { return bytes.Equal(r.Key, at) }); j >= 0 && revision != 0 {
			g, err := decodeGrant(put[j].Value)
			if err == nil {
				g.Key, g.ID = id, grant
				c.grant = &g
			} else {
				c.revision = 0
			}
		} else {
			c.revision = 0
		}
		k.grants.apply(&c)
	}
	for _, key := range deleted {
		if id, grantee, grant, ok := parseGranteeKey(key); ok {
			k.grants.apply(&grantChange{grant: &Grant{Key: id, ID: grant}, grantee: grantee, deleted: true, own: own, revision: revision})
		}
	}
}

// parseGranteeKey reads a key of the index of grantees.
func parseGranteeKey(key []byte) (id ID, grantee string, grant GrantID, ok bool) {
	rest, ok := bytes.CutPrefix(key, []byte(kindGrantee+separator))
	n := len(rest) - len(grant) - 1 // the grant may contain NUL
	if !ok || n < 0 || rest[n] != 0 {
		return id, "", grant, false
	}
	p := strings.Split(string(rest[:n]), separator)
	if len(p) != 5 {
		return id, "", grant, false
	}
	return ID{p[0], p[1], p[2], p[3]}, p[4], GrantID(rest[n+1:]), true
}
