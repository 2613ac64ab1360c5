package keyring

import (
	"encoding/binary"
	"fmt"
	"time"

	"trent/hsm"
)

// recordVersion is the version byte of all values; doc.go draws them.
const recordVersion = 1

const (
	keyLive         = 0
	keyBeingDeleted = 1

	flagMultiRegion = 1

	fieldDescription = 1
	fieldRotation    = 2
	fieldOnDemand    = 3
	fieldValidTo     = 4
	fieldStore       = 5
	fieldPrimary     = 6
	fieldResume      = 7
	fieldImported    = 8
)

func appendTime(b []byte, t time.Time) []byte {
	var ms int64
	if !t.IsZero() {
		ms = t.UnixMilli()
	}
	return binary.BigEndian.AppendUint64(b, uint64(ms))
}

func appendStr16[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendBytes32[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// reader takes a value apart. The first thing that does not fit makes it bad; everything read after is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) time() time.Time {
	b := r.take(8)
	if b == nil {
		return time.Time{}
	}
	ms := binary.BigEndian.Uint64(b)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

func (r *reader) str16() string   { return string(r.take(int(r.u16()))) }
func (r *reader) bytes32() []byte { return r.take(int(r.u32())) }

func (r *reader) version() {
	if r.u8() != recordVersion {
		r.bad = true
	}
}

// done reports a value that was cut short, goes on after its end or holds what this version does not know.
func (r *reader) done(kind string) error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("reading a %s record: %w", kind, ErrRecord)
	}
	return nil
}

// encodeKey encodes r; dying marks a key that is being deleted.
func encodeKey(r *Record, dying bool) []byte {
	b := make([]byte, 0, 64+len(r.Description)+8)
	var life, flags uint8 = keyLive, 0
	if dying {
		life = keyBeingDeleted
	}
	if r.MultiRegion {
		flags |= flagMultiRegion
	}
	b = append(b, recordVersion, life, uint8(r.State), uint8(r.Spec), uint8(r.Usage), uint8(r.Origin),
		uint8(r.Manager), flags)
	b = appendTime(b, r.Created)
	b = appendTime(b, r.Deletion)
	b = binary.BigEndian.AppendUint16(b, uint16(r.WindowDays))
	b = append(b, r.Current[:]...)
	if r.Description != "" {
		b = append(b, fieldDescription)
		b = appendBytes32(b, r.Description)
	}
	return appendFields(b, r)
}

// appendFields appends what only some keys have, in the order of the tags.
func appendFields(b []byte, r *Record) []byte {
	if r.Rotation != (Rotation{}) {
		f := []byte{0}
		if r.Rotation.Enabled {
			f[0] = 1
		}
		f = binary.BigEndian.AppendUint16(f, uint16(r.Rotation.PeriodDays))
		f = appendTime(appendTime(f, r.Rotation.Since), r.Rotation.Next)
		b = appendBytes32(append(b, fieldRotation), f)
	}
	if r.OnDemand != 0 {
		b = appendBytes32(append(b, fieldOnDemand), binary.BigEndian.AppendUint16(nil, uint16(r.OnDemand)))
	}
	if !r.ValidTo.IsZero() {
		b = appendBytes32(append(b, fieldValidTo), appendTime(nil, r.ValidTo))
	}
	if r.Store != "" {
		b = appendBytes32(append(b, fieldStore), appendStr16(appendStr16(nil, r.Store), r.BackingID))
	}
	if r.follows() {
		b = appendBytes32(append(b, fieldPrimary), r.Primary)
	}
	if r.Resume != StateNone {
		b = appendBytes32(append(b, fieldResume), appendTime([]byte{uint8(r.Resume)}, r.Settle))
	}
	if r.Lacking || !r.Waiting.IsZero() {
		f := []byte{0}
		if r.Lacking {
			f[0] = 1
		}
		b = appendBytes32(append(b, fieldImported), appendTime(f, r.Waiting))
	}
	return b
}

