package authz

// Text is what an AccessDeniedException says of a denial: who (the caller's ARN) may not do what (the action's name, such
// as kms:Encrypt), on which resource, and why.
func (d Decision) Text(caller, action, resource string) string {
	text := "User: " + caller + " is not authorized to perform: " + action
	if d.Reason == DeniedElsewhere {
		return text + " on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	}
	text += " on resource: " + resource
	if d.Reason == DeniedExplicitly {
		return text + " with an explicit deny in " + article(d.Kind) + " " + d.Kind.String()
	}
	return text + " because no " + d.Kind.String() + " allows the " + action + " action"
}

func article(k Kind) string {
	if k == KindIdentity {
		return "an"
	}
	return "a"
}
