package keyring

import (
	"hash/maphash"
	"math/bits"

	"trent/hsm"
)

// grantSearch is a GrantQuery on its way through the sets of its grantees: it hashes the context once, and only if a
// grant asks for it.
type grantSearch struct {
	*GrantQuery
	seed            maphash.Seed
	pairs           []hsm.ContextPair // the request's context, or the child's constraint
	everyContext    bool              // constraints on the context do not count
	exact           bool              // pairs are all that there may be: not those of a child's EncryptionContextSubset
	childOperations uint32

	hashed bool
	whole  uint64
	hashes [8]uint64 // of the first pairs
}

func (q *grantSearch) begin(query *GrantQuery, seed maphash.Seed) {
	q.GrantQuery, q.seed = query, seed
	q.pairs, q.everyContext, q.exact = query.Context, query.NoContext, true
	if query.Child != nil {
		q.beginChild(query.Child)
	}
}

// beginChild seeks a parent: one whose constraint the child's pairs fulfil, as a request's would.
func (q *grantSearch) beginChild(child *Grant) {
	q.everyContext = false
	q.childOperations = operationBits(child.Operations)
	pairs := child.Subset
	if q.exact = child.Equals != nil; q.exact {
		pairs = child.Equals
	}
	q.pairs = make([]hsm.ContextPair, len(pairs))
	for i, p := range pairs {
		q.pairs[i] = hsm.ContextPair{Key: []byte(p.Key), Value: []byte(p.Value)}
	}
}

func operationBits(operations []GrantOperation) uint32 {
	var b uint32
	for _, op := range operations {
		b |= 1 << op
	}
	return b
}

// Hashes of what a grant may require; the seed keeps callers from choosing their bucket.
const openHash = 0

func (q *grantSearch) sourceHash() uint64 { return hashSource(q.seed, q.SourceARN) }

func hashSource(seed maphash.Seed, source string) uint64 {
	return maphash.String(seed, source) ^ 0xd6e8feb86659fd93
}

func (q *grantSearch) contextHash() uint64 {
	q.hash()
	return q.whole
}

func (q *grantSearch) pairHash(i int) uint64 {
	if i >= len(q.hashes) {
		return hashPair(q.seed, q.pairs[i].Key, q.pairs[i].Value)
	}
	q.hash()
	return q.hashes[i]
}

func (q *grantSearch) hash() {
	if q.hashed {
		return
	}
	q.hashed = true
	sum := uint64(0)
	for i := range q.pairs {
		h := hashPair(q.seed, q.pairs[i].Key, q.pairs[i].Value)
		if sum += h; i < len(q.hashes) {
			q.hashes[i] = h
		}
	}
	q.whole = hashWhole(sum, len(q.pairs))
}

// hashPair is the hash of one pair, which EncryptionContextSubset is found by.
func hashPair(seed maphash.Seed, key, value []byte) uint64 {
	hi, lo := bits.Mul64(maphash.Bytes(seed, key)^0x9e3779b97f4a7c15, maphash.Bytes(seed, value)^0xa0761d6478bd642f)
	return hi ^ lo
}

// hashWhole is the hash of all pairs, whose hashes have the sum: the order does not matter.
func hashWhole(sum uint64, pairs int) uint64 {
	hi, lo := bits.Mul64(sum+uint64(pairs), 0xe7037ed1a0b428db)
	return hi ^ lo
}
