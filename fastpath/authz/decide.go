package authz

import "strings"

// Decide decides on a request (IAM User Guide, "Policy evaluation logic"; AWS KMS Developer Guide, "Determining access
// to AWS KMS keys"). It allocates nothing unless a condition names a fact that has to be worded first.
//
// An explicit Deny of any policy comes before everything. Then resource control, service control and endpoint policies
// must allow; and then the resource's policy, with the caller's own policies where it leaves it to them, or a grant.
func Decide(r *Request) Decision {
	var d Decision
	d.Statement, d.AlsoStatement = -1, -1
	r.decide(&d)
	return d
}

// decide fills d, whose statements are -1. (To hand it down costs less than to hand it up through every step.)
func (r *Request) decide(d *Decision) {
	home := r.home()
	controlled := r.controlled()
	switch {
	case r.denied(d, controlled):
		d.Reason = DeniedExplicitly
	case r.limited(d, controlled):
		d.Reason = DeniedImplicitly
	case r.permitted(d, home):
		d.Allowed, d.Reason = true, AllowedByPolicy
		return
	case r.granted(d):
		d.Allowed, d.Reason, d.Kind = true, AllowedByGrant, KindGrant
		return
	default:
		d.Reason = DeniedImplicitly
	}
	if !home { // those from elsewhere do not learn why; the other members stay, for records
		d.Reason = DeniedElsewhere
	}
}

// home tells whether the caller is of the account that owns the resource.
func (r *Request) home() bool {
	return r.Caller.Account == r.ResourceAccount && r.Caller.Account != "" && (r.Partition == "" || r.Caller.Partition == r.Partition)
}

// denied looks for an explicit Deny.
func (r *Request) denied(d *Decision, controlled bool) bool {
	own := &r.Caller.Policies
	if controlled {
		if r.Action != ActionRetireGrant && deniedByLevels(d, r, r.ResourceControl, KindResourceControl) ||
			deniedByLevels(d, r, own.ServiceControl, KindServiceControl) {
			return true
		}
	}
	if r.Endpoint != nil && r.Endpoint.Policy != nil && deniedBy(d, r, r.Endpoint.Policy, KindEndpoint) ||
		r.Policy != nil && deniedBy(d, r, r.Policy, r.Policy.Kind) {
		return true
	}
	return deniedByAny(d, r, own.Identity, KindIdentity) ||
		own.Boundary != nil && deniedBy(d, r, own.Boundary, KindBoundary) ||
		deniedByAny(d, r, own.Session, KindSession)
}

func deniedBy(d *Decision, r *Request, p *Compiled, kind Kind) bool {
	if !p.denied.has(r.Action) {
		return false
	}
	i := p.deny(r)
	if i < 0 {
		return false
	}
	d.Kind, d.Policy, d.Statement = kind, p, i
	return true
}

func deniedByAny(d *Decision, r *Request, list []*Compiled, kind Kind) bool {
	for _, p := range list {
		if deniedBy(d, r, p, kind) {
			return true
		}
	}
	return false
}

func deniedByLevels(d *Decision, r *Request, levels [][]*Compiled, kind Kind) bool {
	for _, level := range levels {
		if deniedByAny(d, r, level, kind) {
			return true
		}
	}
	return false
}

// controlled tells whether an organization's policies apply: not to service-linked roles (AWS Organizations User Guide,
// "Service control policies", "Resource control policies").
func (r *Request) controlled() bool {
	if r.ResourceControl == nil && r.Caller.Policies.ServiceControl == nil {
		return false
	}
	_, path, _ := strings.Cut(r.Caller.Role, ":role/")
	return !strings.HasPrefix(path, "aws-service-role/")
}

