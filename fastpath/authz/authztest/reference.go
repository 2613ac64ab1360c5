// Package authztest is the reference for decisions: the rules of policy evaluation written down once more, slowly and
// plainly, over parsed documents. Tests hold authz.Decide against it. It shares no code with the package that it judges but
// the types of its question, and is no part of the product.
//
// It is pure and safe for concurrent use.
package authztest

import (
	"slices"
	"strings"

	"trent/fastpath/authz"
)

// Verdict is what the reference says of a request.
type Verdict struct {
	Allowed  bool
	Explicit bool // denied by a Deny statement
}

// Evaluate decides by the rules of the IAM User Guide ("Policy evaluation logic") and of the AWS KMS Developer Guide
// ("Determining access to AWS KMS keys"), in their own order.
func Evaluate(r *authz.Request) Verdict {
	e := evaluation{r: r}
	if e.deniedExplicitly() {
		return Verdict{Explicit: true}
	}
	if !e.withinOrganization() || !e.throughEndpoint() {
		return Verdict{}
	}
	if r.Grants != nil {
		if _, ok := r.Grants.Permit(r); ok {
			return Verdict{Allowed: true}
		}
	}
	return Verdict{Allowed: e.allowedByPolicy()}
}

type evaluation struct{ r *authz.Request }

// deniedExplicitly: one matching Deny anywhere is enough.
func (e evaluation) deniedExplicitly() bool {
	p := &e.r.Caller.Policies
	all := slices.Concat([]*authz.Compiled{e.r.Policy, p.Boundary}, p.Identity, p.Session)
	for _, level := range p.ServiceControl {
		all = append(all, level...)
	}
	for _, level := range e.r.ResourceControl {
		all = append(all, level...)
	}
	if e.r.Endpoint != nil {
		all = append(all, e.r.Endpoint.Policy)
	}
	for _, policy := range all {
		if policy == nil {
			continue
		}
		for i := range policy.Source.Statements {
			s := &policy.Source.Statements[i]
			if !s.Allow && e.about(policy, s) && e.denies(s) {
				return true
			}
		}
	}
	return false
}

// withinOrganization: every level of service control and resource control policies must allow.
func (e evaluation) withinOrganization() bool {
	for _, levels := range [][][]*authz.Compiled{e.r.Caller.Policies.ServiceControl, e.r.ResourceControl} {
		for _, level := range levels {
			if !e.anyAllows(level) {
				return false
			}
		}
	}
	return true
}

func (e evaluation) throughEndpoint() bool {
	return e.r.Endpoint == nil || e.r.Endpoint.Policy == nil || e.anyAllows([]*authz.Compiled{e.r.Endpoint.Policy})
}

// anyAllows tells whether one of the policies has a matching Allow, for whomever of the caller's names it is.
func (e evaluation) anyAllows(policies []*authz.Compiled) bool {
	for _, policy := range policies {
		for i := range policy.Source.Statements {
			s := &policy.Source.Statements[i]
			if s.Allow && e.about(policy, s) && (s.Principals == nil && s.NotPrincipals == nil || e.allowsTo(s) != nobody) {
				return true
			}
		}
	}
	return false
}

// allowedByPolicy puts together what the resource's policy and the caller's own allow.
func (e evaluation) allowedByPolicy() bool {
	c := e.r.Caller
	own := c.Account != "" && c.Account == e.r.ResourceAccount && c.Partition == e.r.Partition
	identity := c.Type == authz.CallerAccount || e.anyAllows(c.Policies.Identity)
	boundary := c.Policies.Boundary == nil || e.anyAllows([]*authz.Compiled{c.Policies.Boundary})
	session := c.Policies.Session == nil || e.anyAllows(c.Policies.Session)
	if e.r.Policy == nil {
		return own && identity && boundary && session
	}
	given := e.givenByResource()
	switch {
	case c.Type == authz.CallerService || c.Type == authz.CallerAnonymous:
		return given[itself]
	case !own:
		return (given[itself] || given[itsRole] || given[itsAccount]) && identity && boundary && session
	case given[itself]:
		// A user's session (GetFederationToken) has its session policy; a user has none.
		return true
	case given[itsRole] && boundary && session:
		return true
	}
	return given[itsAccount] && identity && boundary && session
}

// Whom an Allow statement of a resource's policy names.
type whom int

const (
	nobody     whom = iota
	itself          // the session, the user, the service, or everybody
	itsRole         // the role, of whose sessions the caller is one
	itsAccount      // the account, which decides by its own policies
)

func (e evaluation) givenByResource() map[whom]bool {
	given := map[whom]bool{}
	for i := range e.r.Policy.Source.Statements {
		s := &e.r.Policy.Source.Statements[i]
		if s.Allow && e.about(e.r.Policy, s) {
			given[e.allowsTo(s)] = true
			if e.allowsTo(s) == itself && e.names(s.Principals, itsRole) {
				given[itsRole] = true
			}
			if e.names(s.Principals, itsAccount) {
				given[itsAccount] = true
			}
		}
	}
	delete(given, nobody)
	return given
}

