package keyring

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// grantKey is the place of a grant; the id, which may contain NUL, is last.
func grantKey(key ID, id GrantID) []byte { return append(key.prefix(kindGrant), id[:]...) }

// granteePrefix is what the entries of a grantee's grants on a key begin with.
func granteePrefix(key ID, grantee string) []byte {
	return append(key.prefix(kindGrantee), grantee+separator...)
}

// retiringPrefix is what the entries of all grants of a Region that a principal may retire begin with; with an
// account, of those on its keys.
func retiringPrefix(partition, region, principal, account string) []byte {
	parts := []string{kindRetiring, partition, region, principal, ""}
	if account != "" {
		parts = []string{kindRetiring, partition, region, principal, account, ""}
	}
	return []byte(strings.Join(parts, separator))
}

// grantNameKey is where the grant of this name and these parameters stands.
func grantNameKey(g *Grant) []byte {
	same := *g
	same.Created = time.Time{}
	same.Operations = slices.Sorted(slices.Values(g.Operations))
	same.Equals, same.Subset = sortedPairs(g.Equals), sortedPairs(g.Subset)
	digest := sha256.Sum256(encodeGrant(&same))
	return append(g.Key.prefix(kindGrantName), digest[:]...)
}

// sortedPairs keeps an empty constraint apart from an absent one.
func sortedPairs(pairs []Tag) []Tag {
	if len(pairs) == 0 {
		return pairs
	}
	return sortedTags(pairs)
}

// indexKeys are the store keys beside the grant's own that name it.
func (g *Grant) indexKeys() [][]byte {
	keys := [][]byte{append(granteePrefix(g.Key, g.grantee()), g.ID[:]...)}
	if r := g.retiring(); r != "" {
		at := retiringPrefix(g.Key.Partition, g.Key.Region, r, g.Key.Account)
		keys = append(keys, append(append(at, g.Key.Key+separator...), g.ID[:]...))
	}
	if g.Name != "" {
		keys = append(keys, grantNameKey(g))
	}
	return keys
}

// parseRetiringKey reads what follows the principal in a key of the index of retiring principals.
func parseRetiringKey(rest []byte) (account, key string, id GrantID, ok bool) {
	n := len(rest) - len(id) - 1
	if n < 0 || rest[n] != 0 {
		return "", "", id, false
	}
	copy(id[:], rest[n+1:])
	account, key, ok = strings.Cut(string(rest[:n]), separator)
	return account, key, id, ok
}

const (
	grantEquals = 1 << iota // flags of a grant record: which constraints it has
	grantSubset
)

func encodeGrant(g *Grant) []byte {
	var flags uint8
	if g.Equals != nil {
		flags |= grantEquals
	}
	if g.Subset != nil {
		flags |= grantSubset
	}
	b := appendTime([]byte{recordVersion, flags}, g.Created)
	b = append(b, uint8(len(g.Operations)))
	for _, op := range g.Operations {
		b = append(b, uint8(op))
	}
	for _, s := range [...]string{g.Issuer, g.Name, g.Grantee, g.GranteeService, g.Retiring, g.RetiringService, g.SourceARN} {
		b = appendStr16(b, s)
	}
	for _, pairs := range [...][]Tag{g.Equals, g.Subset} {
		if pairs != nil {
			b = binary.BigEndian.AppendUint16(b, uint16(len(pairs)))
			for _, p := range pairs {
				b = appendStr16(appendStr16(b, p.Key), p.Value)
			}
		}
	}
	return b
}

// decodeGrant fills all but Key and ID.
func decodeGrant(value []byte) (g Grant, err error) {
	d := reader{b: value}
	d.version()
	flags := d.u8()
	d.bad = d.bad || flags&^(grantEquals|grantSubset) != 0
	g.Created = d.time()
	for _, op := range d.take(int(d.u8())) {
		g.Operations = append(g.Operations, GrantOperation(op))
		d.bad = d.bad || op == 0 || op >= uint8(NumGrantOperations)
	}
	for _, s := range [...]*string{&g.Issuer, &g.Name, &g.Grantee, &g.GranteeService, &g.Retiring, &g.RetiringService, &g.SourceARN} {
		*s = d.str16()
	}
	if flags&grantEquals != 0 {
		g.Equals = d.pairs()
	}
	if flags&grantSubset != 0 {
		g.Subset = d.pairs()
	}
	return g, d.done("grant")
}

// pairs reads a counted list of pairs; an empty one is not nil.
func (r *reader) pairs() []Tag {
	n := int(r.u16())
	pairs := make([]Tag, 0, min(n, len(r.b)/4))
	for range n {
		pairs = append(pairs, Tag{Key: r.str16(), Value: r.str16()})
		if r.bad {
			break
		}
	}
	return pairs
}

func encodeGrantID(id GrantID) []byte { return append([]byte{recordVersion}, id[:]...) }

func decodeGrantID(value []byte) (id GrantID, err error) {
	d := reader{b: value}
	d.version()
	copy(id[:], d.take(len(id)))
	return id, d.done("grant name")
}

// children is how many a key has of what is counted under a limit.
type children struct{ aliases, grants int }

// encodeChildren leaves out the grants where there are none, as did the versions that knew none.
func encodeChildren(c children) []byte {
	b := binary.BigEndian.AppendUint32([]byte{recordVersion}, uint32(c.aliases))
	if c.grants != 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(c.grants))
	}
	return b
}

func decodeChildren(value []byte) (c children, err error) {
	d := reader{b: value}
	d.version()
	c.aliases = int(d.u32())
	if len(d.b) > 0 {
		c.grants = int(d.u32())
		d.bad = d.bad || c.grants == 0
	}
	return c, d.done("children")
}
