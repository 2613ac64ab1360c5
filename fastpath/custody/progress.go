package custody

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"trent/hsm"
)

// Progress is what a cycle has seen and done since its start.
type Progress struct {
	Keys      []hsm.DomainKeyInfo
	Period    time.Duration
	Scheduled bool           // keys rotate by themselves
	Under     map[uint32]int // tokens by domain key, by the last walk; nil: none yet
	Lost      int            // of these, under keys that the domain does not have
	Rewrapped uint64         // tokens
	Moving    bool           // a walk is under way that has met tokens to re-encrypt
	Dropped   uint64         // keys
	Walks     uint64
	Trouble   string // of the last step; empty: none
}

func (c *Cycle) note(f func(p *Progress)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.progress)
}

// Progress is that of this moment.
func (c *Cycle) Progress() Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.progress
	p.Keys, p.Under = slices.Clone(p.Keys), maps.Clone(p.Under)
	return p
}

// moved counts a token that was re-encrypted.
func (p *Progress) moved(from, to uint32) {
	p.Rewrapped++
	if p.Under[from] == 0 { // no walk has counted it yet
		return
	}
	if p.Under[from]--; p.Under[from] == 0 {
		delete(p.Under, from)
	}
	p.Under[to]++
}

// State is where the rotation stands, in a word: waiting for a member, re-encrypting, retiring older keys, or idle.
func (p *Progress) State() string {
	if _, pending := inPhase(p.Keys, hsm.DomainKeyPending); pending {
		return "pending"
	}
	active, ok := inPhase(p.Keys, hsm.DomainKeyActive)
	switch {
	case !ok:
		return "unknown"
	case p.Moving:
		return "re-encrypting"
	case p.Under == nil:
		return "counting"
	}
	for _, k := range p.Keys {
		if k.Version != active.Version && p.Under[k.Version] > 0 {
			return "re-encrypting"
		}
	}
	if len(p.Keys) > 1 {
		return "retiring"
	}
	return "idle"
}

var states = [...]string{"unknown", "counting", "pending", "re-encrypting", "retiring", "idle"}

// WriteMetrics writes the progress in Prometheus text, ages as of now.
func (c *Cycle) WriteMetrics(w io.Writer) {
	p, now := c.Progress(), c.o.Clock()
	fmt.Fprint(w, "# TYPE trent_domain_tokens gauge\n")
	for _, version := range slices.Sorted(maps.Keys(p.Under)) {
		fmt.Fprintf(w, "trent_domain_tokens{version=\"%d\"} %d\n", version, p.Under[version])
	}
	fmt.Fprintf(w, "# TYPE trent_domain_tokens_rewrapped_total counter\ntrent_domain_tokens_rewrapped_total %d\n", p.Rewrapped)
	fmt.Fprintf(w, "# TYPE trent_domain_keys_dropped_total counter\ntrent_domain_keys_dropped_total %d\n", p.Dropped)
	fmt.Fprintf(w, "# TYPE trent_domain_keys gauge\ntrent_domain_keys %d\n", len(p.Keys))
	if k, ok := inPhase(p.Keys, hsm.DomainKeyActive); ok && !k.Activated.IsZero() {
		fmt.Fprintf(w, "# TYPE trent_domain_active_key_age_seconds gauge\ntrent_domain_active_key_age_seconds %.0f\n", now.Sub(k.Activated).Seconds())
	}
	fmt.Fprint(w, "# TYPE trent_domain_rotation_state gauge\n")
	for _, s := range states {
		in := 0
		if s == p.State() {
			in = 1
		}
		fmt.Fprintf(w, "trent_domain_rotation_state{state=%q} %d\n", s, in)
	}
}
