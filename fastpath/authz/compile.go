package authz

import "crypto/sha256"

// Compiled is a policy as Decide reads it. Immutable, shared by all that have the same text.
type Compiled struct {
	Kind   Kind
	Hash   [sha256.Size]byte // of the document's bytes
	Source *Policy
	Text   string // the document; empty for key policies, which have a store, and trust policies

	denies, allows  []statement
	denied, allowed actionSet // by any of denies, of allows
	withoutAnyAllow bool      // no Allow at all, whatever the actions
}

// statement is one statement in its compiled form.
type statement struct {
	index      int // in Source
	actions    actionSet
	principals *principalSet // nil: the kind of policy has no principals, everybody is meant
	except     bool          // principals is a NotPrincipal element
	anything   bool          // every resource is meant
	resources  []pattern     // else
	excluded   bool          // resources is a NotResource element
	conditions []condition
}

// Compile turns a parsed policy of a kind into its decision structure; document is the text it was parsed from.
func Compile(kind Kind, document []byte, p *Policy) *Compiled {
	c := &Compiled{Kind: kind, Hash: sha256.Sum256(document), Source: p, withoutAnyAllow: true}
	if kind != KindKey && kind != KindTrust {
		c.Text = string(document)
	}
	for i := range p.Statements {
		s := &p.Statements[i]
		compiled := compileStatement(kind, s, p.Version == Version2012)
		compiled.index = i
		if s.Allow {
			c.withoutAnyAllow = false
			c.allows = append(c.allows, compiled)
			c.allowed.join(&compiled.actions)
		} else {
			c.denies = append(c.denies, compiled)
			c.denied.join(&compiled.actions)
		}
	}
	return c
}

func compileStatement(kind Kind, s *Statement, variables bool) statement {
	var out statement
	switch {
	case s.Actions != nil:
		out.actions = actionsOf(s.Actions, false)
	case s.NotActions != nil:
		out.actions = actionsOf(s.NotActions, true)
	}
	switch {
	case s.Principals != nil:
		out.principals = compilePrincipals(s.Principals)
	case s.NotPrincipals != nil:
		out.principals, out.except = compilePrincipals(s.NotPrincipals), true
	}
	switch {
	case s.Resources != nil:
		out.resources = compileResources(s.Resources, variables)
		for i := range out.resources {
			out.anything = out.anything || out.resources[i].everything()
		}
	case s.NotResources != nil:
		out.resources, out.excluded = compileResources(s.NotResources, variables), true
	case kind == KindTrust: // the role is the only resource
		out.anything = true
	default: // without a resource the statement has no effect
		out.actions = actionSet{}
	}
	for i := range s.Conditions {
		out.conditions = append(out.conditions, compileCondition(&s.Conditions[i], variables))
	}
	return out
}

// compileResources leaves out what nothing matches.
func compileResources(list []string, variables bool) []pattern {
	out := make([]pattern, 0, len(list))
	for _, s := range list {
		if p, ok := compilePattern(s, true, variables); ok {
			out = append(out, p.withinParts())
		}
	}
	return out
}

// deny is the index of the first Deny that covers the request; -1: there is none.
func (c *Compiled) deny(r *Request) int {
	for i := range c.denies {
		s := &c.denies[i]
		if s.actions.has(r.Action) && s.denies(r.Caller) && s.concerns(r) && s.holds(r) {
			return s.index
		}
	}
	return -1
}

// allow finds the Allow that covers the request most directly, of equal ones the first.
func (c *Compiled) allow(r *Request) (index int, how cover) {
	index = -1
	if !c.allowed.has(r.Action) {
		return index, coverNone
	}
	for i := range c.allows {
		s := &c.allows[i]
		if !s.actions.has(r.Action) {
			continue
		}
		if as := s.allows(r.Caller); as > how && s.concerns(r) && s.holds(r) {
			index, how = s.index, as
			if how == coverDirect {
				break
			}
		}
	}
	return index, how
}

// allows tells how the statement, an Allow, means the caller. A NotPrincipal element leaves out everybody of whom it names
// anything.
func (s *statement) allows(c *Caller) cover {
	switch {
	case s.principals == nil:
		return coverDirect
	case !s.except:
		return s.principals.covers(c)
	case s.principals.covers(c) == coverNone:
		return coverDirect
	}
	return coverNone
}

// denies tells whether the statement, a Deny, means the caller.
func (s *statement) denies(c *Caller) bool {
	switch {
	case s.principals == nil:
		return true
	case s.except:
		return !s.principals.spares(c)
	}
	return s.principals.covers(c) != coverNone
}

// concerns tells whether the statement is about the request's resource.
func (s *statement) concerns(r *Request) bool {
	if s.anything {
		return true
	}
	for i := range s.resources {
		if s.resources[i].matches(r, r.Resource) {
			return !s.excluded
		}
	}
	return s.excluded
}

// holds tells whether all conditions hold.
func (s *statement) holds(r *Request) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(r) {
			return false
		}
	}
	return true
}
