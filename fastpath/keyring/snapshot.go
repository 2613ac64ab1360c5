package keyring

import (
	"trent/fastpath/authz"
	"trent/hsm"
)

// missing is the snapshot of no key.
func missing(id ID) *Snapshot {
	s := &Snapshot{}
	s.miss(id)
	return s
}

func (s *Snapshot) miss(id ID) {
	s.ARN, s.Missing = id.ARN(), true
	s.ID = within(s.ARN, id)
}

// set fills a new snapshot.
func (s *Snapshot) set(r *Record, key *hsm.Key, public []byte, policy *authz.Compiled) {
	s.ARN = r.ARN()
	s.ID = within(s.ARN, r.ID)
	s.Revision = r.Revision
	s.Created, s.Deletion = r.Created, r.Deletion
	s.Current, s.Public = key, public
	s.Policy = policy
	s.MultiRegion, s.State = r.MultiRegion, r.State
	s.Spec, s.Usage = r.Spec, r.Usage
	s.Origin, s.Manager = r.Origin, r.Manager
	s.Store = r.Store
	s.ExpiresMillis = r.nextExpiry()
}

// InState is a copy of the snapshot with another state.
func (s *Snapshot) InState(state State) *Snapshot {
	other := &Snapshot{
		ID: s.ID, ARN: s.ARN, Revision: s.Revision, Created: s.Created, Deletion: s.Deletion,
		Current: s.Current, Public: s.Public, Policy: s.Policy, Missing: s.Missing, MultiRegion: s.MultiRegion,
		State: state, Spec: s.Spec, Usage: s.Usage, Origin: s.Origin, Manager: s.Manager, Store: s.Store,
		ExpiresMillis: s.ExpiresMillis,
	}
	other.attributes.Store(s.attributes.Load())
	return other
}

// within is id with its parts as parts of its ARN, so that a snapshot has one string instead of five.
func within(arn string, id ID) ID {
	at := len(arnPrefix)
	next := func(n, gap int) string {
		part := arn[at : at+n]
		at += n + gap
		return part
	}
	return ID{
		Partition: next(len(id.Partition), len(":kms:")),
		Region:    next(len(id.Region), len(":")),
		Account:   next(len(id.Account), len(":key/")),
		Key:       next(len(id.Key), 0),
	}
}

// bytes is what the snapshot points to.
func (s *Snapshot) bytes() int {
	n := roundUp(len(s.ARN)) + roundUp(cap(s.Public)) + roundUp(len(s.Store))
	if s.Current != nil {
		n += keyBytes(s.Current)
	}
	return n
}

// keyBytes is what a key takes: 96 is the size class of hsm.Key.
func keyBytes(key *hsm.Key) int { return 96 + roundUp(len(key.Identity)+len(key.Token)) }

// roundUp approximates the allocator's size classes.
func roundUp(n int) int { return (n + n/16 + 15) &^ 15 }
