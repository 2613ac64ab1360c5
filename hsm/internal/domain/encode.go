package domain

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// Bounds of a state.
const (
	MaxMembers      = 64
	MaxSigners      = 250 // an operator's share has a number of one byte
	maxAlternatives = 16
	maxRequirements = 8

	stateMagic   = "trds"
	stateVersion = 1
)

// AppendState appends the one encoding of s, as the package comment draws it. It does not judge s: DecodeState does.
func (s *State) AppendState(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, stateMagic...), stateVersion)
	dst = append(dst, s.Domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, s.Number)
	dst = append(dst, s.Parent[:]...)
	dst = appendTime(dst, s.Made)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Rotation))
	dst = binary.BigEndian.AppendUint64(dst, s.Audit.Count)
	dst = append(dst, s.Audit.Hash[:]...)
	dst = appendLabel(dst, s.Name)
	dst = appendShort(dst, s.Recovery.Key)
	dst = append(dst, s.Recovery.Threshold)
	dst = append(dst, byte(len(s.Members)))
	for i := range s.Members {
		dst = s.Members[i].appendTo(dst)
	}
	dst = append(dst, byte(len(s.Signers)))
	for i := range s.Signers {
		dst = s.Signers[i].appendTo(dst)
	}
	dst = append(dst, byte(len(s.Rules)))
	for i := range s.Rules {
		dst = s.Rules[i].appendTo(dst)
	}
	return appendKeys(dst, s.Keys)
}

// appendKeys writes a list of domain keys.
func appendKeys(dst []byte, keys []KeyInfo) []byte {
	dst = append(dst, byte(len(keys)))
	for _, k := range keys {
		dst = append(binary.BigEndian.AppendUint32(dst, k.Version), byte(k.Phase))
		dst = appendTime(appendTime(appendTime(dst, k.Made), k.Activated), k.Ended)
		dst = append(dst, k.Check[:]...)
	}
	return dst
}

func (h *HSM) appendTo(dst []byte) []byte {
	return appendShort(appendShort(appendShort(appendLabel(dst, h.Name), h.Signing), h.Agreement), h.KEM)
}

func (p *Principal) appendTo(dst []byte) []byte {
	return appendShort(appendShort(append(appendLabel(dst, p.Name), byte(p.Role)), p.Signing), p.Agreement)
}

func (r *Rule) appendTo(dst []byte) []byte {
	dst = append(dst, byte(r.Command), byte(len(r.Any)))
	for _, all := range r.Any {
		dst = append(dst, byte(len(all)))
		for _, q := range all {
			dst = append(dst, byte(q.Role), q.N)
		}
	}
	return dst
}

// Hash is what a successor carries as Parent: SHA-256 of the encoded state.
func (s *State) Hash() [32]byte { return sha256.Sum256(s.AppendState(nil)) }

// DecodeState reads what AppendState writes and nothing else: keys are points of the curve, lists are sorted without
// duplicates, there is a member, and one key is active. Error: ErrToken.
func DecodeState(b []byte) (*State, error) {
	r := &reader{b: b}
	s := &State{}
	r.expect(stateMagic)
	r.require(r.u16() == stateVersion)
	s.Domain = r.id()
	s.Number = r.u64()
	s.Parent = r.hash()
	s.Made = r.time()
	rotation := r.u64()
	r.require(rotation <= math.MaxInt64)
	s.Rotation = time.Duration(rotation)
	s.Audit.Count = r.u64()
	s.Audit.Hash = r.hash()
	s.Name = r.label()
	s.Recovery.Key = r.key(true)
	s.Recovery.Threshold = r.u8()
	s.Members = list(r, MaxMembers, (*reader).member, func(h *HSM) Fingerprint { return FingerprintOf(h.Signing) })
	s.Signers = list(r, MaxSigners, (*reader).principal, func(p *Principal) Fingerprint { return FingerprintOf(p.Signing) })
	s.Rules = list(r, int(lastCommandKind), (*reader).rule, func(q *Rule) Fingerprint { return Fingerprint{byte(q.Command)} })
	s.Keys = r.keys()
	active := 0
	for _, k := range s.Keys {
		if k.Phase == Active {
			active++
		}
	}
	r.require(len(r.b) == 0 && s.Domain != [idSize]byte{} && s.Number > 0 && validName(s.Name) && len(s.Members) > 0 && active == 1)
	r.require((s.Number == 1) == (s.Parent == [32]byte{}))
	if r.bad || !bytes.Equal(s.AppendState(make([]byte, 0, len(b))), b) {
		return nil, ErrToken
	}
	return s, nil
}

// list reads a count and as many things, by order strictly ascending.
func list[T any](r *reader, most int, read func(*reader) T, order func(*T) Fingerprint) []T {
	n := r.count(int(r.u8()), most)
	var all []T
	var last Fingerprint
	for i := range n {
		one := read(r)
		if r.bad {
			return nil
		}
		at := order(&one)
		r.require(i == 0 || bytes.Compare(last[:], at[:]) < 0)
		last = at
		all = append(all, one)
	}
	return all
}

func (r *reader) member() HSM {
	h := HSM{Name: r.label(), Signing: r.key(false), Agreement: r.key(false)}
	if n := int(r.u16()); n > 0 {
		h.KEM = bytes.Clone(r.take(n))
		_, err := mlkem.NewEncapsulationKey1024(h.KEM)
		r.require(err == nil)
	}
	return h
}

func (r *reader) principal() Principal {
	p := Principal{Name: r.label(), Role: Role(r.u8()), Signing: r.key(false), Agreement: r.key(true)}
	r.require(p.Role == Operator || p.Role == ServiceHost && p.Agreement == nil)
	return p
}

func (r *reader) rule() Rule {
	q := Rule{Command: CommandKind(r.u8())}
	r.require(q.Command >= CreateDomain && q.Command <= lastCommandKind)
	for range r.count(int(r.u8()), maxAlternatives) {
		var all []Requirement
		for range r.count(int(r.u8()), maxRequirements) {
			one := Requirement{Role: Role(r.u8()), N: r.u8()}
			r.require(one.Role == Operator || one.Role == ServiceHost)
			all = append(all, one)
		}
		q.Any = append(q.Any, all)
	}
	return q
}

func (r *reader) keys() []KeyInfo {
	return list(r, MaxKeys, (*reader).keyInfo, func(k *KeyInfo) (f Fingerprint) {
		binary.BigEndian.PutUint32(f[:], k.Version)
		return f
	})
}

func (r *reader) keyInfo() KeyInfo {
	k := KeyInfo{Version: r.u32(), Phase: Phase(r.u8()), Made: r.time(), Activated: r.time(), Ended: r.time(), Check: r.hash()}
	r.require(k.Version > 0 && k.Phase >= Pending && k.Phase <= Exposed)
	return k
}
