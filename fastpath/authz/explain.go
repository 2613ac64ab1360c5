package authz

import (
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Explanation is a decision with all that it rests on: every policy that bears on the request and every statement, whether it
// applies, and if not, why. It is slow, and for people and programs that ask why; Decide decides.
type Explanation struct {
	Allowed  bool              `json:"allowed"`
	Reason   string            `json:"reason"` // in words
	Caller   string            `json:"caller"`
	Action   string            `json:"action"`
	Resource string            `json:"resource"`
	Steps    []ExplainedStep   `json:"steps"` // as they were taken; the last one decided
	Policies []ExplainedPolicy `json:"policies"`
	Grant    string            `json:"grant,omitempty"` // that permits the request, whether or not it was needed
	Decision Decision          `json:"-"`
}

// ExplainedStep is one step of the decision.
type ExplainedStep struct {
	Step    string `json:"step"`
	Outcome string `json:"outcome"`
}

// ExplainedPolicy is a policy that bears on the request.
type ExplainedPolicy struct {
	Kind       string               `json:"kind"`
	Level      int                  `json:"level,omitempty"` // of an organization's policies, from 1, the root
	Hash       string               `json:"sha256"`          // of the document, in hex
	Outcome    string               `json:"outcome"`         // "denies", "allows", or "says nothing"
	Statements []ExplainedStatement `json:"statements"`
	kind       Kind
	allows     cover
}

// ExplainedStatement is a statement and whether it applies to the request.
type ExplainedStatement struct {
	Index      int                  `json:"index"` // from 0
	Sid        string               `json:"sid,omitempty"`
	Effect     string               `json:"effect"`
	Applies    bool                 `json:"applies"`
	Deciding   bool                 `json:"deciding,omitempty"`
	Names      string               `json:"names,omitempty"`  // "caller", "role" or "account": what of the caller the statement names
	Failed     string               `json:"failed,omitempty"` // the first element that does not match: Action, Principal, Resource, Condition
	Why        string               `json:"why,omitempty"`
	Conditions []ExplainedCondition `json:"conditions,omitempty"` // of statements whose other elements match
	Text       json.RawMessage      `json:"text,omitempty"`       // the statement itself, of those that decide
}

// ExplainedCondition is a condition, what the request has, and whether it holds.
type ExplainedCondition struct {
	Operator string   `json:"operator"`
	Key      string   `json:"key"`
	Values   []string `json:"values"`
	Present  bool     `json:"present"`           // the request has the key
	Request  []string `json:"request,omitempty"` // the request's values
	Holds    bool     `json:"holds"`
}

// Explain decides on a request as Decide does, and says why.
func Explain(r *Request) Explanation {
	e := Explanation{Caller: r.Caller.ARN, Action: r.Action.String(), Resource: r.Resource, Decision: Decide(r)}
	e.Allowed = e.Decision.Allowed
	e.policies(r)
	if r.Grants != nil {
		if id, ok := r.Grants.Permit(r); ok {
			e.Grant = strings.Clone(id)
		}
	}
	e.steps(r)
	e.Reason = e.Decision.words(e.Action)
	return e
}

// policies lists all that bear on the request.
func (e *Explanation) policies(r *Request) {
	own := &r.Caller.Policies
	if r.controlled() {
		if r.Action != ActionRetireGrant {
			e.levels(r, KindResourceControl, r.ResourceControl)
		}
		e.levels(r, KindServiceControl, own.ServiceControl)
	}
	if r.Endpoint != nil && r.Endpoint.Policy != nil {
		e.policy(r, KindEndpoint, 0, r.Endpoint.Policy)
	}
	if r.Policy != nil {
		e.policy(r, r.Policy.Kind, 0, r.Policy)
	}
	for _, p := range own.Identity {
		e.policy(r, KindIdentity, 0, p)
	}
	if own.Boundary != nil {
		e.policy(r, KindBoundary, 0, own.Boundary)
	}
	for _, p := range own.Session {
		e.policy(r, KindSession, 0, p)
	}
}

func (e *Explanation) levels(r *Request, kind Kind, levels [][]*Compiled) {
	for i, level := range levels {
		for _, p := range level {
			e.policy(r, kind, i+1, p)
		}
	}
}

func (e *Explanation) policy(r *Request, kind Kind, level int, c *Compiled) {
	p := ExplainedPolicy{Kind: kind.String(), Level: level, Hash: hex.EncodeToString(c.Hash[:]), Outcome: "says nothing", kind: kind}
	p.Statements = make([]ExplainedStatement, len(c.Source.Statements))
	for _, list := range [][]statement{c.denies, c.allows} {
		for i := range list {
			s := &list[i]
			p.Statements[s.index] = s.explain(r, &c.Source.Statements[s.index])
		}
	}
	if d := &e.Decision; d.Policy == c && d.Kind == kind && d.Statement >= 0 {
		p.Statements[d.Statement].decides(&c.Source.Statements[d.Statement])
	}
	if d := &e.Decision; d.Also == c && kind == KindIdentity && d.AlsoStatement >= 0 {
		p.Statements[d.AlsoStatement].decides(&c.Source.Statements[d.AlsoStatement])
	}
	for i := range p.Statements {
		switch s := &p.Statements[i]; {
		case !s.Applies:
		case s.Effect == "Deny":
			p.Outcome = "denies"
		default:
			p.allows = max(p.allows, coverNamed(s.Names))
			if p.Outcome != "denies" {
				p.Outcome = "allows"
			}
		}
	}
	e.Policies = append(e.Policies, p)
}

// decides marks a statement that decides.
func (e *ExplainedStatement) decides(source *Statement) {
	e.Deciding = true
	e.Text, _ = source.MarshalJSON() // strings alone
}

// explain goes through the elements of a statement in the order in which Decide does.
func (s *statement) explain(r *Request, source *Statement) ExplainedStatement {
	e := ExplainedStatement{Index: s.index, Sid: source.Sid, Effect: "Deny"}
	means := coverNone
	if source.Allow {
		e.Effect = "Allow"
		means = s.allows(r.Caller)
	} else if s.denies(r.Caller) {
		means = coverDirect
		if s.principals != nil && !s.except {
			means = s.principals.covers(r.Caller)
		}
	}
	switch {
	case !s.actions.has(r.Action):
		e.Failed, e.Why = "Action", source.whyAction(r.Action.String(), s.anything || s.resources != nil)
		return e
	case means == coverNone:
		e.Failed, e.Why = "Principal", source.whyPrincipal(r.Caller)
		return e
	case !s.concerns(r):
		e.Failed, e.Why = "Resource", source.whyResource(r.Resource)
		return e
	}
	e.Names = means.String()
	e.Applies = true
	for i := range s.conditions {
		c := s.conditions[i].explain(r, &source.Conditions[i])
		e.Conditions = append(e.Conditions, c)
		if !c.Holds && e.Applies {
			e.Applies = false
			e.Failed, e.Why = "Condition", c.why()
		}
	}
	return e
}

func (c *condition) explain(r *Request, source *Condition) ExplainedCondition {
	e := ExplainedCondition{Operator: source.Operator, Key: source.Key, Values: source.Values}
	values, present := r.values(c.key, c.name)
	e.Present = present && len(values) > 0
	if e.Present {
		for _, v := range values { // they may be views
			e.Request = append(e.Request, strings.Clone(v))
		}
	}
	e.Holds = c.holds(r)
	return e
}

// outcome sums up the policies of a kind: what they do, and how the strongest Allow names the caller.
func (e *Explanation) outcome(kind Kind, level int) (denies bool, allows cover, listed bool) {
	for i := range e.Policies {
		p := &e.Policies[i]
		if p.kind == kind && (level == 0 || p.Level == level) {
			listed = true
			denies = denies || p.Outcome == "denies"
			allows = max(allows, p.allows)
		}
	}
	return denies, allows, listed
}

// kindsInOrder is the order in which Decide looks for an explicit Deny; the resource's own policy comes as its kind.
func kindsInOrder(r *Request) []Kind {
	resource := KindKey
	if r.Policy != nil {
		resource = r.Policy.Kind
	}
	return []Kind{KindResourceControl, KindServiceControl, KindEndpoint, resource, KindIdentity, KindBoundary, KindSession}
}
