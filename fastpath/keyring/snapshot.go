package keyring

import "trent/hsm"

// missing is the snapshot of no key.
func missing(id ID) *Snapshot {
	s := &Snapshot{ARN: id.ARN(), Missing: true}
	s.ID = within(s.ARN, id)
	return s
}

func snapshotOf(r *Record, key *hsm.Key, public []byte) Snapshot {
	arn := r.ARN()
	return Snapshot{
		ID:            within(arn, r.ID),
		ARN:           arn,
		Revision:      r.Revision,
		Created:       r.Created,
		Deletion:      r.Deletion,
		Current:       key,
		Public:        public,
		MultiRegion:   r.MultiRegion,
		State:         r.State,
		Spec:          r.Spec,
		Usage:         r.Usage,
		Origin:        r.Origin,
		Manager:       r.Manager,
		Store:         r.Store,
		ExpiresMillis: r.nextExpiry(),
	}
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
