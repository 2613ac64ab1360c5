package identity

import (
	"strings"
	"time"

	"trent/fastpath/authz"
)

// looseCaller is a principal of the short form: no user or role is declared for it.
type looseCaller struct {
	caller authz.Caller
	issuer issuer
}

// short adds the credentials of the short form. account is whose root an entry without account and arn speaks for; now
// is when temporary credentials count as issued.
func (b *builder) short(all []CredentialConfig, account string, now time.Time) error {
	for i := range all {
		if err := b.shortOne("credentials"+indexed(i), &all[i], account, now); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) shortOne(path string, c *CredentialConfig, account string, now time.Time) error {
	partition, service, resource := c.Partition, "iam", "root"
	if c.ARN != "" {
		part := strings.SplitN(c.ARN, ":", 6)
		if !authz.PrincipalARN(c.ARN) || strings.HasPrefix(part[5], "role/") {
			return wrong(path+".arn", "%q is not the ARN of a user, an account's root, a role session or a federated user", c.ARN)
		}
		if c.Account != "" && c.Account != part[4] {
			return wrong(path+".account", "the arn is of account %s, not %s", part[4], c.Account)
		}
		if c.Partition != "" && c.Partition != part[1] {
			return wrong(path+".partition", "the arn is of partition %s, not %s", part[1], c.Partition)
		}
		partition, account, service, resource = part[1], part[4], part[2], part[5]
	} else if c.Account != "" {
		account = c.Account
	}
	partition = partitionOr(partition)
	key := AccessKeyConfig{ID: c.AccessKeyID, Secret: c.SecretAccessKey}
	if err := checkKey(path, &key); err != nil {
		return err
	}
	if err := checkAccount(path, &AccountConfig{ID: account, Partition: partition}); err != nil {
		// The fields are named alike but for the account's.
		e := err.(*ConfigError)
		e.Path = strings.Replace(e.Path, ".id", ".account", 1)
		return e
	}
	var s *Session
	if c.SessionToken != "" || service == "sts" {
		s = &Session{AccessKeyID: c.AccessKeyID}
		if c.SessionToken != "" {
			s.Issued = now
		}
	}
	p, err := b.shortPrincipal(path, c, b.snapshot.Account(partition, account), resource, s)
	if err != nil {
		return err
	}
	return b.credential(path, &Credential{
		AccessKeyID: c.AccessKeyID, Secret: Secret(c.SecretAccessKey), SessionToken: string(c.SessionToken), Principal: *p,
	})
}

// shortPrincipal is who an entry speaks for: a principal that is declared, else one of its own.
func (b *builder) shortPrincipal(path string, c *CredentialConfig, a *Account, resource string, s *Session) (*Principal, error) {
	kind, rest, _ := strings.Cut(resource, "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "root":
		if c.Policies != nil {
			return nil, wrong(path+".policies", "the root user has all rights, and no policies; give the arn of a user or session")
		}
		return a.Root(c.AccessKeyID, s), nil
	case "user":
		if u := a.User(name); u != nil && u.ARN == c.ARN {
			if c.Policies != nil {
				return nil, wrong(path+".policies", "%s is declared under accounts: attach the policies there", c.ARN)
			}
			if s != nil {
				return u.Session(s), nil
			}
			return u.Principal(c.AccessKeyID), nil
		}
	case "assumed-role":
		role, session, _ := strings.Cut(rest, "/")
		s.Name = session
		if r := a.Role(role); r != nil && c.Policies == nil {
			return r.Session(s), nil
		}
	}
	l, err := b.looseCaller(path, c, a, kind, rest)
	if err != nil {
		return nil, err
	}
	caller := l.caller
	if s != nil {
		s.apply(&caller)
	}
	if old := b.snapshot.loose[c.ARN]; old == nil {
		b.snapshot.loose[c.ARN] = l
	}
	return newPrincipal(caller, l.issuer, c.AccessKeyID, s), nil
}

// looseCaller makes the caller of an entry whose principal nothing declares.
func (b *builder) looseCaller(path string, c *CredentialConfig, a *Account, kind, rest string) (*looseCaller, error) {
	l := &looseCaller{caller: a.base()}
	caller := &l.caller
	caller.ARN = c.ARN
	policies := c.Policies
	if policies == nil {
		policies = []Document{{Text: allowAll}}
	}
	var err error
	if caller.Policies.Identity, err = b.all(authz.KindIdentity, path+".policies", policies); err != nil {
		return nil, err
	}
	at := strings.LastIndexByte(rest, '/')
	switch kind {
	case "user":
		caller.Type, caller.UserName = authz.CallerUser, rest[at+1:]
		caller.UniqueID = uniqueID(userPrefix, a.Partition, a.ID, "/"+rest[:at+1], caller.UserName, 0)
		caller.ID = caller.UniqueID
	case "assumed-role":
		role, session, _ := strings.Cut(rest, "/")
		r := a.Role(role)
		if r == nil { // its path is not told by a session's ARN
			r = &Role{Account: a, Name: role, ARN: arn(a.Partition, "iam", a.ID, "role/"+role), UniqueID: uniqueID(rolePrefix, a.Partition, a.ID, "/", role, 0)}
		}
		caller.Type, caller.Role, caller.UniqueID, caller.ID = authz.CallerAssumedRole, r.ARN, r.UniqueID, r.UniqueID+":"+session
		caller.Tags = r.Tags
		l.issuer = r.issuer()
	default:
		caller.Type, caller.ID = authz.CallerFederated, a.ID+":"+rest
	}
	return l, nil
}
