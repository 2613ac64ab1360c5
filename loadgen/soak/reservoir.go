package soak

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"
)

// Checks that a sample has passed, as bits.
const (
	checkedLater    = 1 << iota // as long after it was made as wanted
	checkedRestart              // after a restart of the server
	checkedRotation             // after a rotation of its key
)

// slot is what memory keeps of a sample: some 32 bytes, the rest is on disk.
type slot struct {
	offset    int64
	length    uint32
	made      int64 // Unix ns
	symmetric bool
	lost      bool
	checks    uint8
}

// reservoir is a uniform sample of what was offered to it (Vitter's algorithm R, 1985, with draws that are a function of seed and
// number), kept in one file to which replacements are appended and which is written anew when half of it has been replaced. Safe
// for concurrent use.
type reservoir struct {
	path     string
	capacity int
	maxBytes int64 // of the file's live part: what would exceed it is not taken
	seed     uint64

	mu    sync.Mutex
	file  *os.File
	size  int64
	live  int64
	seen  uint64
	full  uint64 // left out for maxBytes
	slots []slot
}

// frame is the length and the CRC before each record.
const frame = 8

// maxRecord bounds one record; the largest has a payload of 4 KiB and a signature of 5.
const maxRecord = 64 << 10

// openReservoir opens the file, empty or with what an earlier run left in it; what is torn at its end is cut off.
func openReservoir(path string, capacity int, maxBytes int64, seed uint64) (*reservoir, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the samples: %w", err)
	}
	r := &reservoir{path: path, capacity: capacity, maxBytes: maxBytes, seed: seed, file: file}
	if err := r.load(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

func (r *reservoir) load() error {
	in := bufio.NewReaderSize(r.file, 1<<20)
	for {
		payload, err := readRecord(in)
		if err != nil {
			break // the end, or where a crash tore it
		}
		var s sample
		if json.Unmarshal(payload, &s) != nil || s.Slot < 0 || s.Slot >= r.capacity || s.Slot > len(r.slots) {
			break
		}
		r.place(&s, len(payload))
		r.seen++
	}
	if err := r.file.Truncate(r.size); err != nil {
		return fmt.Errorf("cutting off what a crash tore of the samples: %w", err)
	}
	return nil
}

func readRecord(in io.Reader) ([]byte, error) {
	var head [frame]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:4])
	if n > maxRecord {
		return nil, errors.New("record too long")
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(in, payload); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(payload) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errors.New("record torn")
	}
	return payload, nil
}

// place notes a record of n bytes that stands at the end of the file.
func (r *reservoir) place(s *sample, n int) {
	entry := slot{offset: r.size, length: uint32(n), made: s.Made.UnixNano(), symmetric: s.Symmetric}
	if s.Slot == len(r.slots) {
		r.slots = append(r.slots, entry)
	} else {
		r.live -= frame + int64(r.slots[s.Slot].length)
		r.slots[s.Slot] = entry
	}
	r.size += frame + int64(n)
	r.live += frame + int64(n)
}

// offer takes the sample into the reservoir, or not, as the draw says; now is its time, and ascends from call to call.
func (r *reservoir) offer(s sample, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Made = now
	r.seen++
	s.Slot = len(r.slots)
	if len(r.slots) == r.capacity {
		draw := mixed(r.seed+mixed(r.seen)) % r.seen
		if draw >= uint64(r.capacity) {
			return nil
		}
		s.Slot = int(draw)
		if r.slots[s.Slot].lost {
			return nil // evidence stays
		}
	}
	payload := encode(s)
	if len(payload) > maxRecord || r.live+frame+int64(len(payload)) > r.maxBytes {
		r.full++
		return nil
	}
	record := binary.LittleEndian.AppendUint32(make([]byte, 0, frame+len(payload)), uint32(len(payload)))
	record = binary.LittleEndian.AppendUint32(record, crc32.ChecksumIEEE(payload))
	if _, err := r.file.WriteAt(append(record, payload...), r.size); err != nil {
		return fmt.Errorf("writing a sample: %w", err)
	}
	r.place(&s, len(payload))
	if r.size > 1<<20 && r.size > 2*r.live {
		return r.compact()
	}
	return nil
}

