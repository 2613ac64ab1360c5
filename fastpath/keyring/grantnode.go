package keyring

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"trent/hsm"
)

// grantConstraint is by what a grant is found.
type grantConstraint uint8

const (
	openGrant grantConstraint = iota
	equalsGrant
	subsetGrant
	sourceGrant // no constraint on the context; the grantee is a service
)

// grantNode is one grant, without what no request asks for. Only its links change.
type grantNode struct {
	next       atomic.Pointer[grantNode]
	hash       uint64
	operations uint32 // a bit for each GrantOperation
	kind       grantConstraint
	digested   bool   // pairs are digests
	pairs      string // of a constraint; see encodePairs
	source     string
	id         GrantID
	nextID     *grantNode
}

// grantNodeBytes is the size of a node, and its shares of the buckets.
const grantNodeBytes = 96 + 2*16

func (n *grantNode) bytes() int {
	return grantNodeBytes + roundUp(len(n.pairs)) + roundUp(len(n.source))
}

func (n *grantNode) copied() *grantNode {
	return &grantNode{
		hash: n.hash, id: n.id, operations: n.operations, kind: n.kind, digested: n.digested, pairs: n.pairs, source: n.source,
	}
}

// nodeOf is a grant as s will keep it; it must be added.
func nodeOf(g *Grant, seed maphash.Seed, s *grantSet) *grantNode {
	n := s.place()
	n.id, n.operations, n.source = g.ID, operationBits(g.Operations), strings.Clone(g.SourceARN)
	switch {
	case g.Equals != nil:
		n.kind = equalsGrant
		n.encodePairs(g.Equals, seed)
		sum := uint64(0)
		for _, p := range g.Equals {
			sum += hashPair(seed, []byte(p.Key), []byte(p.Value))
		}
		n.hash = hashWhole(sum, len(g.Equals))
		if !includes(g.Equals, g.Subset) { // the API makes none with both
			n.operations = 0
		}
	case len(g.Subset) > 0:
		n.kind, n.hash = subsetGrant, s.rarest(g.Subset, seed)
		n.encodePairs(g.Subset, seed)
	case g.GranteeService != "" && g.SourceARN != "" && !strings.ContainsAny(g.SourceARN, "*?"):
		n.kind, n.hash = sourceGrant, hashSource(seed, g.SourceARN)
	}
	return n
}

// permits tells whether the grant allows what is sought; TestGrantModel compares it with Grant.permits.
func (n *grantNode) permits(q *grantSearch) bool {
	switch {
	case n.operations>>q.Operation&1 == 0, q.ByService && n.source != "" && !sourceMatches(n.source, q.SourceARN):
		return false
	case q.Child != nil && (q.childOperations&^n.operations != 0 ||
		n.source != "" && (q.Child.SourceARN == "" || !sourceMatches(n.source, q.Child.SourceARN))):
		return false
	case q.everyContext:
		return true
	case n.kind == equalsGrant:
		return q.exact && n.within(q) == len(q.pairs)
	case n.kind == subsetGrant:
		return n.within(q) >= 0
	}
	return true
}

// longPairs is how many bytes of pairs a node keeps as they are.
const longPairs = 192

// pairDigest is what a node keeps of a pair where all of them are longer than that, so that no grant takes much memory:
// its hash, little-endian, and 16 bytes of SHA-256 of its encoding in records.
const pairDigest = 8 + 16

// encodePairs keeps the pairs as in records: str16 key and str16 value each; or their digests.
func (n *grantNode) encodePairs(pairs []Tag, seed maphash.Seed) {
	var whole, digests []byte
	for _, p := range pairs {
		at := len(whole)
		whole = appendStr16(appendStr16(whole, p.Key), p.Value)
		sum := sha256.Sum256(whole[at:])
		digests = binary.LittleEndian.AppendUint64(digests, hashPair(seed, []byte(p.Key), []byte(p.Value)))
		digests = append(digests, sum[:pairDigest-8]...)
	}
	if n.digested = len(whole) > longPairs; n.digested {
		whole = digests
	}
	n.pairs = string(whole)
}

// within is how many pairs the constraint has; negative: not all of them are in the context that is sought.
func (n *grantNode) within(q *grantSearch) int {
	count, rest := 0, n.pairs
	for ; rest != ""; count++ {
		if n.digested {
			if !q.hasDigest(rest[:pairDigest]) {
				return -1
			}
			rest = rest[pairDigest:]
			continue
		}
		var key, value string
		key, rest = cutStr16(rest)
		value, rest = cutStr16(rest)
		if !hasPair(q.pairs, key, value) {
			return -1
		}
	}
	return count
}

func cutStr16(s string) (first, rest string) {
	n := 2 + int(s[0])<<8 + int(s[1])
	return s[2:n], s[n:]
}

func hasPair(pairs []hsm.ContextPair, key, value string) bool {
	for i := range pairs {
		if string(pairs[i].Key) == key {
			return string(pairs[i].Value) == value
		}
	}
	return false
}

func (q *grantSearch) hasDigest(digest string) bool {
	hash := uint64(0)
	for i := range 8 {
		hash |= uint64(digest[i]) << (8 * i)
	}
	for i := range q.pairs {
		if q.pairHash(i) != hash {
			continue
		}
		var room [3100]byte // 384 characters of up to 4 bytes each, twice
		b := appendStr16(appendStr16(room[:0], q.pairs[i].Key), q.pairs[i].Value)
		sum := sha256.Sum256(b)
		return string(sum[:pairDigest-8]) == digest[8:]
	}
	return false
}
