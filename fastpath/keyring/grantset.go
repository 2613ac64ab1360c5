package keyring

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// grantSet is the grants of one grantee on one key, found by what they require of an encryption context: with
// EncryptionContextEquals by the hash of all pairs, whatever their order, with EncryptionContextSubset by the hash of one
// of them, a service's by the source. Readers take no lock; they find what was there all the time that they looked, and
// may or may not find what came or went meanwhile. Writers hold the lock of the cache. A removed node keeps its next, for
// readers that are on it, and nothing is ever linked behind another.
type grantSet struct {
	chain atomic.Pointer[grantNode]  // while there is no index
	index atomic.Pointer[grantIndex] // from the time when there were more than smallSet
	kinds atomic.Uint32              // a bit for each grantConstraint that a grant has, or had
	count int32
	bytes int       // of the nodes and the index
	own   grantNode // the first one, for good: readers may be on it when it is gone
}

// place is memory for another node.
func (s *grantSet) place() *grantNode {
	if s.own.id != (GrantID{}) {
		return &grantNode{}
	}
	return &s.own
}

// bytesOf is what a node takes beside the set.
func (s *grantSet) bytesOf(n *grantNode) int {
	if n == &s.own {
		return n.bytes() - int(unsafe.Sizeof(*n))
	}
	return n.bytes()
}

// smallSet is how many grants do without an index.
const smallSet = 4

type grantIndex struct {
	buckets []atomic.Pointer[grantNode]
	ids     []*grantNode // chains by id, for writers; as many as buckets
	// operations are how many grants allow each.
	operations [NumGrantOperations]atomic.Int32
}

func (x *grantIndex) bucket(hash uint64) *atomic.Pointer[grantNode] {
	return &x.buckets[hash&uint64(len(x.buckets)-1)]
}

func (x *grantIndex) idBucket(id *GrantID) **grantNode {
	return &x.ids[(uint(id[0])|uint(id[1])<<8|uint(id[2])<<16|uint(id[3])<<24)&uint(len(x.ids)-1)]
}

// first is where the nodes of a hash begin, among others.
func (s *grantSet) first(hash uint64) *grantNode {
	if x := s.index.Load(); x != nil {
		return x.bucket(hash).Load()
	}
	return s.chain.Load()
}

// find is a grant that allows what is sought; nil: there is none.
func (s *grantSet) find(q *grantSearch) *grantNode {
	if x := s.index.Load(); x != nil && x.operations[q.Operation].Load() == 0 {
		return nil
	}
	kinds := s.kinds.Load()
	if q.everyContext || kinds&(1<<sourceGrant) != 0 && !q.ByService {
		return s.scan(q)
	}
	if kinds&(1<<openGrant) != 0 {
		if n := s.among(openHash, q); n != nil {
			return n
		}
	}
	if kinds&(1<<sourceGrant) != 0 {
		if n := s.among(q.sourceHash(), q); n != nil {
			return n
		}
	}
	if kinds&(1<<equalsGrant) != 0 && q.exact {
		if n := s.among(q.contextHash(), q); n != nil {
			return n
		}
	}
	if kinds&(1<<subsetGrant) != 0 {
		for i := range q.pairs {
			if n := s.among(q.pairHash(i), q); n != nil {
				return n
			}
		}
	}
	return nil
}

// among looks at the grants of a hash.
func (s *grantSet) among(hash uint64, q *grantSearch) *grantNode {
	for n := s.first(hash); n != nil; n = n.next.Load() {
		if n.hash == hash && n.permits(q) {
			return n
		}
	}
	return nil
}

// scan looks at all grants.
func (s *grantSet) scan(q *grantSearch) *grantNode {
	x := s.index.Load()
	if x == nil {
		return scanChain(s.chain.Load(), q)
	}
	for i := range x.buckets {
		if n := scanChain(x.buckets[i].Load(), q); n != nil {
			return n
		}
	}
	return nil
}

func scanChain(n *grantNode, q *grantSearch) *grantNode {
	for ; n != nil; n = n.next.Load() {
		if n.permits(q) {
			return n
		}
	}
	return nil
}

// get finds a grant by its id.
func (s *grantSet) get(id *GrantID) *grantNode {
	if x := s.index.Load(); x != nil {
		n := *x.idBucket(id)
		for ; n != nil && n.id != *id; n = n.nextID {
		}
		return n
	}
	n := s.chain.Load()
	for ; n != nil && n.id != *id; n = n.next.Load() {
	}
	return n
}

// add enters a node whose id is new.
func (s *grantSet) add(n *grantNode) {
	s.kinds.Or(1 << n.kind)
	s.count++
	s.bytes += s.bytesOf(n)
	x := s.index.Load()
	if x == nil && s.count <= smallSet {
		n.next.Store(s.chain.Load())
		s.chain.Store(n)
		return
	}
	if x == nil || int(s.count) > 2*len(x.buckets) {
		x = s.grown(x)
		x.add(n)
		s.index.Store(x)
		return
	}
	x.add(n)
}

func (x *grantIndex) add(n *grantNode) {
	at := x.idBucket(&n.id)
	n.nextID = *at
	*at = n
	x.count(n, 1)
	head := x.bucket(n.hash)
	n.next.Store(head.Load())
	head.Store(n)
}

// count keeps the numbers of grants by operation: before a node is linked, and after it is unlinked.
func (x *grantIndex) count(n *grantNode, by int32) {
	for op := range x.operations {
		if n.operations>>op&1 != 0 {
			x.operations[op].Add(by)
		}
	}
}

// grown is an index of copies of all nodes, with room for twice as many: readers go on in the old one.
func (s *grantSet) grown(old *grantIndex) *grantIndex {
	size := 2 * smallSet
	if old != nil {
		size = 4 * len(old.buckets)
	}
	x := &grantIndex{buckets: make([]atomic.Pointer[grantNode], size), ids: make([]*grantNode, size)}
	adopt := func(n *grantNode) {
		for ; n != nil; n = n.next.Load() {
			x.add(n.copied())
		}
	}
	if old == nil {
		s.bytes += int(unsafe.Sizeof(*x)) + smallSet*96 // the chain stays, for readers that are on it
		adopt(s.chain.Load())
		return x
	}
	for i := range old.buckets {
		adopt(old.buckets[i].Load())
	}
	return x
}

// remove takes out the grant of an id; nil: there was none.
func (s *grantSet) remove(id *GrantID) *grantNode {
	n := s.get(id)
	if n == nil {
		return nil
	}
	s.count--
	s.bytes -= s.bytesOf(n)
	link := &s.chain
	x := s.index.Load()
	if x != nil {
		link = x.bucket(n.hash)
		at := x.idBucket(id)
		for ; *at != n; at = &(*at).nextID {
		}
		*at = n.nextID
	}
	for link.Load() != n {
		link = &link.Load().next
	}
	link.Store(n.next.Load())
	if x != nil {
		x.count(n, -1)
	}
	return n
}

// rarest is the hash of the pair that the fewest grants are found by.
func (s *grantSet) rarest(pairs []Tag, seed maphash.Seed) uint64 {
	const enough = 64
	best, least := uint64(0), enough+1
	for _, p := range pairs {
		h := hashPair(seed, []byte(p.Key), []byte(p.Value))
		count := 0
		for n := s.first(h); n != nil && count < enough; n = n.next.Load() {
			if n.hash == h {
				count++
			}
		}
		if count < least {
			best, least = h, count
		}
	}
	return best
}
