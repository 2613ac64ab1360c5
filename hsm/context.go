package hsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf8"
)

// ErrContext is AppendContext's refusal: a key or value that is not UTF-8, or a key that occurs twice.
var ErrContext = errors.New("hsm: encryption context is not valid")

// ContextPair is one entry of an encryption context.
type ContextPair struct{ Key, Value []byte }

// emptyContext is the encoding of no pairs at all, which an absent context equals.
var emptyContext = []byte{0, 0, 0, 0}

// AppendContext appends the canonical encoding of an encryption context to dst:
//
//	u32 count ‖ (u32 length ‖ key ‖ u32 length ‖ value)*, sorted by the UTF-8 bytes of the keys, big-endian
//
// It sorts pairs in place and does not allocate beyond dst's growth. Invalid UTF-8, encoded surrogates among
// it, and duplicate keys give ErrContext and leave dst as it was.
func AppendContext(dst []byte, pairs []ContextPair) ([]byte, error) {
	slices.SortFunc(pairs, comparePairs)
	out := binary.BigEndian.AppendUint32(dst, uint32(len(pairs)))
	for i, p := range pairs {
		if !utf8.Valid(p.Key) || !utf8.Valid(p.Value) || i > 0 && bytes.Equal(p.Key, pairs[i-1].Key) {
			return dst, ErrContext
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(p.Key)))
		out = append(out, p.Key...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(p.Value)))
		out = append(out, p.Value...)
	}
	return out, nil
}

func comparePairs(a, b ContextPair) int { return bytes.Compare(a.Key, b.Key) }
