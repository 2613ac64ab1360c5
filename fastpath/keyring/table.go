package keyring

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"trent/store"
)

// table is a bounded hash table whose readers take no lock: chains of immutable nodes, linked by atomic
// pointers. Writers lock a shard. A reader that meets a chain while it is being rebuilt may miss an entry and then
// asks the store; it can never find one that was removed before it began.
//
// Entries that say "there is nothing" are bounded by themselves, at absentShare of the whole. Eviction is a
// clock over the buckets: the hand clears the mark of entries that were used since it last came by and removes
// the others.
type table[V any] struct {
	seed   hashSeed
	shift  uint
	limit  [2]int64 // bytes a shard: of entries, of absences
	shards []shard[V]
}

const (
	maxShards     = 64
	minShardBytes = 64 << 10
	absentShare   = 8
	firstBuckets  = 8
	bucketBytes   = 24 // two to four buckets an entry
)

type shard[V any] struct {
	buckets atomic.Pointer[[]atomic.Pointer[node[V]]]
	epoch   atomic.Uint64 // moved by every invalidation, under mu
	mu      sync.Mutex
	closed  bool // nothing enters
	count   int
	bytes   [2]int64
	hand    int
	evicted uint64
	_       [32]byte // shards apart by cache lines
}

// node is one entry; everything but next, used and bytes is written before it is linked. What a search reads is in the
// first 64 bytes. A node of a snapshot has more than 288 bytes and not more than 320, which the allocator begins at a cache
// line: what most requests read of the snapshot is in the next 64 (TestNodeOfSnapshot).
type node[V any] struct {
	key      cacheKey // 48 bytes
	next     atomic.Pointer[node[V]]
	used     atomic.Bool
	absent   bool
	value    V
	revision store.Revision // the value is at least as new as this commit
	bytes    uint32
}

// newTable makes a closed table for about limit bytes; open lets entries in.
func newTable[V any](limit int64, seed hashSeed) *table[V] {
	n := maxShards
	for n > 1 && limit/int64(n) < minShardBytes {
		n /= 2
	}
	return newShards[V](limit, n, seed)
}

// newShards makes a table of n shards, a power of two.
func newShards[V any](limit int64, n int, seed hashSeed) *table[V] {
	t := &table[V]{seed: seed, shift: uint(64 - bits.Len(uint(n-1))), shards: make([]shard[V], n)}
	t.limit = [2]int64{limit / int64(n), limit / absentShare / int64(n)}
	for i := range t.shards {
		s := &t.shards[i]
		s.closed = true
		s.buckets.Store(newBuckets[V](firstBuckets))
	}
	return t
}

func newBuckets[V any](n int) *[]atomic.Pointer[node[V]] {
	b := make([]atomic.Pointer[node[V]], n)
	return &b
}

// The top bits choose the shard (a shift by 64 gives 0), the lowest the bucket.
func (t *table[V]) shard(hash uint64) *shard[V] { return &t.shards[hash>>t.shift] }

// get returns the cached value, nil if there is none.
func (t *table[V]) get(key *cacheKey, hash uint64) *V {
	b := *t.shard(hash).buckets.Load()
	for n := b[hash&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if n.key == *key {
			if !n.used.Load() { // write only once a turn of the hand: readers share the line
				n.used.Store(true)
			}
			return &n.value
		}
	}
	return nil
}

// epoch must be taken before the store is read for a later fill.
func (t *table[V]) epoch(hash uint64) uint64 { return t.shard(hash).epoch.Load() }

// fill enters n unless an invalidation in its shard came after epoch was taken.
// extra is what the value points to, in bytes.
func (t *table[V]) fill(n *node[V], epoch uint64, extra int) {
	n.bytes = uint32(int(unsafe.Sizeof(*n)) + bucketBytes + extra)
	hash := t.seed.of(&n.key)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	class := n.class()
	if s.closed || s.epoch.Load() != epoch || int64(n.bytes) > t.limit[class] {
		return
	}
	s.unlink(hash, &n.key)
	s.makeRoom(class, t.limit[class]-int64(n.bytes))
	if b := *s.buckets.Load(); 2*s.count >= len(b) { // mostly one node a chain: each is a cache miss
		s.grow(&t.seed)
	}
	b := *s.buckets.Load()
	head := &b[hash&uint64(len(b)-1)]
	n.next.Store(head.Load())
	head.Store(n)
	s.count++
	s.bytes[class] += int64(n.bytes)
}

