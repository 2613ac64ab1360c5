package identity

import (
	"slices"
	"strings"
	"time"

	"trent/fastpath/authz"
)

// Session is what temporary credentials add to the principal that they were made from.
type Session struct {
	Name        string // role session name, or name of the federated user
	AccessKeyID string // empty: none, as where a service acts for the session
	Issued      time.Time
	MFA         time.Time // when a second factor was proved; zero: not at all
	// Policies are the session policies that were passed; nil: none were.
	Policies       []*authz.Compiled
	Tags           []authz.Tag // session tags, which win over the principal's own
	SourceIdentity string
	// Federated and FederatedProvider are the provider of a web identity: its ARN, or host name.
	Federated, FederatedProvider string
	InvokedBy                    string // service principal that acts for the session; empty: none
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// apply puts what the session adds on a caller.
func (s *Session) apply(c *authz.Caller) {
	c.Temporary = true
	c.Issued, c.MFA = unix(s.Issued), unix(s.MFA)
	c.Tags = mergeTags(c.Tags, s.Tags)
	c.SourceIdentity = s.SourceIdentity
	c.Federated, c.FederatedProvider = s.Federated, s.FederatedProvider
	c.Policies.Session = s.Policies
}

// Root is the principal of the account's root user with an access key; of a session of its where s is not nil.
func (a *Account) Root(accessKeyID string, s *Session) *Principal {
	c := a.base()
	c.Type, c.ARN, c.ID = authz.CallerAccount, a.RootARN(), a.ID
	if s != nil {
		s.apply(&c)
	}
	return newPrincipal(c, issuer{}, accessKeyID, s)
}

// base is what all callers of the account have in common.
func (a *Account) base() authz.Caller {
	return authz.Caller{
		Partition: a.Partition, Account: a.ID, OrgID: a.Organization.ID, OrgPaths: a.Organization.Paths,
		Policies: authz.Policies{ServiceControl: a.serviceControl()},
	}
}

// Principal is the user with a long-term access key; "" for none.
func (u *User) Principal(accessKeyID string) *Principal {
	return newPrincipal(u.caller, issuer{}, accessKeyID, nil)
}

// Session is the user with temporary credentials of its own, as GetSessionToken makes them.
func (u *User) Session(s *Session) *Principal {
	c := u.caller
	s.apply(&c)
	return newPrincipal(c, issuer{}, s.AccessKeyID, s)
}

// Federated is a federated user that the user vouches for, as GetFederationToken makes them. Without session policies it
// may do nothing but what a resource's policy gives the session itself.
func (u *User) Federated(s *Session) *Principal { return federated(u.caller, u.issuer(), s) }

// Federated is a federated user that the root user vouches for.
func (a *Account) Federated(s *Session) *Principal {
	c := a.base()
	c.Type = authz.CallerAccount
	return federated(c, issuer{kind: "Root", id: a.ID, arn: a.RootARN(), account: a.ID}, s)
}

func federated(c authz.Caller, from issuer, s *Session) *Principal {
	s.apply(&c)
	if c.Policies.Session == nil {
		c.Policies.Session = []*authz.Compiled{}
	}
	c.Type, c.UserName, c.UniqueID = authz.CallerFederated, "", ""
	c.ARN, c.ID = arn(c.Partition, "sts", c.Account, "federated-user/"+s.Name), c.Account+":"+s.Name
	return newPrincipal(c, from, s.AccessKeyID, s)
}

// Session is a session of the role.
func (r *Role) Session(s *Session) *Principal {
	c := r.caller
	s.apply(&c)
	c.ARN, c.ID = arn(c.Partition, "sts", c.Account, "assumed-role/"+r.Name+"/"+s.Name), r.UniqueID+":"+s.Name
	return newPrincipal(c, r.issuer(), s.AccessKeyID, s)
}

func (r *Role) issuer() issuer {
	return issuer{kind: "Role", id: r.UniqueID, arn: r.ARN, account: r.Account.ID, name: r.Name}
}

func (u *User) issuer() issuer {
	return issuer{kind: "IAMUser", id: u.UniqueID, arn: u.ARN, account: u.Account.ID, name: u.Name}
}

// ServicePrincipal is an AWS service that calls for itself.
func ServicePrincipal(partition, service string) *Principal {
	c := authz.Caller{
		Type: authz.CallerService, Partition: partition, ARN: service, Service: service, ID: service,
		ServiceNames: []string{service},
	}
	return &Principal{Caller: c, UserIdentity: appendServiceIdentity(nil, service)}
}

func newPrincipal(c authz.Caller, from issuer, accessKeyID string, s *Session) *Principal {
	return &Principal{Caller: c, UserIdentity: appendUserIdentity(nil, &c, from, accessKeyID, s)}
}

// mergeTags puts over on top of tags. Tag keys do not differ by case (IAM User Guide, "Tags for IAM resources").
func mergeTags(tags, over []authz.Tag) []authz.Tag {
	if len(over) == 0 {
		return tags
	}
	out := make([]authz.Tag, 0, len(tags)+len(over))
	for _, t := range tags {
		if !slices.ContainsFunc(over, func(o authz.Tag) bool { return strings.EqualFold(o.Key, t.Key) }) {
			out = append(out, t)
		}
	}
	return append(out, over...)
}
