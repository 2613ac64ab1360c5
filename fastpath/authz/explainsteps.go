package authz

import (
	"fmt"
	"strings"
)

var coverNames = [...]string{"", "account", "role", "caller"}

// String is what of the caller is named: "caller" for the user or the session itself, and for everybody.
func (c cover) String() string { return coverNames[c] }

func coverNamed(name string) cover {
	for c, n := range coverNames {
		if n == name {
			return cover(c)
		}
	}
	return coverNone
}

func (e *Explanation) step(step, outcome string, args ...any) {
	e.Steps = append(e.Steps, ExplainedStep{step, fmt.Sprintf(outcome, args...)})
}

// steps draws the decision again from what the policies were found to say.
func (e *Explanation) steps(r *Request) {
	for _, kind := range kindsInOrder(r) {
		if denies, _, _ := e.outcome(kind, 0); denies {
			e.step("explicit deny", "denied: a Deny of a %s applies", kind)
			return
		}
	}
	e.step("explicit deny", "none")
	if r.controlled() {
		if r.Action != ActionRetireGrant && !e.levelsAllow(KindResourceControl, r.ResourceControl) {
			return
		}
		if !e.levelsAllow(KindServiceControl, r.Caller.Policies.ServiceControl) {
			return
		}
	}
	if _, allows, listed := e.outcome(KindEndpoint, 0); listed {
		if allows == coverNone {
			e.step(KindEndpoint.String(), "denied: does not allow")
			return
		}
		e.step(KindEndpoint.String(), "allows")
	}
	if e.resourceStep(r) {
		return
	}
	switch {
	case r.Grants == nil:
		e.step("grants", "denied: there are none for this action")
	case e.Grant == "":
		e.step("grants", "denied: none permits")
	default:
		e.step("grants", "allowed: %s", e.Grant)
	}
}

func (e *Explanation) levelsAllow(kind Kind, levels [][]*Compiled) bool {
	for i, level := range levels {
		_, allows, _ := e.outcome(kind, i+1)
		if allows == coverNone && (kind == KindServiceControl || !onlyDenies(level)) {
			e.step(kind.String(), "denied: level %d does not allow", i+1)
			return false
		}
	}
	if len(levels) > 0 {
		e.step(kind.String(), "every level allows")
	}
	return true
}

// resourceStep is what the resource's policy gives, with the caller's own where it takes them; it tells whether that allows.
func (e *Explanation) resourceStep(r *Request) bool {
	c, home := r.Caller, r.home()
	if r.Policy == nil {
		if !home {
			e.step("account", "the resource is another account's, and has no policy that could allow")
			return false
		}
		return e.ownStep(r, "allowed")
	}
	name := r.Policy.Kind.String()
	_, allows, _ := e.outcome(r.Policy.Kind, 0)
	switch {
	case allows == coverNone:
		e.step(name, "does not allow")
		return false
	case c.Type == CallerService || c.Type == CallerAnonymous:
		e.step(name, "allowed: names the caller")
		return true
	case home && allows == coverDirect:
		e.step(name, "allowed: names the caller or everybody")
		return true
	case home && allows == coverEntity:
		e.step(name, "allows the role; permissions boundary and session policies still limit it")
		return e.limitSteps(r, "allowed")
	case home:
		e.step(name, "allows the account, which leaves it to identity-based policies")
	default:
		e.step(name, "allows the caller or its account; being of another account, the caller also needs identity-based policies")
	}
	return e.ownStep(r, "allowed")
}

// ownStep is what the caller's own policies say.
func (e *Explanation) ownStep(r *Request, allowed string) bool {
	name := KindIdentity.String()
	_, allows, _ := e.outcome(KindIdentity, 0)
	switch t := r.Caller.Type; {
	case r.Caller.federatedRoot():
		e.step(name, "the root user, who federated, needs none")
		return e.limitSteps(r, allowed)
	case t == CallerAccount:
		e.step(name, "%s: the root user needs none", allowed)
		return true
	case t == CallerService || t == CallerAnonymous || allows == coverNone:
		e.step(name, "none allows")
		return false
	}
	e.step(name, "allows")
	return e.limitSteps(r, allowed)
}

func (e *Explanation) limitSteps(r *Request, allowed string) bool {
	if _, allows, listed := e.outcome(KindBoundary, 0); listed {
		if allows == coverNone {
			e.step(KindBoundary.String(), "does not allow")
			return false
		}
		e.step(KindBoundary.String(), "allows")
	}
	if r.Caller.Policies.Session != nil || r.Caller.Type == CallerFederated {
		if _, allows, _ := e.outcome(KindSession, 0); allows == coverNone {
			e.step(KindSession.String(), "does not allow")
			return false
		}
		e.step(KindSession.String(), "allows")
	}
	e.step("caller's own policies", "%s: nothing limits", allowed)
	return true
}

// The reasons why an element of a statement does not match. resources tells whether the statement has a resource.
func (s *Statement) whyAction(action string, resources bool) string {
	switch {
	case s.Actions == nil && s.NotActions == nil:
		return "the statement has neither Action nor NotAction, and so no effect"
	case !resources:
		return "the statement has neither Resource nor NotResource, and so no effect"
	case s.NotActions != nil:
		return action + " is in NotAction " + quoted(s.NotActions)
	}
	return action + " is not in Action " + quoted(s.Actions)
}

func (s *Statement) whyPrincipal(c *Caller) string {
	names := func(list []Principal) string {
		var out []string
		for _, p := range list {
			out = append(out, p.Name)
		}
		return quoted(out)
	}
	if s.NotPrincipals != nil {
		return c.ARN + " is left out by NotPrincipal " + names(s.NotPrincipals)
	}
	return c.ARN + " is not meant by Principal " + names(s.Principals)
}

func (s *Statement) whyResource(resource string) string {
	if s.NotResources != nil {
		return resource + " is in NotResource " + quoted(s.NotResources)
	}
	return resource + " is not in Resource " + quoted(s.Resources)
}

func (c *ExplainedCondition) why() string {
	text := c.Operator + " " + c.Key + " " + quoted(c.Values) + " does not hold: the request has "
	if !c.Present {
		return text + "no " + c.Key
	}
	return text + quoted(c.Request)
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}
