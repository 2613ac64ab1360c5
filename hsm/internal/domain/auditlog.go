package domain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// The file of an audit log: "trentlog" ‖ u16 version, then entry after entry, each u32 length ‖ the entry. A module that was
// out of service while commands were done lacks their entries; MergeLogs completes them from another module's log.
const (
	logMagic   = "trentlog"
	logVersion = 1
	logHeader  = 10
)

// AuditFileName is the name of the log in a module's state directory.
const AuditFileName = "audit.log"

// errTorn is a record that ends before it should: the last one, of a crash.
var errTorn = errors.New("it ends in the middle of an entry")

// Log is a module's copy of the audit log, on disk. Its methods may run beside each other.
type Log struct {
	mu   sync.Mutex
	file *os.File
	last AuditHead
}

// OpenLog opens the log in dir, or makes one (0600). An entry that a crash cut off is removed: it comes again with its domain
// token. Error: ErrAudit for what is no log, or a broken one.
func OpenLog(dir string) (*Log, error) {
	path := filepath.Join(dir, AuditFileName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	l := &Log{file: f}
	if err := l.load(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w: move it away for whoever is to look into it; other members' logs complete a new one", path, err), f.Close())
	}
	return l, nil
}

// load finds the end, and makes it a good one.
func (l *Log) load(dir string) error {
	entries, good, err := readLog(l.file)
	if err != nil && !errors.Is(err, errTorn) {
		return err
	}
	for _, e := range entries {
		if err := l.follows(e); err != nil {
			return err
		}
		l.last = e.Head()
	}
	if err := l.file.Truncate(good); err != nil {
		return err
	}
	if _, err := l.file.Seek(good, io.SeekStart); err != nil {
		return err
	}
	if good == 0 {
		if _, err := l.file.Write(binary.BigEndian.AppendUint16([]byte(logMagic), logVersion)); err != nil {
			return err
		}
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	return syncDir(dir)
}

// follows asks whether an entry may be the next, perhaps after a gap.
func (l *Log) follows(e *AuditEntry) error {
	if e.Number <= l.last.Count {
		return fmt.Errorf("%w: entry %d comes after entry %d", ErrAudit, e.Number, l.last.Count)
	}
	if e.Number == l.last.Count+1 && e.Previous != l.last.Hash {
		return fmt.Errorf("%w: entry %d does not follow the entry %d that is here: the domain was forked", ErrAudit, e.Number, l.last.Count)
	}
	return nil
}

// Append adds the entry of a domain token that was installed, durably. The one that is last already changes nothing. Error:
// ErrAudit for an entry that cannot follow.
func (l *Log) Append(entry []byte) error {
	e, err := ParseEntry(entry)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Head() == l.last {
		return nil
	}
	if err := l.follows(e); err != nil {
		return err
	}
	end, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	_, err = l.file.Write(appendRecord(nil, entry))
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing the audit log: %w", errors.Join(err, l.file.Truncate(end)))
	}
	l.last = e.Head()
	return nil
}

// Complete fills the gaps of the log, and what is before its first entry, from another member's. What is added must be in one
// chain with what is here: the head in the domain token speaks for it. The file is replaced as a whole. It reports how many
// entries were added. Error: ErrAudit for entries of another line, or that do not chain.
func (l *Log) Complete(others []*AuditEntry) (added int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, err := l.read()
	if err != nil {
		return 0, err
	}
	if len(own) == 0 {
		return 0, fmt.Errorf("%w: there is no entry yet that others could follow", ErrAudit)
	}
	others = slices.DeleteFunc(slices.Clone(others), func(e *AuditEntry) bool { return e.Number > l.last.Count })
	all, err := MergeLogs(own, others)
	if err != nil || len(all) == len(own) {
		return 0, err
	}
	for i := 1; i < len(all); i++ {
		if all[i].Number != all[i-1].Number+1 || all[i].Previous != all[i-1].Head().Hash {
			return 0, fmt.Errorf("%w: entry %d does not follow entry %d: what is to be added must fill a gap", ErrAudit, all[i].Number, all[i-1].Number)
		}
	}
	path := l.file.Name()
	if err := writeFile(path, EncodeLog(all), true); err != nil {
		return 0, fmt.Errorf("completing the audit log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("completing the audit log: %w", err)
	}
	_ = l.file.Close() // the file that was replaced
	l.file = f
	return len(all) - len(own), nil
}

// read gives the entries of the file.
func (l *Log) read() ([]*AuditEntry, error) {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	entries, _, err := readLog(l.file)
	return entries, err
}

// Head is the last entry's; zeros: there is none.
func (l *Log) Head() AuditHead {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

func appendRecord(dst, entry []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(entry))), entry...)
}

// EncodeLog is the file of these entries.
func EncodeLog(entries []*AuditEntry) []byte {
	out := binary.BigEndian.AppendUint16([]byte(logMagic), logVersion)
	for _, e := range entries {
		out = appendRecord(out, e.Append(nil))
	}
	return out
}

// ReadLog reads a log file; what follows from what, VerifyLog says. Error: ErrAudit.
func ReadLog(r io.Reader) ([]*AuditEntry, error) {
	entries, _, err := readLog(r)
	if errors.Is(err, errTorn) {
		return nil, fmt.Errorf("%w: %w, after entry %d: the file was truncated; get it from another member", ErrAudit, errTorn, lastNumber(entries))
	}
	return entries, err
}

func lastNumber(entries []*AuditEntry) uint64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Number
}

