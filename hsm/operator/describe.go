package operator

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"trent/hsm"
)

// Describe says in words what a command does to s, nil at a creation, a line each: what an operator reads before signing.
func Describe(s *hsm.DomainState, c *Command) []string {
	var d description
	switch c.Kind {
	case CreateDomain:
		d.add("create the domain %s by module %s", c.Name, c.Target)
		d.members(nil, c.Members)
		d.signers(nil, c.Signers)
		d.rules(nil, c.Rules)
		d.add("rotate domain keys every %v", c.Rotation)
		d.add("%s the domain", sharesRecover(c.Threshold))
	case ModifyMembers:
		d.members(s, c.Members)
	case ModifySigners:
		d.signers(s, c.Signers)
		d.rules(s, c.Rules)
		if c.Threshold > 0 {
			d.add("make a new recovery key: %s the domain, older shares do not", sharesRecover(c.Threshold))
		}
	case ModifyRules:
		d.rules(s, c.Rules)
		if s == nil || s.Rotation != c.Rotation {
			d.add("rotate domain keys every %v", c.Rotation)
		}
	case RotateKeys:
		d.add("make a new domain key, pending")
	case ActivateKey:
		d.add("seal by domain key %d from now on", c.Version)
	case DropKey:
		d.add("drop domain key %d, under which %d tokens were found at %s: what is still under it is lost", c.Version, c.Statement.Tokens, stamp(c.Statement.Counted))
	case LeaveDomain:
		d.add("module %s erases all it has, its own keys too", d.module(s, c.Target))
	case RecoverDomain:
		d.add("recover the domain in module %s by %d operators' shares", c.Target, len(c.Shares))
		d.members(s, c.Members)
		d.add("make a new recovery key: %s the domain, older shares do not", sharesRecover(c.Threshold))
	case RestoreKeys:
		for _, k := range c.Keys {
			d.add("bring back domain key %d of %s, to re-encrypt what a backup has under it", k.Version, stamp(k.Made))
		}
	}
	if len(d) == 0 {
		d.add("%s changes nothing", c.Kind)
	}
	return d
}

func sharesRecover(n uint8) string {
	if n == 1 {
		return "1 operator's share recovers"
	}
	return fmt.Sprintf("%d operators' shares recover", n)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type description []string

func (d *description) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *description) module(s *hsm.DomainState, f hsm.Fingerprint) string {
	if s != nil {
		for _, m := range s.Members {
			if FingerprintOf(m.Signing) == f {
				return m.Name + " (" + f.String() + ")"
			}
		}
	}
	return f.String()
}

// members says who joins, goes and changes; whatever goes makes the keys rotate.
func (d *description) members(s *hsm.DomainState, next []hsm.DomainHSM) {
	var old []hsm.DomainHSM
	if s != nil {
		old = s.Members
	}
	gone := false
	for _, m := range old {
		if !slices.ContainsFunc(next, func(n hsm.DomainHSM) bool { return bytes.Equal(m.Signing, n.Signing) }) {
			d.add("remove module %s (%s)", m.Name, FingerprintOf(m.Signing))
			gone = true
		}
	}
	for _, n := range next {
		i := slices.IndexFunc(old, func(m hsm.DomainHSM) bool { return bytes.Equal(m.Signing, n.Signing) })
		if i < 0 {
			d.add("add module %s (%s)%s", n.Name, FingerprintOf(n.Signing), kemWords(n.KEM))
			continue
		}
		if old[i].Name != n.Name {
			d.add("name module %s (%s) %s", old[i].Name, FingerprintOf(n.Signing), n.Name)
		}
		if !bytes.Equal(old[i].Agreement, n.Agreement) || !bytes.Equal(old[i].KEM, n.KEM) {
			d.add("give module %s (%s) other agreement keys%s", n.Name, FingerprintOf(n.Signing), kemWords(n.KEM))
			gone = true
		}
	}
	if gone {
		d.add("make a new domain key and seal by it at once")
	}
}

// byRole sorts for people.
func byRole(all []hsm.DomainPrincipal) []hsm.DomainPrincipal {
	return slices.SortedFunc(slices.Values(all), func(a, b hsm.DomainPrincipal) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
	})
}

func kemWords(kem []byte) string {
	if len(kem) == 0 {
		return ", which has no post-quantum key"
	}
	return ""
}

func (d *description) signers(s *hsm.DomainState, next []hsm.DomainPrincipal) {
	var old []hsm.DomainPrincipal
	if s != nil {
		old = s.Signers
	}
	gone := false
	for _, p := range old {
		if !slices.ContainsFunc(next, func(q hsm.DomainPrincipal) bool { return bytes.Equal(p.Signing, q.Signing) }) {
			d.add("remove %s %s (%s)", p.Role, p.Name, FingerprintOf(p.Signing))
			gone = gone || p.Role == ServiceHost
		}
	}
	for _, q := range byRole(next) {
		i := slices.IndexFunc(old, func(p hsm.DomainPrincipal) bool { return bytes.Equal(p.Signing, q.Signing) })
		if i < 0 {
			d.add("add %s %s (%s)", q.Role, q.Name, FingerprintOf(q.Signing))
			continue
		}
		if old[i].Name != q.Name {
			d.add("name %s %s (%s) %s", old[i].Role, old[i].Name, FingerprintOf(q.Signing), q.Name)
		}
		if old[i].Role != q.Role {
			d.add("%s %s becomes %s", old[i].Role, q.Name, q.Role)
			gone = gone || old[i].Role == ServiceHost
		}
		if old[i].Role == q.Role && !bytes.Equal(old[i].Agreement, q.Agreement) {
			d.add("give %s %s another agreement key", q.Role, q.Name)
		}
	}
	if gone {
		d.add("make a new domain key and seal by it at once")
	}
}

// rules says which differ, those that are the same together.
func (d *description) rules(s *hsm.DomainState, next []hsm.DomainRule) {
	var order []string
	kinds := map[string][]string{}
	for _, r := range next {
		words := r.Words()
		if s != nil && slices.ContainsFunc(s.Rules, func(old hsm.DomainRule) bool { return old.Command == r.Command && old.Words() == words }) {
			continue
		}
		if kinds[words] == nil {
			order = append(order, words)
		}
		kinds[words] = append(kinds[words], r.Command.String())
	}
	for _, words := range order {
		d.add("want %s for %s", words, strings.Join(kinds[words], ", "))
	}
}
