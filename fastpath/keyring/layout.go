package keyring

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"trent/hsm"
)

// Kinds of store keys.
const (
	kindKey      = "key"
	kindChildren = "cnt"
	kindToken    = "tok"
	kindMaterial = "mat"
	kindAlias    = "ali"
	kindReverse  = "rev"
	kindTags     = "tag"
	kindPolicy   = "pol"
	kindDue      = "due"

	kindMaterials = "mts"
	kindRelated   = "mrk"
	kindWrapping  = "imp"

	kindGrant     = "grt"
	kindGrantee   = "gee"
	kindRetiring  = "ret"
	kindGrantName = "gnm"
	kindUsage     = "usg"
	kindTracking  = "trk"
)

const separator = "\x00"

func (s Scope) prefix(kind string) string {
	return kind + separator + s.Partition + separator + s.Account + separator + s.Region + separator
}

func (id ID) scope() Scope {
	return Scope{Partition: id.Partition, Account: id.Account, Region: id.Region}
}

// storeKey is the key of a record that a key has one of.
func (id ID) storeKey(kind string) []byte { return []byte(id.scope().prefix(kind) + id.Key) }

// prefix is what the keys of all records of one kind under this key begin with.
func (id ID) prefix(kind string) []byte { return []byte(id.scope().prefix(kind) + id.Key + separator) }

func tokenKey(id ID, m hsm.MaterialID) []byte { return append(id.prefix(kindToken), m[:]...) }

func materialKey(partition string, m hsm.MaterialID) []byte {
	return append([]byte(kindMaterial+separator+partition+separator), m[:]...)
}

func aliasKey(s Scope, name string) []byte { return []byte(s.prefix(kindAlias) + name) }

func reverseKey(id ID, name string) []byte { return append(id.prefix(kindReverse), name...) }

// dueKey is the place of d in the due index. Deletions, the first of the tasks, have no task in it.
func dueKey(d Due) []byte {
	b := append([]byte(kindDue), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(d.At.UnixMilli()))
	b = append(b, 0)
	if d.Task != TaskDelete {
		b = append(b, uint8(d.Task), 0)
	}
	return append(b, strings.Join([]string{d.Partition, d.Account, d.Region, d.Key}, separator)...)
}

// parseDueKey takes a key of the due index apart.
func parseDueKey(key []byte) (d Due, ok bool) {
	rest, ok := bytes.CutPrefix(key, []byte(kindDue+separator))
	if !ok || len(rest) < 11 || rest[8] != 0 {
		return Due{}, false
	}
	d.At = time.UnixMilli(int64(binary.BigEndian.Uint64(rest))).UTC()
	rest = rest[9:]
	if rest[0] < ' ' { // no partition begins so
		if d.Task = Task(rest[0]); rest[1] != 0 || d.Task >= numTasks {
			return Due{}, false
		}
		rest = rest[2:]
	}
	parts := strings.Split(string(rest), separator)
	if len(parts) != 4 {
		return Due{}, false
	}
	d.ID = ID{parts[0], parts[1], parts[2], parts[3]}
	return d, true
}

// changed is what a store key means to the caches.
type changed struct {
	kind     string // empty: nothing cached depends on it
	id       ID     // kindKey, kindToken, kindPolicy, kindTags, kindReverse, kindStore
	scope    Scope  // kindAlias
	alias    string
	material hsm.MaterialID // kindToken, kindMaterial
	part     string         // kindMaterial: the partition
}

// dissect reads a store key for invalidation.
func dissect(key []byte) changed {
	if len(key) < 4 || key[3] != 0 {
		return changed{}
	}
	rest := key[4:]
	switch kind := string(key[:3]); kind {
	case kindKey, kindToken, kindPolicy, kindTags, kindReverse:
		c := changed{kind: kind}
		if kind == kindToken {
			n := len(rest) - len(hsm.MaterialID{}) - 1 // the material may contain NUL
			if n < 0 {
				return changed{}
			}
			c.material, rest = hsm.MaterialID(rest[n+1:]), rest[:n]
		}
		p := strings.SplitN(string(rest), separator, 5)
		if len(p) != 4 && (kind != kindReverse || len(p) != 5) { // there the alias follows
			return changed{}
		}
		c.id = ID{p[0], p[1], p[2], p[3]}
		return c
	case kindStore:
		p := strings.Split(string(rest), separator)
		if len(p) != 4 {
			return changed{}
		}
		return changed{kind: kindStore, id: ID{p[0], p[1], p[2], p[3]}}
	case kindAlias:
		p := strings.SplitN(string(rest), separator, 4)
		if len(p) != 4 {
			return changed{}
		}
		return changed{kind: kindAlias, scope: Scope{p[0], p[1], p[2]}, alias: p[3]}
	case kindMaterial:
		n := len(rest) - len(hsm.MaterialID{}) - 1
		if n < 0 {
			return changed{}
		}
		return changed{kind: kindMaterial, part: string(rest[:n]), material: hsm.MaterialID(rest[n+1:])}
	default:
		return changed{}
	}
}
