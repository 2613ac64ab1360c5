package fastpath

import (
	"sync"
	"sync/atomic"

	"trent/fastpath/identity"
	"trent/fastpath/sigv4"
	"trent/fastpath/sts"
)

// credentials adapts the directory and what STS has made to the verifiers.
type credentials struct {
	directory *identity.Directory
	sessions  *sts.Service

	current  atomic.Pointer[adapted]
	adapting sync.Mutex
}

// adapted are the credentials of one snapshot of the directory.
type adapted struct {
	generation uint64
	byID       map[string]*sigv4.Credential
}

// Lookup implements sigv4.Credentials: what is declared comes before what STS made.
func (c *credentials) Lookup(accessKeyID, token []byte) (*sigv4.Credential, error) {
	snapshot := c.directory.Current()
	all := c.current.Load()
	if all == nil || all.generation != snapshot.Generation {
		all = c.adapt(snapshot)
	}
	if found := all.byID[string(accessKeyID)]; found != nil || len(token) == 0 {
		return found, nil
	}
	return c.sessions.Lookup(accessKeyID, token)
}

// adapt makes the verifiers' form of a snapshot's credentials.
func (c *credentials) adapt(snapshot *identity.Snapshot) *adapted {
	c.adapting.Lock()
	defer c.adapting.Unlock()
	if all := c.current.Load(); all != nil && all.generation == snapshot.Generation {
		return all
	}
	all := &adapted{generation: snapshot.Generation, byID: map[string]*sigv4.Credential{}}
	for _, known := range snapshot.All() {
		all.byID[known.AccessKeyID] = &sigv4.Credential{
			AccessKeyID: known.AccessKeyID, Secret: known.Secret, SessionToken: known.SessionToken, Expires: known.Expires, Principal: known,
		}
	}
	// A reader that is behind may put an older form in place; the next request makes the newer one again.
	c.current.Store(all)
	return all
}