// decodeField reads one of appendFields' fields.
func decodeField(tag uint8, value []byte, r *Record) bool {
	f := reader{b: value}
	switch tag {
	case fieldDescription:
		r.Description = string(f.take(len(value)))
	case fieldRotation:
		enabled := f.u8()
		r.Rotation = Rotation{Enabled: enabled == 1, PeriodDays: int(f.u16()), Since: f.time(), Next: f.time()}
		f.bad = f.bad || enabled > 1
	case fieldOnDemand:
		r.OnDemand = int(f.u16())
	case fieldValidTo:
		r.ValidTo = f.time()
	case fieldStore:
		r.Store, r.BackingID = f.str16(), f.str16()
	case fieldPrimary:
		r.Primary = string(f.take(len(value)))
	case fieldResume:
		r.Resume, r.Settle = State(f.u8()), f.time()
		f.bad = f.bad || r.Resume >= numStates
	case fieldImported:
		lacking := f.u8()
		r.Lacking, r.Waiting = lacking == 1, f.time()
		f.bad = f.bad || lacking > 1
	default:
		return false
	}
	return !f.bad && len(f.b) == 0
}

// decodeKey fills all of r but its ID and Revision.
func decodeKey(value []byte, r *Record) (dying bool, err error) {
	d := reader{b: value}
	d.version()
	life := d.u8()
	r.State, r.Spec, r.Usage = State(d.u8()), hsm.KeySpec(d.u8()), hsm.Usage(d.u8())
	r.Origin, r.Manager = Origin(d.u8()), Manager(d.u8())
	flags := d.u8()
	r.MultiRegion = flags&flagMultiRegion != 0
	r.Created, r.Deletion = d.time(), d.time()
	r.WindowDays = int(d.u16())
	copy(r.Current[:], d.take(len(r.Current)))
	for last := uint8(0); len(d.b) > 0; {
		tag := d.u8()
		field := d.bytes32()
		if tag <= last || d.bad || !decodeField(tag, field, r) {
			d.bad = true
			break
		}
		last = tag
	}
	if life > keyBeingDeleted || flags&^flagMultiRegion != 0 || r.State >= numStates || r.Origin >= numOrigins ||
		r.Manager >= numManagers {
		d.bad = true
	}
	return life == keyBeingDeleted, d.done("key")
}

func encodeToken(token, public []byte) []byte {
	b := make([]byte, 0, 2+8+len(token)+len(public))
	b = append(b, recordVersion, 0)
	b = appendBytes32(b, token)
	return appendBytes32(b, public)
}

// decodeToken returns views into value.
func decodeToken(value []byte) (token, public []byte, err error) {
	d := reader{b: value}
	d.version()
	if d.u8() != 0 {
		d.bad = true
	}
	token, public = d.bytes32(), d.bytes32()
	return token, public, d.done("token")
}

func encodeMaterial(account, key string) []byte {
	return appendStr16(appendStr16([]byte{recordVersion}, account), key)
}

func decodeMaterial(value []byte) (account, key string, err error) {
	d := reader{b: value}
	d.version()
	account, key = d.str16(), d.str16()
	return account, key, d.done("material")
}

func encodeAlias(a Alias) []byte {
	b := appendStr16([]byte{recordVersion}, a.Target)
	return appendTime(appendTime(b, a.Created), a.Updated)
}

// decodeAlias leaves Name empty: it is in the store key.
func decodeAlias(value []byte) (Alias, error) {
	d := reader{b: value}
	d.version()
	a := Alias{Target: d.str16(), Created: d.time(), Updated: d.time()}
	return a, d.done("alias")
}

func encodeTags(tags []Tag) []byte {
	b := binary.BigEndian.AppendUint16([]byte{recordVersion}, uint16(len(tags)))
	for _, t := range tags {
		b = appendStr16(appendStr16(b, t.Key), t.Value)
	}
	return b
}

func decodeTags(value []byte) ([]Tag, error) {
	d := reader{b: value}
	d.version()
	n := int(d.u16())
	tags := make([]Tag, 0, min(n, len(value)/4))
	for range n {
		tags = append(tags, Tag{Key: d.str16(), Value: d.str16()})
		if d.bad {
			break
		}
	}
	return tags, d.done("tag")
}

func encodePolicy(doc []byte) []byte { return append([]byte{recordVersion}, doc...) }

func decodePolicy(value []byte) ([]byte, error) {
	d := reader{b: value}
	d.version()
	doc := d.take(len(d.b))
	return doc, d.done("policy")
}
