package authz

// CallerType is what sort of principal calls, in the words of aws:PrincipalType.
type CallerType uint8

// Types of callers.
const (
	CallerAccount     CallerType = iota // the account's root user
	CallerUser                          // IAM user
	CallerAssumedRole                   // role session
	CallerFederated                     // federated user session (GetFederationToken)
	CallerService                       // an AWS service that calls for itself
	CallerAnonymous                     // unsigned, such as AssumeRoleWithWebIdentity
)

var callerTypes = [...]string{"Account", "User", "AssumedRole", "FederatedUser", "Service", "Anonymous"}

// String is the type as aws:PrincipalType has it.
func (t CallerType) String() string { return callerTypes[t] }

// Tag is a name with a value.
type Tag struct{ Key, Value string }

// Caller is who asks, as policies see it. It is immutable once it is in use, and shared by all requests of a credential.
type Caller struct {
	Type      CallerType
	Partition string // aws, aws-cn, …
	Account   string // 12 digits; empty for services
	ARN       string // as records and texts name the caller: sts ARNs for sessions
	Role      string // ARN of the role with its path, of role sessions
	Federator string // ARN of the IAM user or root user whose GetFederationToken made the session, of federated users
	Federated string // the federated principal of a web identity: its provider's ARN or host name
	Service   string // service principal, such as "s3.amazonaws.com", of CallerService
	ID        string // aws:userid: account id, AIDA…, AROA…:session, ACCOUNT:name
	UniqueID  string // AIDA… or AROA… alone: what policies and grants name after the principal is gone
	UserName  string // aws:username, of IAM users only

	Tags              []Tag // aws:PrincipalTag, of user, role and session
	SourceIdentity    string
	FederatedProvider string // aws:FederatedProvider
	Issued            int64  // when temporary credentials were issued, Unix seconds; 0: long-term ones
	MFA               int64  // when the caller proved a second factor, Unix seconds; 0: not at all
	Temporary         bool   // aws:MultiFactorAuthPresent exists for temporary credentials only
	OrgID             string
	OrgPaths          []string // from the root: "o-…/r-…/ou-…/"
	ServiceNames      []string // aws:PrincipalServiceNamesList, of CallerService

	Policies Policies
}

// Policies are what is attached to a caller.
type Policies struct {
	Identity []*Compiled // of user or role, groups' included; the root user needs none
	Boundary *Compiled   // nil: none
	Session  []*Compiled // session policies: what none of them allows, the session may not do; nil: none were passed
	// ServiceControl are the service control policies that hold for the account, one list a level from the organization's
	// root down to the account: each level must allow. Nil: the account is in no organization, or is its management account.
	ServiceControl [][]*Compiled
}

// Endpoint is a VPC endpoint that a request came through.
type Endpoint struct {
	ID, VPC, VPCARN string
	Account         string // that owns the endpoint
	OrgID           string
	OrgPaths        []string
	Policy          *Compiled // nil: everything is allowed
}