// limited tells whether a policy that ought to allow does not, of those that give nothing by themselves; d.Kind is which.
func (r *Request) limited(d *Decision, controlled bool) bool {
	if controlled {
		// A resource control policy cannot allow, but for the one that allows everything and is attached everywhere; a level
		// where it was left out has it.
		if r.Action != ActionRetireGrant {
			for _, level := range r.ResourceControl {
				if !allowedByAny(r, level) && !onlyDenies(level) {
					d.Kind = KindResourceControl
					return true
				}
			}
		}
		for _, level := range r.Caller.Policies.ServiceControl {
			if !allowedByAny(r, level) {
				d.Kind = KindServiceControl
				return true
			}
		}
	}
	if r.Endpoint != nil && r.Endpoint.Policy != nil {
		if _, how := r.Endpoint.Policy.allow(r); how == coverNone {
			d.Kind = KindEndpoint
			return true
		}
	}
	return false
}

func allowedByAny(r *Request, list []*Compiled) bool {
	p, _ := firstAllowing(r, list)
	return p != nil
}

func onlyDenies(list []*Compiled) bool {
	for _, p := range list {
		if !p.withoutAnyAllow {
			return false
		}
	}
	return true
}

func firstAllowing(r *Request, list []*Compiled) (*Compiled, int) {
	for _, p := range list {
		if i, how := p.allow(r); how != coverNone {
			return p, i
		}
	}
	return nil, -1
}

// permitted is what the resource's policy and the caller's own policies say. If they do not allow, d.Kind is what is
// missing.
func (r *Request) permitted(d *Decision, home bool) bool {
	if r.Policy == nil {
		if !home {
			d.Kind = KindKey
			return false
		}
		d.Policy, d.Statement, d.Kind = r.ownPermission()
		if d.Kind != KindNone {
			d.Policy, d.Statement = nil, -1
			return false
		}
		d.Kind = KindIdentity
		return true
	}
	d.Kind = r.Policy.Kind
	i, how := r.Policy.allow(r)
	switch c := r.Caller; {
	case how == coverNone:
		return false
	case c.Type == CallerService || c.Type == CallerAnonymous, home && how == coverDirect:
	case home && how == coverEntity:
		if kind := r.confined(); kind != KindNone {
			d.Kind = kind
			return false
		}
	default:
		also, index, kind := r.ownPermission()
		if kind != KindNone {
			d.Kind = kind
			return false
		}
		d.Also, d.AlsoStatement = also, index
	}
	d.Policy, d.Statement = r.Policy, i
	return true
}

// granted tells whether a grant permits.
func (r *Request) granted(d *Decision) bool {
	if r.Grants == nil {
		return false
	}
	id, ok := r.Grants.Permit(r)
	if ok {
		d.Grant = id
	}
	return ok
}

// ownPermission is the identity policy and statement that allow the request within the caller's account; no policy, where
// the caller is the account's root user, who needs none, or was federated by it. Else kind is what is missing.
func (r *Request) ownPermission() (p *Compiled, index int, kind Kind) {
	c := r.Caller
	switch {
	case c.Type == CallerAccount:
		return nil, -1, KindNone
	case c.Type == CallerService || c.Type == CallerAnonymous:
		return nil, -1, KindIdentity
	case c.federatedRoot():
		return nil, -1, r.confined()
	}
	p, index = firstAllowing(r, c.Policies.Identity)
	if p == nil {
		return nil, -1, KindIdentity
	}
	return p, index, r.confined()
}

// federatedRoot tells whether the caller is a federated user's session that the root user made: its session policies are all
// that limits it.
func (c *Caller) federatedRoot() bool {
	return c.Type == CallerFederated && strings.HasSuffix(c.Federator, ":root")
}

// confined is which of permissions boundary and session policies does not allow what they limit. A federated user's
// session without policies may do nothing (IAM User Guide, "Permissions for GetFederationToken").
func (r *Request) confined() Kind {
	own := &r.Caller.Policies
	if own.Boundary != nil {
		if _, how := own.Boundary.allow(r); how == coverNone {
			return KindBoundary
		}
	}
	if (own.Session != nil || r.Caller.Type == CallerFederated) && !allowedByAny(r, own.Session) {
		return KindSession
	}
	return KindNone
}
