package audit

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ringFiles is how many files a log of decisions has; with another, the oldest goes.
const ringFiles = 8

// ring appends decisions to the newest of a few files, decisions-NUMBER.bin. A decision in a file is
//
//	4 bytes  length of what follows the next four
//	4 bytes  its CRC-32 (Castagnoli)
//	16       request id
//	8        time, Unix nanoseconds
//	4        allowed, reason, kind, place
//	4, 32    index of the statement, hash of the policy
//	4, 32    the same of the second
//	         caller, action, resource, grant: 2 bytes of length, then the text
//
// all in big-endian order.
type ring struct {
	dir     string
	limit   int64 // bytes of a file
	number  uint64
	f       *os.File
	size    int64
	pending []byte
	waiting uint64
}

const (
	decisionHead = 8
	decisionBase = 16 + 8 + 4 + 2*(4+32)
	maxDecision  = decisionBase + 4*(2+maxDecisionText)
	// maxDecisionText bounds each text in bytes; ARNs and ids are shorter.
	maxDecisionText = 2048
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newRing(dir string, maxBytes int64) (*ring, error) {
	w := &ring{dir: dir, limit: max(4096, maxBytes/ringFiles)}
	names, err := ringNames(dir)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return w, w.resume(names[len(names)-1])
	}
	return w, nil
}

// resume goes on with a file, after its last whole decision.
func (w *ring) resume(name string) error {
	if _, err := fmt.Sscanf(filepath.Base(name), ringName, &w.number); err != nil {
		return fmt.Errorf("%s: its name has no number: %w", name, err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for body := range decisionsIn(data) {
		w.size += int64(decisionHead + len(body))
	}
	if w.f, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if err := w.f.Truncate(w.size); err != nil {
		return errors.Join(err, w.f.Close())
	}
	return nil
}

const ringName = "decisions-%016d.bin"

// ringNames are the files, the oldest first.
func ringNames(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(globEscape(dir), "decisions-*.bin"))
	slices.Sort(names)
	return names, err
}

// globEscape is dir as a pattern that matches itself.
func globEscape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func (w *ring) add(e *DecisionEntry) {
	from := len(w.pending)
	w.pending = append(w.pending, make([]byte, decisionHead)...)
	w.pending = appendDecision(w.pending, e)
	body := w.pending[from+decisionHead:]
	binary.BigEndian.PutUint32(w.pending[from:], uint32(len(body)))
	binary.BigEndian.PutUint32(w.pending[from+4:], crc32.Checksum(body, castagnoli))
	w.waiting++
}

func appendDecision(dst []byte, e *DecisionEntry) []byte {
	id, _ := binaryID(e.RequestID[:]) // the chain's own
	dst = append(dst, id[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.At.UnixNano()))
	allowed := byte(0)
	if e.Allowed {
		allowed = 1
	}
	dst = append(dst, allowed, e.Reason, e.Kind, e.Place)
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.Statement))
	dst = append(dst, e.Policy[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.AlsoIndex))
	dst = append(dst, e.Also[:]...)
	for _, text := range [...]string{e.Caller, e.Action, e.Resource, e.Grant} {
		text = cut(text, maxDecisionText)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

// write appends what is pending. Whether or not it could be written, it is pending no more.
func (w *ring) write() error {
	defer func() { w.pending, w.waiting = w.pending[:0], 0 }()
	if len(w.pending) == 0 {
		return nil
	}
	if w.f == nil || w.size+int64(len(w.pending)) > w.limit {
		if err := w.turn(); err != nil {
			return err
		}
	}
	n, err := w.f.Write(w.pending)
	w.size += int64(n)
	if err != nil {
		_ = w.f.Close()
		w.f = nil // what follows a torn decision could not be read
		return fmt.Errorf("writing decisions: %w", err)
	}
	return nil
}

// turn begins another file and removes the oldest.
func (w *ring) turn() error {
	if w.f != nil {
		_ = w.f.Close()
		w.f = nil
	}
	names, err := ringNames(w.dir)
	if err != nil {
		return err
	}
	for len(names) >= ringFiles {
		if err := os.Remove(names[0]); err != nil {
			return fmt.Errorf("removing the oldest decisions: %w", err)
		}
		names = names[1:]
	}
	w.number++
	f, err := os.OpenFile(filepath.Join(w.dir, fmt.Sprintf(ringName, w.number)), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("making a file of decisions: %w", err)
	}
	w.f, w.size = f, 0
	return nil
}

func (w *ring) close() error {
	if w.f == nil {
		return nil
	}
	return w.f.Close()
}

// ErrRequestID is a request id that is none.
var ErrRequestID = errors.New("a request id is a UUID, such as 7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01")

func binaryID[S string | []byte](text S) (id [16]byte, err error) {
	if len(text) != 36 {
		return id, ErrRequestID
	}
	n := 0
	for i := 0; i < len(text); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if text[i] != '-' {
				return id, ErrRequestID
			}
			continue
		}
		digit := text[i] - '0'
		if digit > 9 {
			if digit = text[i] - 'a' + 10; digit < 10 || digit > 15 {
				return id, ErrRequestID
			}
		}
		id[n/2] = id[n/2]<<4 | digit
		n++
	}
	return id, nil
}

// FindDecisions is Decisions.Find for a directory: without what is not on disk yet. Errors: ErrRequestID, and what keeps files from
// being read.
func FindDecisions(dir, requestID string) ([]DecisionEntry, error) {
	id, err := binaryID(strings.ToLower(requestID))
	if err != nil {
		return nil, err
	}
	names, err := ringNames(dir)
	if err != nil {
		return nil, err
	}
	var found []DecisionEntry
	for _, name := range names {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // its room was needed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("reading decisions: %w", err)
		}
		for body := range decisionsIn(data) {
			if [16]byte(body[:16]) == id {
				if e, ok := parseDecision(body); ok {
					found = append(found, e)
				}
			}
		}
	}
	slices.SortStableFunc(found, func(a, b DecisionEntry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Place, b.Place)) })
	return found, nil
}

// decisionsIn yields the decisions of a file up to its end, or to where it is torn.
func decisionsIn(data []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) >= decisionHead {
			size := int(binary.BigEndian.Uint32(data))
			sum := binary.BigEndian.Uint32(data[4:])
			if size < decisionBase || size > maxDecision || size > len(data)-decisionHead {
				return
			}
			body := data[decisionHead : decisionHead+size]
			if crc32.Checksum(body, castagnoli) != sum || !yield(body) {
				return
			}
			data = data[decisionHead+size:]
		}
	}
}

func parseDecision(body []byte) (e DecisionEntry, ok bool) {
	if len(body) < decisionBase {
		return e, false
	}
	formatBinaryID(&e.RequestID, body[:16])
	e.At = time.Unix(0, int64(binary.BigEndian.Uint64(body[16:]))).UTC()
	e.Allowed, e.Reason, e.Kind, e.Place = body[24] == 1, body[25], body[26], body[27]
	e.Statement, e.AlsoIndex = int32(binary.BigEndian.Uint32(body[28:])), int32(binary.BigEndian.Uint32(body[64:]))
	copy(e.Policy[:], body[32:])
	copy(e.Also[:], body[68:])
	body = body[decisionBase:]
	for _, text := range [...]*string{&e.Caller, &e.Action, &e.Resource, &e.Grant} {
		if len(body) < 2 {
			return e, false
		}
		n := int(binary.BigEndian.Uint16(body))
		if n > len(body)-2 {
			return e, false
		}
		*text, body = string(body[2:2+n]), body[2+n:]
	}
	return e, len(body) == 0
}