// mixed is SplitMix64's finaliser.
func mixed(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// compact writes the live records to a new file that takes the old one's place.
func (r *reservoir) compact() error {
	next, err := os.OpenFile(r.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("rewriting the samples: %w", err)
	}
	out := bufio.NewWriterSize(next, 1<<20)
	moved := make([]int64, len(r.slots))
	size := int64(0)
	buffer := make([]byte, frame+maxRecord)
	for i := range r.slots {
		record := buffer[:frame+int(r.slots[i].length)]
		if _, err = r.file.ReadAt(record, r.slots[i].offset); err == nil {
			_, err = out.Write(record)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("rewriting the samples: %w", err), next.Close())
		}
		moved[i] = size
		size += int64(len(record))
	}
	if err = errors.Join(out.Flush(), next.Sync(), os.Rename(r.path+".new", r.path)); err != nil {
		return errors.Join(fmt.Errorf("rewriting the samples: %w", err), next.Close())
	}
	err = r.file.Close()
	r.file, r.size, r.live = next, size, size
	for i := range r.slots {
		r.slots[i].offset = moved[i]
	}
	return err
}

// read returns the sample in a slot, and when it was put there, which tells later whether it is still the same.
func (r *reservoir) read(i int) (s sample, made int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.slots[i]
	payload := make([]byte, at.length)
	if _, err := r.file.ReadAt(payload, at.offset+frame); err != nil {
		return s, 0, fmt.Errorf("reading a sample: %w", err)
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, 0, fmt.Errorf("reading a sample: %w", err)
	}
	return s, at.made, nil
}

// passed notes checks of a sample that is still there.
func (r *reservoir) passed(i int, made int64, checks uint8, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots[i].made == made {
		r.slots[i].checks |= checks
		r.slots[i].lost = r.slots[i].lost || lost
	}
}

// moments are what the checks that are due depend on; zero times: it has not happened.
type moments struct {
	now, restarted, rotated time.Time
	after                   time.Duration
}

// due are the checks that the sample can have now and has not had.
func (m *moments) due(s *slot) (checks uint8) {
	if s.lost {
		return 0
	}
	if m.now.UnixNano()-s.made >= int64(m.after) {
		checks |= checkedLater
	}
	if !m.restarted.IsZero() && m.restarted.UnixNano() > s.made {
		checks |= checkedRestart
	}
	if s.symmetric && !m.rotated.IsZero() && m.rotated.UnixNano() > s.made {
		checks |= checkedRotation
	}
	return checks &^ s.checks
}

// next finds a slot with a check due, from a place on and round; −1 without one.
func (r *reservoir) next(from int, m *moments) (i int, checks uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for step := range r.slots {
		i := (from + step) % len(r.slots)
		if checks := m.due(&r.slots[i]); checks != 0 {
			return i, checks
		}
	}
	return -1, 0
}

// tally counts samples by the checks they have had.
type tally struct {
	Samples, Symmetric, Later, AfterRestart, AfterRotation int
	Seen, Full                                             uint64
	Bytes                                                  int64
}

func (r *reservoir) tally() tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tally{Samples: len(r.slots), Seen: r.seen, Full: r.full, Bytes: r.size}
	for i := range r.slots {
		s := &r.slots[i]
		if s.symmetric {
			t.Symmetric++
		}
		for _, c := range []struct {
			bit uint8
			n   *int
		}{{checkedLater, &t.Later}, {checkedRestart, &t.AfterRestart}, {checkedRotation, &t.AfterRotation}} {
			if s.checks&c.bit != 0 {
				*c.n++
			}
		}
	}
	return t
}

// reservoirState is what a checkpoint keeps beside the file.
type reservoirState struct {
	At     int64  `json:"at"` // Unix ns
	Seen   uint64 `json:"seen"`
	Full   uint64 `json:"full,omitempty"`
	Checks []byte `json:"checks"` // by slot; bit 7: lost
}

const lostBit = 1 << 7

// save makes the file durable and returns what a checkpoint keeps.
func (r *reservoir) save(now time.Time) (reservoirState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.file.Sync(); err != nil {
		return reservoirState{}, fmt.Errorf("syncing the samples: %w", err)
	}
	s := reservoirState{At: now.UnixNano(), Seen: r.seen, Full: r.full, Checks: make([]byte, len(r.slots))}
	for i := range r.slots {
		s.Checks[i] = r.slots[i].checks
		if r.slots[i].lost {
			s.Checks[i] |= lostBit
		}
	}
	return s, nil
}

// restore applies what a checkpoint kept. Samples taken after it have had no checks.
func (r *reservoir) restore(s reservoirState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.full = s.Seen, s.Full
	for i := range r.slots {
		if i < len(s.Checks) && r.slots[i].made <= s.At {
			r.slots[i].checks, r.slots[i].lost = s.Checks[i]&^lostBit, s.Checks[i]&lostBit != 0
		} else {
			r.seen++ // at least: what was offered and not taken is not known
		}
	}
}

func (r *reservoir) close() error { return r.file.Close() }