// invalidate drops the entry of key, unless it is known to include the commit at revision.
func (t *table[V]) invalidate(key *cacheKey, revision store.Revision) {
	hash := t.seed.of(key)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch.Add(1)
	b := *s.buckets.Load()
	for n := b[hash&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if n.key == *key && n.revision < revision {
			s.unlink(hash, key)
			return
		}
	}
}

// extend counts extra bytes more for the entry of key, if its value is v, there is room for them and f, which runs under the
// shard's lock, agrees.
func (t *table[V]) extend(key *cacheKey, v *V, extra int, f func() bool) {
	hash := t.seed.of(key)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := *s.buckets.Load()
	for n := b[hash&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if &n.value != v {
			continue
		}
		class := n.class()
		if int64(n.bytes)+int64(extra) > t.limit[class] || !f() {
			return
		}
		n.bytes += uint32(extra)
		s.bytes[class] += int64(extra)
		s.makeRoom(class, t.limit[class])
		return
	}
}

// resize counts by bytes more for the entry of key, if its value is v.
func (t *table[V]) resize(key *cacheKey, v *V, by int) {
	hash := t.seed.of(key)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := *s.buckets.Load()
	for n := b[hash&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if &n.value == v {
			n.bytes = uint32(int(n.bytes) + by)
			s.bytes[n.class()] += int64(by)
			s.makeRoom(n.class(), t.limit[n.class()])
			return
		}
	}
}

// expose drops the entry of key if it is an absence.
func (t *table[V]) expose(key *cacheKey) {
	hash := t.seed.of(key)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch.Add(1)
	b := *s.buckets.Load()
	for n := b[hash&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if n.key == *key && n.absent {
			s.unlink(hash, key)
			return
		}
	}
}

// close drops everything and lets nothing in until open.
func (t *table[V]) close() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.closed = true
		s.epoch.Add(1)
		s.buckets.Store(newBuckets[V](firstBuckets))
		s.count, s.bytes, s.hand = 0, [2]int64{}, 0
		s.mu.Unlock()
	}
}

// open lets in what is read from now on.
func (t *table[V]) open() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.closed = false
		s.epoch.Add(1)
		s.mu.Unlock()
	}
}

// add counts the table's entries into st.
func (t *table[V]) add(st *Stats) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		st.Entries += s.count
		st.Bytes += s.bytes[0] + s.bytes[1]
		st.Evicted += s.evicted
		s.mu.Unlock()
	}
}

func (n *node[V]) class() int {
	if n.absent {
		return 1
	}
	return 0
}

// unlink removes the entry of key, if there is one. Its own next stays, for readers that are on it.
func (s *shard[V]) unlink(hash uint64, key *cacheKey) {
	b := *s.buckets.Load()
	link := &b[hash&uint64(len(b)-1)]
	for n := link.Load(); n != nil; link, n = &n.next, n.next.Load() {
		if n.key == *key {
			s.remove(link, n)
			return
		}
	}
}

func (s *shard[V]) remove(link *atomic.Pointer[node[V]], n *node[V]) {
	link.Store(n.next.Load())
	s.count--
	s.bytes[n.class()] -= int64(n.bytes)
}

// makeRoom turns the clock's hand until the entries of class take at most limit bytes. Two turns suffice
// unless readers mark entries as fast as the hand clears them; the third takes entries marked or not.
func (s *shard[V]) makeRoom(class int, limit int64) {
	b := *s.buckets.Load()
	for step := 0; s.bytes[class] > limit && step < 3*len(b); step++ {
		s.hand = (s.hand + 1) & (len(b) - 1)
		link := &b[s.hand]
		for n := link.Load(); n != nil && s.bytes[class] > limit; n = link.Load() {
			switch {
			case n.class() != class:
				link = &n.next
			case n.used.Load() && step < 2*len(b):
				n.used.Store(false)
				link = &n.next
			default:
				s.remove(link, n)
				s.evicted++
			}
		}
	}
}

// grow doubles the buckets and moves the nodes over. Readers on the old buckets follow next pointers into the
// new chains, which end as well; what they miss they load.
func (s *shard[V]) grow(seed *hashSeed) {
	old := *s.buckets.Load()
	bigger := *newBuckets[V](2 * len(old))
	for i := range old {
		for n := old[i].Load(); n != nil; {
			next := n.next.Load()
			head := &bigger[seed.of(&n.key)&uint64(len(bigger)-1)]
			n.next.Store(head.Load())
			head.Store(n)
			n = next
		}
	}
	s.buckets.Store(&bigger)
}
