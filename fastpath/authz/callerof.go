package authz

import (
	"fmt"
	"strings"
)

// SessionName is that of the session that CallerOf makes of a role.
const SessionName = "simulation"

// CallerOf is the caller that an ARN names, as far as the ARN tells: an account, also by its 12 digits, a user, a role session or
// federated user, or a service by its name, such as "s3.amazonaws.com". A role's own ARN is taken for a session of it. It has no
// policies, no tags and no unique id.
func CallerOf(arn string) (Caller, error) {
	if digits(arn) {
		arn = "arn:aws:iam::" + arn + ":root"
	}
	part := strings.SplitN(arn, ":", 6)
	switch {
	case len(part) == 1 && ServiceName(arn):
		return Caller{Type: CallerService, Partition: "aws", ARN: arn, Service: arn, ID: arn, ServiceNames: []string{arn}}, nil
	case !PrincipalARN(arn):
		return Caller{}, fmt.Errorf("%q is no principal that calls: give the ARN of an account (arn:aws:iam::111122223333:root), user, role, role session or federated user, or a service such as s3.amazonaws.com", arn)
	}
	c := Caller{Partition: part[1], Account: part[4], ARN: arn}
	kind, rest, _ := strings.Cut(part[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "root":
		c.Type, c.ID = CallerAccount, c.Account
	case "user":
		c.Type, c.UserName = CallerUser, name
	case "role":
		c.Type, c.Role, c.Temporary = CallerAssumedRole, arn, true
		c.ARN = "arn:" + c.Partition + ":sts::" + c.Account + ":assumed-role/" + name + "/" + SessionName
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		c.Type, c.Temporary = CallerAssumedRole, true
		c.Role = "arn:" + c.Partition + ":iam::" + c.Account + ":role/" + role
	default:
		c.Type, c.ID, c.Temporary = CallerFederated, c.Account+":"+rest, true
	}
	return c, nil
}