// allowsTo is the narrowest name of the caller that an Allow statement is for.
func (e evaluation) allowsTo(s *authz.Statement) whom {
	if s.NotPrincipals != nil {
		for _, w := range []whom{itself, itsRole, itsAccount} {
			if e.names(s.NotPrincipals, w) {
				return nobody
			}
		}
		return itself
	}
	for _, w := range []whom{itself, itsRole, itsAccount} {
		if e.names(s.Principals, w) {
			return w
		}
	}
	return nobody
}

// denies tells whether a Deny statement is for the caller: under any of its names, or, with NotPrincipal, unless all of its
// names are spared.
func (e evaluation) denies(s *authz.Statement) bool {
	if s.NotPrincipals != nil {
		if e.r.Caller.Policies.Boundary != nil {
			return true // IAM User Guide, NotPrincipal: always denied with a permissions boundary
		}
		if e.names(s.NotPrincipals, itself) && isEverybody(s.NotPrincipals) {
			return false
		}
		for _, w := range e.namesNeeded() {
			if !e.names(s.NotPrincipals, w) {
				return true
			}
		}
		return false
	}
	if s.Principals == nil {
		return true
	}
	return e.names(s.Principals, itself) || e.names(s.Principals, itsRole) || e.names(s.Principals, itsAccount)
}

// namesNeeded are the names that NotPrincipal must hold to spare the caller (IAM User Guide, "NotPrincipal": session,
// role and account together).
func (e evaluation) namesNeeded() []whom {
	switch e.r.Caller.Type {
	case authz.CallerAccount:
		return []whom{itsAccount}
	case authz.CallerAssumedRole:
		return []whom{itself, itsRole, itsAccount}
	case authz.CallerService, authz.CallerAnonymous:
		return []whom{itself}
	}
	return []whom{itself, itsAccount}
}

func isEverybody(list []authz.Principal) bool {
	return slices.ContainsFunc(list, func(p authz.Principal) bool { return p.Name == "*" })
}

// names tells whether a list names the caller in one way.
func (e evaluation) names(list []authz.Principal, how whom) bool {
	c := e.r.Caller
	root := "arn:" + c.Partition + ":iam::" + c.Account + ":root"
	for _, p := range list {
		var hit whom
		switch {
		case p.Kind == authz.Anyone, p.Kind == authz.AWSPrincipal && p.Name == "*":
			hit = itself // the two forms are equivalent (IAM User Guide, "Principal")
		case p.Kind == authz.ServicePrincipal:
			if c.Type == authz.CallerService && p.Name == c.Service {
				hit = itself
			}
		case p.Kind == authz.FederatedPrincipal:
			if c.Federated != "" && p.Name == c.Federated {
				hit = itself
			}
		case p.Kind != authz.AWSPrincipal || c.Type == authz.CallerService || c.Type == authz.CallerAnonymous:
		case p.Name == root || p.Name == c.Account:
			hit = itsAccount
		case p.Name == c.ARN:
			hit = itself
		case c.Type == authz.CallerAssumedRole && (p.Name == c.Role || p.Name == c.UniqueID && c.UniqueID != ""):
			hit = itsRole
		case c.UniqueID != "" && p.Name == c.UniqueID:
			hit = itself
		}
		if hit == how {
			return true
		}
	}
	return false
}

// about tells whether a statement's action, resource and conditions fit the request.
func (e evaluation) about(policy *authz.Compiled, s *authz.Statement) bool {
	action := strings.ToLower(e.r.Action.String())
	fits := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return like(strings.ToLower(p), action) })
	}
	switch {
	case s.Actions == nil && s.NotActions == nil, s.Actions != nil && !fits(s.Actions), s.NotActions != nil && fits(s.NotActions):
		return false
	}
	variables := policy.Source.Version == authz.Version2012
	covers := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return e.resourceLike(p, variables) })
	}
	switch {
	case policy.Kind == authz.KindTrust && s.Resources == nil && s.NotResources == nil:
	case s.Resources == nil && s.NotResources == nil, s.Resources != nil && !covers(s.Resources), s.NotResources != nil && covers(s.NotResources):
		return false
	}
	for i := range s.Conditions {
		if !e.holds(&s.Conditions[i], variables) {
			return false
		}
	}
	return true
}

// resourceLike compares the parts of two ARNs; the last part may have colons of its own.
func (e evaluation) resourceLike(pattern string, variables bool) bool {
	if pattern == "*" {
		return true
	}
	want, ok := e.expand(pattern, variables)
	if !ok {
		return false
	}
	patterns, parts := splitPattern(want, 6), strings.SplitN(e.r.Resource, ":", 6)
	if len(patterns) != 6 || len(parts) != 6 {
		return false
	}
	for i := range parts {
		if !likeRunes(patterns[i], []rune(parts[i])) {
			return false
		}
	}
	return true
}
