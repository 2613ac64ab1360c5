package authz

// Request is one action of a caller on one resource, to be decided. It belongs to one request at a time and can be
// used again; Decide allocates nothing and keeps nothing.
type Request struct {
	Action Action
	Caller *Caller
	// Resource is the ARN that Resource elements are compared with: of the key, of the alias, of the role to assume; for
	// actions without a resource "arn:PARTITION:kms:REGION:ACCOUNT:*", which only "*" and patterns that end so match.
	Resource        string
	ResourceAccount string // that owns it
	Partition       string

	// Policy is the resource's own: key policy or trust policy. Nil: actions of this kind are decided by identity policies alone
	// (ListKeys, and the alias's part of CreateAlias), and only within the caller's account.
	Policy *Compiled
	// ResourceControl are the resource control policies of ResourceAccount, a list a level as with service control policies.
	ResourceControl [][]*Compiled
	Endpoint        *Endpoint // nil: not through a VPC endpoint
	Grants          Grants    // nil: the resource has none, or the action cannot be granted
	Facts           Facts     // required: what conditions ask for

	// So that no condition allocates:
	scratch  [16]string  // of a condition's values
	resolved [2]string   // of a variable's value
	worded   [2][32]byte // of a condition's and of a variable's value that is a number or a date
	expanded []byte      // of a pattern with variables
}

// Facts knows the values of condition keys for one request. It is asked only for keys that a condition that is about to
// be decided names. Which of the caller's, the endpoint's and the resource's own facts (aws:PrincipalArn, aws:SourceVpce,
// aws:ResourceAccount …) are in the Request is not asked of Facts.
type Facts interface {
	// Values appends the values of key to dst; present is false where the key is not in the request context. name is what
	// follows the key of a Named one, matched without regard to case; of KeyOther the whole key. Numbers are in decimal,
	// dates as RFC 3339 in UTC, booleans "true" or "false". The texts may be views that end with the decision. Trouble (a
	// store that does not answer) is kept by the implementation, whose owner looks for it before the decision counts.
	Values(dst []string, key Key, name string) (values []string, present bool)
}

// Grants knows the grants on the resource.
type Grants interface {
	// Permit tells whether a grant lets the caller do the action now, and which. Trouble is kept as by Facts.
	Permit(r *Request) (grant string, ok bool)
}

// Reason is how a decision came about.
type Reason uint8

// Reasons.
const (
	AllowedByPolicy Reason = iota + 1 // Decision.Kind says whose
	AllowedByGrant
	DeniedExplicitly // a Deny of a policy of Decision.Kind
	DeniedImplicitly // no policy of Decision.Kind allows
	DeniedElsewhere  // other account: the caller may not learn whether the resource is there
)

// Decision is what was decided, and by what.
type Decision struct {
	Allowed bool
	Reason  Reason
	// Kind is whose policy decided. Of an implicit denial it is the kind that was missing.
	Kind      Kind
	Policy    *Compiled // that has the deciding statement; nil: none (implicit denials, grants, the root user's own rights)
	Statement int       // its index in Policy; -1: none
	Grant     string    // id of the deciding grant
	// Also is the second policy of an allowed request that needed two: the identity policy where the key policy delegates.
	Also          *Compiled
	AlsoStatement int
}
