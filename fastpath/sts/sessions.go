package sts

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"

	"trent/fastpath/identity"
	"trent/fastpath/sigv4"
)

// Session is temporary credentials that were made here, opened. Immutable.
type Session struct {
	Credential identity.Credential
	signing    sigv4.Credential
	claims     *claims
	token      string
	hash       uint64 // of the token
	generation uint64 // of the directory that Credential was made of
}

// The table of opened sessions: sets of places, the set and the first place in it by the token's hash. A full set of live
// sessions loses one, which is opened again when it calls.
const (
	tableSets = 4096
	setPlaces = 8
)

type table struct {
	seed   maphash.Seed
	places [tableSets][setPlaces]atomic.Pointer[Session]
}

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

// hash is of a token: nobody outside can find two that agree.
func (t *table) hash(token []byte) uint64 { return maphash.Bytes(t.seed, token) }

// find looks an opened session up. It allocates nothing and takes no lock.
func (t *table) find(accessKeyID, token []byte, hash uint64) *Session {
	set, first := &t.places[hash%tableSets], hash/tableSets
	for i := range uint64(setPlaces) {
		s := set[(first+i)%setPlaces].Load()
		if s != nil && s.hash == hash && s.token == string(token) && s.Credential.AccessKeyID == string(accessKeyID) {
			return s
		}
	}
	return nil
}

// keep puts a session in: where it was, where nobody or one whose time is over is, else where it belongs first.
func (t *table) keep(s *Session, now time.Time) {
	set, first := &t.places[s.hash%tableSets], s.hash/tableSets%setPlaces
	at := first
	free := false
	for i := range uint64(setPlaces) {
		place := (first + i) % setPlaces
		old := set[place].Load()
		if old != nil && old.hash == s.hash && old.token == s.token {
			at = place
			break
		}
		if !free && (old == nil || !now.Before(old.Credential.Expires)) {
			at, free = place, true
		}
	}
	set[at].Store(s)
}

// Lookup finds the credential of an access key id that came with a session token; nil: the token is not one of this
// installation's, or not of this access key, or whom the session was made of is gone. What has expired is found all the
// same. Errors are trouble of the module or the store. An opened session costs no allocation and no lock.
func (s *Service) Lookup(accessKeyID, token []byte) (*sigv4.Credential, error) {
	hash := s.table.hash(token)
	snapshot := s.directory.Current()
	found := s.table.find(accessKeyID, token, hash)
	if found != nil && found.generation == snapshot.Generation {
		return &found.signing, nil
	}
	return s.open(snapshot, accessKeyID, token, hash, found)
}

// open makes a session of a token, or anew of one that an older directory was behind.
func (s *Service) open(snapshot *identity.Snapshot, accessKeyID, token []byte, hash uint64, old *Session) (*sigv4.Credential, error) {
	made := &Session{hash: hash, generation: snapshot.Generation}
	if old != nil {
		made.token, made.claims = old.token, old.claims
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), sealTimeout)
		defer cancel()
		c, err := s.sealer.open(ctx, string(accessKeyID), token)
		if err != nil || c == nil {
			return nil, err
		}
		made.token, made.claims = string(token), c
	}
	principal := s.revive(snapshot, string(accessKeyID), made.claims)
	if principal == nil {
		return nil, nil
	}
	c := made.claims
	made.Credential = identity.Credential{
		AccessKeyID: string(accessKeyID), Secret: identity.Secret(c.Secret), SessionToken: made.token, Expires: c.expires(),
		Principal: *principal, Session: made,
	}
	made.signing = sigv4.Credential{
		AccessKeyID: made.Credential.AccessKeyID, Secret: made.Credential.Secret, SessionToken: made.token, TokenMatched: true,
		Expires: made.Credential.Expires, Principal: &made.Credential,
	}
	if now := s.clock(); now.Before(made.Credential.Expires) {
		s.table.keep(made, now)
	}
	return &made.signing, nil
}

// revive makes the principal of a session.
func (s *Service) revive(snapshot *identity.Snapshot, accessKeyID string, c *claims) *identity.Principal {
	with := identity.Session{
		Name: c.Name, AccessKeyID: accessKeyID, Issued: c.issued(), Tags: c.Tags, SourceIdentity: c.SourceIdentity,
		Federated: c.Provider, FederatedProvider: c.Provider, Policies: s.sessionPolicies(snapshot, c),
	}
	if c.MFA != 0 {
		with.MFA = time.Unix(c.MFA, 0)
	}
	return snapshot.Revive(identity.Maker{Partition: c.Partition, Account: c.Account, ARN: c.Of, UniqueID: c.UniqueID}, c.Federated, &with)
}
