package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"trent/store"
)

// First bytes of the database's keys; see the table in doc.go.
const (
	spaceState  = 0x00
	spaceRecord = 0x01
	spaceLog    = 0x02
)

const (
	changePut    = 0
	changeDelete = 1
)

const (
	revisionBytes = 8
	stateBytes    = 32
)

var errEncoding = errors.New("malformed record")

// state is the one record that says where the store stands. It is written with every group.
type state struct {
	head, floor         store.Revision
	logged, floorLogged uint64 // bytes of change log ever written up to head, and up to floor
}

func (s state) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.head))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.floor))
	dst = binary.BigEndian.AppendUint64(dst, s.logged)
	return binary.BigEndian.AppendUint64(dst, s.floorLogged)
}

func parseState(b []byte) (state, error) {
	if len(b) != stateBytes {
		return state{}, fmt.Errorf("reading the state record of %d bytes: %w", len(b), errEncoding)
	}
	s := state{
		head:        store.Revision(binary.BigEndian.Uint64(b)),
		floor:       store.Revision(binary.BigEndian.Uint64(b[8:])),
		logged:      binary.BigEndian.Uint64(b[16:]),
		floorLogged: binary.BigEndian.Uint64(b[24:]),
	}
	if s.head < 0 || s.floor < 0 || s.floor > s.head || s.floorLogged > s.logged {
		return state{}, fmt.Errorf("reading the state record: %w", errEncoding)
	}
	return s, nil
}

func recordKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), spaceRecord), key...)
}

func logKey(r store.Revision) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceLog}, uint64(r))
}

// splitValue divides a stored value into its revision and a view of the caller's bytes.
func splitValue(b []byte) (store.Revision, []byte, error) {
	if len(b) < revisionBytes {
		return 0, nil, fmt.Errorf("reading a value of %d bytes: %w", len(b), errEncoding)
	}
	return store.Revision(binary.BigEndian.Uint64(b)), b[revisionBytes:], nil
}

// change is one put or delete of a transaction.
type change struct {
	key, value []byte
	deletes    bool
}

// logSize is the size of a log entry of these changes.
func logSize(changes []change) int {
	n := revisionBytes
	for _, c := range changes {
		n += 1 + uvarintSize(len(c.key)) + len(c.key)
		if !c.deletes {
			n += uvarintSize(len(c.value)) + len(c.value)
		}
	}
	return n
}

func appendLog(dst []byte, logged uint64, changes []change) []byte {
	dst = binary.BigEndian.AppendUint64(dst, logged)
	for _, c := range changes {
		kind := byte(changePut)
		if c.deletes {
			kind = changeDelete
		}
		dst = append(dst, kind)
		dst = append(binary.AppendUvarint(dst, uint64(len(c.key))), c.key...)
		if !c.deletes {
			dst = append(binary.AppendUvarint(dst, uint64(len(c.value))), c.value...)
		}
	}
	return dst
}

// parseLogged returns a log entry's running sum.
func parseLogged(b []byte) (uint64, error) {
	if len(b) < revisionBytes {
		return 0, fmt.Errorf("reading a log entry of %d bytes: %w", len(b), errEncoding)
	}
	return binary.BigEndian.Uint64(b), nil
}

// parseLog returns the changes of the log entry of revision r. They alias b.
func parseLog(r store.Revision, b []byte) ([]store.Record, error) {
	if _, err := parseLogged(b); err != nil {
		return nil, err
	}
	b = b[revisionBytes:]
	var changes []store.Record
	for len(b) > 0 {
		kind := b[0]
		key, rest, ok := cutBytes(b[1:])
		if !ok || kind > changeDelete || len(changes) == store.MaxTxnEntries {
			return nil, fmt.Errorf("reading the log entry of revision %d: %w", r, errEncoding)
		}
		c := store.Record{Key: key, Revision: r}
		if kind == changePut {
			if c.Value, rest, ok = cutBytes(rest); !ok {
				return nil, fmt.Errorf("reading the log entry of revision %d: %w", r, errEncoding)
			}
		}
		changes, b = append(changes, c), rest
	}
	return changes, nil
}

// cutBytes takes one length-prefixed field, which is never nil, off b.
func cutBytes(b []byte) (field, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return b[w:end:end], b[end:], true
}

func uvarintSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// prefixEnd is the first key after all keys that start with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil // unreachable for record keys: their first byte is spaceRecord
}