// readLog gives the whole entries and how many bytes they take. Errors: errTorn, ErrAudit, the reader's.
func readLog(r io.Reader) (entries []*AuditEntry, good int64, err error) {
	var header [logHeader]byte
	switch n, err := io.ReadFull(r, header[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		return nil, 0, errTorn
	case errors.Is(err, io.ErrUnexpectedEOF) && bytes.HasPrefix([]byte(logMagic+"\x00\x01"), header[:n]):
		return nil, 0, errTorn
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, 0, fmt.Errorf("reading an audit log: %w", err)
	case err != nil || string(header[:len(logMagic)]) != logMagic:
		return nil, 0, fmt.Errorf("%w: this is no audit log", ErrAudit)
	}
	if v := binary.BigEndian.Uint16(header[len(logMagic):]); v != logVersion {
		return nil, 0, fmt.Errorf("%w: it has format %d, this program knows %d: use the version of trent that wrote it", ErrAudit, v, logVersion)
	}
	good = logHeader
	for {
		entry, err := readRecord(r)
		if errors.Is(err, io.EOF) {
			return entries, good, nil
		}
		if err != nil {
			return entries, good, err
		}
		e, err := ParseEntry(entry)
		if err != nil {
			return entries, good, fmt.Errorf("%w: what follows entry %d is damaged", ErrAudit, lastNumber(entries))
		}
		entries = append(entries, e)
		good += int64(4 + len(entry))
	}
}

// readRecord reads one. Errors: io.EOF at the end, errTorn, ErrAudit, the reader's.
func readRecord(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, torn(err, errors.Is(err, io.EOF))
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > uint32(MaxEntry) {
		return nil, fmt.Errorf("%w: a record of %d bytes is longer than any entry: it is damaged", ErrAudit, n)
	}
	entry := make([]byte, n)
	_, err := io.ReadFull(r, entry)
	return entry, torn(err, false)
}

func torn(err error, atEnd bool) error {
	switch {
	case err == nil, atEnd:
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errTorn
	}
	return fmt.Errorf("reading an audit log: %w", err)
}

// Replayed is an entry of a verified log with what it did.
type Replayed struct {
	*AuditEntry
	Before, After *State // Before is nil at the creation
	Signers       []Fingerprint
}

// VerifyLog does every command of a log again, from the creation or from base on, the state before its first entry; each must
// be signed as the state before it asked, and the last must lead to newest (nil: nobody knows), the state of the newest domain
// token. What is missing, altered, out of order or of another line of states is an ErrAudit that says where.
func VerifyLog(entries []*AuditEntry, base, newest *State) ([]Replayed, error) {
	if err := complete(entries, base); err != nil {
		return nil, err
	}
	all := make([]Replayed, 0, len(entries))
	s := base
	for _, e := range entries {
		after, signers, err := e.Replay(s)
		if err != nil {
			return all, err
		}
		all = append(all, Replayed{e, s, after, signers})
		s = after
	}
	return all, reaches(s, newest)
}

// complete looks for gaps and for what is out of order.
func complete(entries []*AuditEntry, base *State) error {
	if len(entries) == 0 {
		return fmt.Errorf("%w: it is empty", ErrAudit)
	}
	first := uint64(1)
	if base != nil {
		first = base.Number + 1
	}
	if entries[0].Number != first {
		return fmt.Errorf("%w: it begins with entry %d, not %d: merge it with the log of a member that was there before", ErrAudit, entries[0].Number, first)
	}
	for i := 1; i < len(entries); i++ {
		last, n := entries[i-1].Number, entries[i].Number
		switch {
		case n <= last:
			return fmt.Errorf("%w: entry %d comes after entry %d: entries were moved or added", ErrAudit, n, last)
		case n > last+1:
			return fmt.Errorf("%w: the entries between %d and %d are missing: merge it with the log of a member that was in service then", ErrAudit, last, n)
		}
	}
	return nil
}

// reaches compares where the log ends with the newest state known.
func reaches(end, newest *State) error {
	switch {
	case newest == nil:
		return nil
	case end.Domain != newest.Domain:
		return fmt.Errorf("%w: it is the log of domain %s (%x), the token is of %s (%x)", ErrAudit, end.Name, end.Domain, newest.Name, newest.Domain)
	case end.Number < newest.Number:
		return fmt.Errorf("%w: it ends with entry %d, and the domain is at %d: it is old or was truncated", ErrAudit, end.Number, newest.Number)
	case end.Number > newest.Number:
		return fmt.Errorf("%w: it goes on to entry %d, and the token is of state %d: get the newest domain token", ErrAudit, end.Number, newest.Number)
	case end.Hash() != newest.Hash():
		return fmt.Errorf("%w: entry %d leads to another state than the domain token's: the domain was forked", ErrAudit, end.Number)
	}
	return nil
}

// MergeLogs joins the logs of several members into one. Error: ErrAudit when they hold different entries of one number.
func MergeLogs(logs ...[]*AuditEntry) ([]*AuditEntry, error) {
	byNumber := map[uint64]*AuditEntry{}
	for _, log := range logs {
		for _, e := range log {
			if other, ok := byNumber[e.Number]; ok && other.Head() != e.Head() {
				return nil, fmt.Errorf("%w: there are two different entries %d: the domain was forked", ErrAudit, e.Number)
			}
			byNumber[e.Number] = e
		}
	}
	all := make([]*AuditEntry, 0, len(byNumber))
	for _, e := range byNumber {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *AuditEntry) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return all, nil
}
