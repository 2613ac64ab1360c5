package authz

// presence says whether an element may or must be in a statement.
type presence uint8

const (
	optional presence = iota
	required
	forbidden
)

// grammar is what the statements of a kind of policy must have and may not have. Of principal, action and resource
// "required" asks for the element or its negation.
type grammar struct {
	name                        string // with its article, for errors
	principal, action, resource presence
	notPrincipal, notAction     presence
	version                     presence // required: 2012-10-17 must be given
	everybody                   bool     // Principal is "*"
	denyOnly                    bool     // an Allow is of everything
}

// grammars by kind: IAM User Guide, "Grammar of the IAM JSON policy language" and its elements; AWS KMS Developer Guide,
// "Key policies"; AWS Organizations User Guide, "SCP syntax", "RCP syntax"; AWS PrivateLink Guide, "Endpoint policies".
var grammars = [numKinds]grammar{
	KindKey:             {name: "a key policy", principal: required},
	KindIdentity:        {name: "an identity policy", principal: forbidden, action: required, resource: required},
	KindBoundary:        {name: "a permissions boundary", principal: forbidden, action: required, resource: required},
	KindSession:         {name: "a session policy", principal: forbidden, action: required, resource: required},
	KindServiceControl:  {name: "a service control policy", principal: forbidden, action: required, resource: required, version: required},
	KindResourceControl: {name: "a resource control policy", principal: required, action: required, resource: required, notPrincipal: forbidden, notAction: forbidden, version: required, everybody: true, denyOnly: true},
	KindEndpoint:        {name: "a VPC endpoint policy", principal: required, action: required, resource: required},
	KindTrust:           {name: "a trust policy", principal: required, action: required, resource: forbidden, notPrincipal: forbidden},
}

// elements checks which elements a statement has; at is where, by name.
func (p *parser) elements(n *node, at map[string]int, s *Statement) {
	g := &grammars[p.kind]
	if _, ok := at["Effect"]; !ok {
		p.fail(n.at, "a statement has no Effect")
	}
	for _, e := range []struct {
		name          string
		plain, negate presence
	}{{"Principal", g.principal, g.notPrincipal}, {"Action", g.action, g.notAction}, {"Resource", g.resource, optional}} {
		where, given := at[e.name]
		not, negated := at["Not"+e.name]
		switch {
		case given && negated:
			p.fail(not, "a statement has both %s and Not%s", e.name, e.name)
		case given && e.plain == forbidden:
			p.fail(where, "%s has no %s", g.name, e.name)
		case negated && (e.plain == forbidden || e.negate == forbidden):
			p.fail(not, "%s has no Not%s", g.name, e.name)
		case !given && !negated && e.plain == required && e.negate == forbidden:
			p.fail(n.at, "a statement has no %s, as %s needs", e.name, g.name)
		case !given && !negated && e.plain == required:
			p.fail(n.at, "a statement has neither %s nor Not%s, as %s needs", e.name, e.name, g.name)
		}
	}
	if where, ok := at["Principal"]; ok && g.everybody && !(len(s.Principals) == 1 && s.Principals[0].Kind == Anyone) {
		p.fail(where, "the Principal of %s is \"*\"", g.name)
	}
	if where, ok := at["Effect"]; ok && g.denyOnly && s.Allow && !s.everything() {
		p.fail(where, "%s allows everything or denies: an Allow has Action and Resource \"*\" and no Condition", g.name)
	}
}

// everything tells whether the statement is that of the policy that every resource has in an organization
// (RCPFullAWSAccess).
func (s *Statement) everything() bool {
	only := func(list []string) bool { return len(list) == 1 && list[0] == "*" }
	return only(s.Actions) && only(s.Resources) && len(s.Conditions) == 0
}
