package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrAudit is an audit log that does not show what it should.
var ErrAudit = errors.New("domain: the audit log is not right")

// AuditEntry is a command that was done. The audit log of a domain has one for each of its states:
//
//	offset  size  what
//	0       8     "trentaud"
//	8       2     0001, the version of this format
//	10      8     number of the entry, from 1; also of the state that the command made
//	18      8     time at which that state was made, milliseconds since 1970
//	26      32    hash of the entry before; zeros in the first
//	58      32    outcome: SHA-256 of "trent domain outcome" ‖ that state, encoded with an empty audit head
//	90      32    check value of the domain key that was made; zeros: none
//	122           bytes (u16 length ‖ bytes) public recovery key that was made; empty: none
//	        4     n
//	        n     the command with its signatures, which say what was done and who wanted it
//
// The hash of an entry is SHA-256 of "trent audit entry" ‖ all of it; the last one's is the head, which is in the state and so
// in every domain token. The hash of the state itself, which the head is part of, is in the command of the next entry. With
// the state before it an entry has all that is needed to make the state after it: Replay does, and so shows every state that
// the domain ever had. A domain token has the entry of its state inside.
type AuditEntry struct {
	Number   uint64
	Time     time.Time
	Previous [32]byte
	Outcome  [32]byte
	Check    [32]byte
	Recovery []byte
	Signed   []byte
}

const (
	auditMagic   = "trentaud"
	auditVersion = 1
	// MaxEntry is the most bytes of an entry.
	MaxEntry = 122 + 2 + keySize + 4 + MaxCommand
)

// Conclude sets the audit head of a state that a signed command made of parent (nil: it is the first), once everything else
// in it is final, and gives the entry, encoded: it belongs into the state's domain token, so that whoever gets the token can
// keep the log, and verify the step.
func (s *State) Conclude(parent *State, signed []byte) (entry []byte) {
	e := s.entry(parent, signed)
	s.Audit = e.Head()
	return e.Append(nil)
}

// entry is the log's entry of the step from parent to s.
func (s *State) entry(parent *State, signed []byte) *AuditEntry {
	e := &AuditEntry{Number: 1, Time: s.Made, Outcome: s.outcome(), Signed: signed}
	var keys []KeyInfo
	var recovery []byte
	if parent != nil {
		e.Number, e.Previous = parent.Audit.Count+1, parent.Audit.Hash
		keys, recovery = parent.Keys, parent.Recovery.Key
	}
	for _, k := range s.Keys {
		if !slices.ContainsFunc(keys, func(old KeyInfo) bool { return old.Version == k.Version }) {
			e.Check = k.Check
		}
	}
	if !bytes.Equal(s.Recovery.Key, recovery) {
		e.Recovery = s.Recovery.Key
	}
	return e
}

func (s *State) outcome() [32]byte {
	bare := *s
	bare.Audit = AuditHead{}
	return sha256.Sum256(bare.AppendState([]byte("trent domain outcome")))
}

// Head is the log's head once this entry is its last.
func (e *AuditEntry) Head() AuditHead {
	return AuditHead{Count: e.Number, Hash: sha256.Sum256(e.Append([]byte("trent audit entry")))}
}

// Append appends the entry's encoding.
func (e *AuditEntry) Append(dst []byte) []byte {
	dst = append(dst, auditMagic...)
	dst = binary.BigEndian.AppendUint16(dst, auditVersion)
	dst = binary.BigEndian.AppendUint64(dst, e.Number)
	dst = appendTime(dst, e.Time)
	dst = append(dst, e.Previous[:]...)
	dst = append(dst, e.Outcome[:]...)
	dst = append(dst, e.Check[:]...)
	dst = appendShort(dst, e.Recovery)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Signed)))
	return append(dst, e.Signed...)
}

// ParseEntry reads what Append writes and nothing else. Error: ErrAudit.
func ParseEntry(b []byte) (*AuditEntry, error) {
	r := &reader{b: b}
	r.expect(auditMagic)
	r.require(r.u16() == auditVersion)
	e := &AuditEntry{Number: r.u64(), Time: r.time(), Previous: r.hash(), Outcome: r.hash(), Check: r.hash(), Recovery: r.key(true)}
	n := r.u32()
	r.require(uint64(n) == uint64(len(r.b)) && n <= MaxCommand)
	if r.bad || e.Number == 0 || (e.Number == 1) != (e.Previous == [32]byte{}) || e.Time.IsZero() {
		return nil, fmt.Errorf("%w: an entry is damaged", ErrAudit)
	}
	e.Signed = bytes.Clone(r.b)
	return e, nil
}

// Replay does an entry's command again: it is the state after the entry, given the one before (nil: none), and whose
// signatures had it done. Error: ErrAudit where that state's rules would not have allowed it, or the entry claims another outcome.
func (e *AuditEntry) Replay(parent *State) (*State, []Fingerprint, error) {
	last := AuditHead{}
	if parent != nil {
		last = parent.Audit
	}
	if e.Number != last.Count+1 || e.Previous != last.Hash {
		return nil, nil, fmt.Errorf("%w: entry %d does not follow entry %d of this domain", ErrAudit, e.Number, last.Count)
	}
	next, signers, err := redo(parent, e.Signed, e.Time)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: entry %d: %w", ErrAudit, e.Number, err)
	}
	next.fill(parent, e.Check, e.Recovery)
	if next.Made != e.Time || next.outcome() != e.Outcome {
		return nil, nil, fmt.Errorf("%w: entry %d claims another outcome than its command has", ErrAudit, e.Number)
	}
	next.Audit = e.Head()
	return next, signers, nil
}

// redo is a command's successor at a time that is past, by whichever module did it.
func redo(parent *State, signed []byte, at time.Time) (*State, []Fingerprint, error) {
	c, signatures, err := ParseCommand(signed)
	if err != nil {
		return nil, nil, err
	}
	if err := c.applies(parent, at); err != nil {
		return nil, nil, err
	}
	signers, err := c.signedBy(parent, signed, signatures)
	if err != nil {
		return nil, nil, err
	}
	next, _, err := parent.Successor(c, signed, signers, at)
	return next, signers, err
}

// fill sets what whoever executed the command made.
func (s *State) fill(parent *State, check [32]byte, recovery []byte) {
	for i := range s.Keys {
		k := &s.Keys[i]
		made := k.Check == [32]byte{} // what is restored has one already
		if made && (parent == nil || !slices.ContainsFunc(parent.Keys, func(old KeyInfo) bool { return old.Version == k.Version })) {
			k.Check = check
		}
	}
	if recovery != nil {
		s.Recovery.Key = recovery
	}
}

// EntryOf reads the entry in a token of state s. Error: ErrAudit when it is not the one that s has as its audit head.
func (s *State) EntryOf(entry []byte) (*AuditEntry, error) {
	e, err := ParseEntry(entry)
	if err != nil {
		return nil, err
	}
	if e.Head() != s.Audit {
		return nil, fmt.Errorf("%w: the state's head is not its entry's", ErrAudit)
	}
	return e, nil
}

// Step verifies that the command in an entry, signed as the rules of parent (nil: none) ask, makes next of it: a member that
// exports another state than was commanded is found out. Error: ErrAudit.
func Step(parent, next *State, entry []byte) error {
	e, err := next.EntryOf(entry)
	if err != nil {
		return err
	}
	again, _, err := e.Replay(parent)
	if err != nil {
		return err
	}
	if again.Hash() != next.Hash() {
		return fmt.Errorf("%w: the domain token holds another state than its command makes", ErrAudit)
	}
	return nil
}
