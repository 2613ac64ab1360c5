package identity

import (
	"strings"
	"time"

	"trent/fastpath/authz"
)

// OnBehalf is the principal of an ARN as an AWS service acts for it: a user, a role session or an account's root. Nil:
// there is none. at is when the session of a role counts as issued.
func (s *Snapshot) OnBehalf(arn, service string, at time.Time) *Principal {
	part := strings.SplitN(arn, ":", 6)
	if !authz.PrincipalARN(arn) {
		return nil
	}
	partition, account := part[1], part[4]
	kind, rest, _ := strings.Cut(part[5], "/")
	with := &Session{InvokedBy: service, Issued: at}
	switch kind {
	case "root":
		a := s.Account(partition, account)
		return newPrincipal(a.Root("", nil).Caller, issuer{}, "", with)
	case "user":
		if u := s.User(partition, account, rest[strings.LastIndexByte(rest, '/')+1:]); u != nil && u.ARN == arn {
			return newPrincipal(u.caller, issuer{}, "", with)
		}
	case "assumed-role":
		role, session, _ := strings.Cut(rest, "/")
		if r := s.Role(partition, account, role); r != nil {
			with.Name = session
			return r.Session(with)
		}
	}
	if l := s.loose[arn]; l != nil {
		return newPrincipal(l.caller, l.issuer, "", with)
	}
	return nil
}
