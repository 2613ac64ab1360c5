package authz

// Kind is what a policy is attached to, which says what its grammar allows and how it counts.
type Kind uint8

// Kinds of policies. A grant is no policy; it has a kind so that a Decision can name it.
const (
	KindNone            Kind = iota
	KindKey                  // key policy: resource-based, needs principals
	KindIdentity             // attached to a user, a group or a role
	KindBoundary             // permissions boundary
	KindSession              // session policy
	KindServiceControl       // service control policy of an organization
	KindResourceControl      // resource control policy of an organization
	KindEndpoint             // VPC endpoint policy
	KindTrust                // a role's trust policy: resource-based, needs principals, has no Resource
	KindGrant
	numKinds
)

// kindNames are the words of access-denied texts.
var kindNames = [numKinds]string{
	"", "resource-based policy", "identity-based policy", "permissions boundary", "session policy", "service control policy",
	"resource control policy", "VPC endpoint policy", "resource-based policy", "grant",
}

// String is the kind as access-denied texts name it.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return ""
}
