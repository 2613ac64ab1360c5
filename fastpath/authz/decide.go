package authz

import "strings"

// Decide decides on a request (IAM User Guide, "Policy evaluation logic"; AWS KMS Developer Guide, "Determining access
// to AWS KMS keys"). It allocates nothing unless a condition names a fact that has to be worded first.
//
// An explicit Deny of any policy comes before everything. Then resource control, service control and endpoint policies
// must allow; and then the resource's policy, with the caller's own policies where it leaves it to them, or a grant.
func Decide(r *Request) Decision {
	if d, denied := r.denied(); denied {
		return r.refuse(d)
	}
	if kind := r.limited(); kind != KindNone {
		return r.refuse(missing(kind))
	}
	d := r.permitted()
	if d.Allowed {
		return d
	}
	if r.Grants != nil {
		if id, ok := r.Grants.Permit(r); ok {
			return Decision{Allowed: true, Reason: AllowedByGrant, Kind: KindGrant, Statement: -1, Grant: id, AlsoStatement: -1}
		}
	}
	return r.refuse(d)
}

// missing is the implicit denial for want of a policy of a kind.
func missing(kind Kind) Decision {
	return Decision{Reason: DeniedImplicitly, Kind: kind, Statement: -1, AlsoStatement: -1}
}

// home tells whether the caller is of the account that owns the resource.
func (r *Request) home() bool {
	return r.Caller.Account == r.ResourceAccount && r.Caller.Account != "" && (r.Partition == "" || r.Caller.Partition == r.Partition)
}

// refuse is a denial as the caller may know it: those from elsewhere do not learn why. The other members stay, for records.
func (r *Request) refuse(d Decision) Decision {
	if !r.home() {
		d.Reason = DeniedElsewhere
	}
	return d
}

// denied looks for an explicit Deny.
func (r *Request) denied() (Decision, bool) {
	if r.controlled() {
		if d, ok := deniedByLevels(r, r.ResourceControl, KindResourceControl); ok && r.Action != ActionRetireGrant {
			return d, true
		}
		if d, ok := deniedByLevels(r, r.Caller.Policies.ServiceControl, KindServiceControl); ok {
			return d, true
		}
	}
	if r.Endpoint != nil && r.Endpoint.Policy != nil {
		if d, ok := deniedBy(r, r.Endpoint.Policy, KindEndpoint); ok {
			return d, true
		}
	}
	if r.Policy != nil {
		if d, ok := deniedBy(r, r.Policy, r.Policy.Kind); ok {
			return d, true
		}
	}
	own := &r.Caller.Policies
	if d, ok := deniedByAny(r, own.Identity, KindIdentity); ok {
		return d, true
	}
	if own.Boundary != nil {
		if d, ok := deniedBy(r, own.Boundary, KindBoundary); ok {
			return d, true
		}
	}
	return deniedByAny(r, own.Session, KindSession)
}

func deniedBy(r *Request, p *Compiled, kind Kind) (Decision, bool) {
	i, ok := p.deny(r)
	if !ok {
		return Decision{}, false
	}
	return Decision{Reason: DeniedExplicitly, Kind: kind, Policy: p, Statement: i, AlsoStatement: -1}, true
}

func deniedByAny(r *Request, list []*Compiled, kind Kind) (Decision, bool) {
	for _, p := range list {
		if d, ok := deniedBy(r, p, kind); ok {
			return d, true
		}
	}
	return Decision{}, false
}

func deniedByLevels(r *Request, levels [][]*Compiled, kind Kind) (Decision, bool) {
	for _, level := range levels {
		if d, ok := deniedByAny(r, level, kind); ok {
			return d, true
		}
	}
	return Decision{}, false
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

// limited is the kind of policy that ought to allow and does not, of those that give nothing by themselves.
func (r *Request) limited() Kind {
	if r.controlled() {
		// A resource control policy cannot allow, but for the one that allows everything and is attached everywhere; a level
		// where it was left out has it.
		if r.Action != ActionRetireGrant {
			for _, level := range r.ResourceControl {
				if !allowedByAny(r, level) && !onlyDenies(level) {
					return KindResourceControl
				}
			}
		}
		for _, level := range r.Caller.Policies.ServiceControl {
			if !allowedByAny(r, level) {
				return KindServiceControl
			}
		}
	}
	if r.Endpoint != nil && r.Endpoint.Policy != nil {
		if _, how := r.Endpoint.Policy.allow(r); how == coverNone {
			return KindEndpoint
		}
	}
	return KindNone
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

// permitted is what the resource's policy and the caller's own policies say.
func (r *Request) permitted() Decision {
	home := r.home()
	if r.Policy == nil {
		if !home {
			return missing(KindKey)
		}
		p, i, kind := r.ownPermission()
		if kind != KindNone {
			return missing(kind)
		}
		return Decision{Allowed: true, Reason: AllowedByPolicy, Kind: KindIdentity, Policy: p, Statement: i, AlsoStatement: -1}
	}
	i, how := r.Policy.allow(r)
	if how == coverNone {
		return missing(r.Policy.Kind)
	}
	d := Decision{Allowed: true, Reason: AllowedByPolicy, Kind: r.Policy.Kind, Policy: r.Policy, Statement: i, AlsoStatement: -1}
	switch c := r.Caller; {
	case c.Type == CallerService || c.Type == CallerAnonymous, home && how == coverDirect:
		return d
	case home && how == coverEntity:
		if kind := r.confined(); kind != KindNone {
			return missing(kind)
		}
		return d
	}
	also, index, kind := r.ownPermission()
	if kind != KindNone {
		return missing(kind)
	}
	d.Also, d.AlsoStatement = also, index
	return d
}

// ownPermission is the identity policy and statement that allow the request within the caller's account; no policy, where
// the caller is the account's root user, who needs none. Else kind is what is missing.
func (r *Request) ownPermission() (p *Compiled, index int, kind Kind) {
	c := r.Caller
	switch c.Type {
	case CallerAccount:
		return nil, -1, KindNone
	case CallerService, CallerAnonymous:
		return nil, -1, KindIdentity
	}
	p, index = firstAllowing(r, c.Policies.Identity)
	if p == nil {
		return nil, -1, KindIdentity
	}
	return p, index, r.confined()
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
