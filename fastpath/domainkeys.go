package fastpath

import (
	"context"
	"fmt"
	"io"
	"time"

	"trent/fastpath/custody"
	"trent/hsm"
)

// startCustody keeps the domain keys young, where a domain is given.
func (s *Server) startCustody(o custody.Options) {
	if o.Domain == nil {
		return
	}
	o.Module, o.Tokens, o.Pool, o.Logf = s.module, s.keys, s.pool, s.logf
	s.custody = custody.New(o)
	s.work.Go(func() { _ = s.custody.Run(s.ctx) }) // ends with ctx, its only error
}

// RotateDomain rotates the domain keys at once; their tokens are re-encrypted after it returned. With a version, an error means
// that this key is pending.
func (s *Server) RotateDomain(ctx context.Context) (version uint32, err error) {
	if s.custody == nil {
		return 0, badCommand("this server's HSM has no domain keys that rotate")
	}
	return s.custody.RotateNow(ctx)
}

// DomainRotation is what a rotation on command came to.
type DomainRotation struct {
	Version uint32 `json:"version"`           // of the new key
	Pending string `json:"pending,omitempty"` // why it does not seal yet
}

func (s *Server) rotateDomain(ctx context.Context) (any, error) {
	version, err := s.RotateDomain(ctx)
	if err != nil && version == 0 {
		return nil, fmt.Errorf("rotating domain keys: %w", err)
	}
	r := DomainRotation{Version: version}
	if err != nil {
		r.Pending = err.Error()
	}
	return r, nil
}

// DomainStatus is what the administration shows of the domain keys.
type DomainStatus struct {
	State     string            `json:"state"`            // unknown, counting, pending, re-encrypting, retiring or idle
	Active    uint32            `json:"active"`           // version that seals
	Since     time.Time         `json:"activeSince"`      // when it began to
	Period    string            `json:"rotation"`         // how often keys rotate
	Keys      map[uint32]string `json:"keys"`             // phases by version
	Tokens    map[uint32]int    `json:"tokens,omitempty"` // in the store, by version, when last counted
	Lost      int               `json:"lostTokens,omitempty"`
	Rewrapped uint64            `json:"rewrapped"` // since the start
	Trouble   string            `json:"trouble,omitempty"`
}

func (s *Server) domainStatus() *DomainStatus {
	if s.custody == nil {
		return nil
	}
	p := s.custody.Progress()
	d := &DomainStatus{State: p.State(), Period: "off", Keys: map[uint32]string{}, Tokens: p.Under, Lost: p.Lost, Rewrapped: p.Rewrapped, Trouble: p.Trouble}
	if p.Scheduled {
		d.Period = p.Period.String()
	}
	for _, k := range p.Keys {
		d.Keys[k.Version] = k.Phase.String()
		if k.Phase == hsm.DomainKeyActive {
			d.Active, d.Since = k.Version, k.Activated
		}
	}
	return d
}

func (s *Server) writeDomainMetrics(w io.Writer) {
	if s.custody != nil {
		s.custody.WriteMetrics(w)
	}
}
