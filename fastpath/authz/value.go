package authz

import (
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// values is what a condition key has in the request context: of the caller, the endpoint and the resource's account from
// the request, everything else from Facts. The slice is good until the next call.
func (r *Request) values(key Key, name string) (values []string, present bool) {
	if value, present, own := r.own(key, name, &r.worded[0]); own {
		r.scratch[0] = value
		return r.scratch[:1], present
	}
	if values, present, own := r.ownList(key); own {
		return values, present
	}
	return r.Facts.Values(r.scratch[:0], key, name)
}

// variable is the value of a policy variable: of a key that has exactly one and may not have several.
func (r *Request) variable(key Key, name string) (string, bool) {
	if value, present, own := r.own(key, name, &r.worded[1]); own {
		return value, present
	}
	if _, _, own := r.ownList(key); own || keyRows[key].Multi {
		return "", false
	}
	values, present := r.Facts.Values(r.resolved[:0], key, name)
	if !present || len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// own is the single value of a key that the request knows without its Facts; own tells whether it is such a key. Numbers
// and dates are worded in room.
func (r *Request) own(key Key, name string, room *[32]byte) (value string, present, own bool) {
	c := r.Caller
	signed := c.Type != CallerAnonymous
	switch key {
	case KeyPrincipalArn:
		return given(c.principalARN())
	case KeyPrincipalAccount, KeyKMSCallerAccount:
		return given(c.Account)
	case KeyPrincipalOrgID:
		return given(c.OrgID)
	case KeyPrincipalTag:
		value, present = c.tag(name)
		return value, present, true
	case KeyPrincipalIsAWSService:
		return strconv.FormatBool(c.Type == CallerService), signed, true
	case KeyPrincipalServiceName:
		return given(c.Service)
	case KeyPrincipalType:
		return c.Type.String(), true, true
	case KeyUserid:
		return given(c.ID)
	case KeyUsername:
		return given(c.UserName)
	case KeyFederatedProvider:
		return given(c.FederatedProvider)
	case KeySourceIdentity:
		return given(c.SourceIdentity)
	case KeyTokenIssueTime:
		if c.Issued == 0 {
			return "", false, true
		}
		return view(time.Unix(c.Issued, 0).UTC().AppendFormat(room[:0], time.RFC3339)), true, true
	case KeyMultiFactorAuthPresent:
		return strconv.FormatBool(c.MFA != 0), c.Temporary && signed, true
	case KeyMultiFactorAuthAge:
		return r.secondFactorAge(room)
	case KeyResourceAccount:
		return given(r.ResourceAccount)
	}
	return r.ownOfEndpoint(key)
}

// ownOfEndpoint is own for what the VPC endpoint says. The caller's address is aws:VpcSourceIp through one, else
// aws:SourceIp; Facts know it.
func (r *Request) ownOfEndpoint(key Key) (value string, present, own bool) {
	e := r.Endpoint
	switch key {
	case KeySourceIp:
		return "", false, e != nil
	case KeyVpcSourceIp:
		return "", false, e == nil
	case KeySourceVpc, KeySourceVpcArn, KeySourceVpce, KeyVpceAccount, KeyVpceOrgID:
	default:
		return "", false, false
	}
	if e == nil {
		return "", false, true
	}
	switch key {
	case KeySourceVpc:
		return given(e.VPC)
	case KeySourceVpcArn:
		return given(e.VPCARN)
	case KeySourceVpce:
		return given(e.ID)
	case KeyVpceAccount:
		return given(e.Account)
	default:
		return given(e.OrgID)
	}
}

// ownList is own for the keys that may have several values.
func (r *Request) ownList(key Key) (values []string, present, own bool) {
	switch key {
	case KeyPrincipalOrgPaths:
		values = r.Caller.OrgPaths
	case KeyPrincipalServiceNamesList:
		values = r.Caller.ServiceNames
	case KeyVpceOrgPaths:
		if r.Endpoint != nil {
			values = r.Endpoint.OrgPaths
		}
	default:
		return nil, false, false
	}
	return values, len(values) > 0, true
}

// secondFactorAge is how many seconds ago the caller proved a second factor, by the request's time.
func (r *Request) secondFactorAge(room *[32]byte) (value string, present, own bool) {
	if r.Caller.MFA == 0 {
		return "", false, true
	}
	now, present := r.Facts.Values(r.resolved[:0], KeyCurrentTime, "")
	if !present || len(now) != 1 {
		return "", false, true
	}
	t, ok := date(now[0])
	return view(strconv.AppendInt(room[:0], max(t.Unix()-r.Caller.MFA, 0), 10)), ok, true
}

// principalARN is aws:PrincipalArn: a session's role, not the session. Services and unsigned requests have none.
func (c *Caller) principalARN() string {
	switch c.Type {
	case CallerAssumedRole:
		if c.Role != "" {
			return c.Role
		}
	case CallerService, CallerAnonymous:
		return ""
	}
	return c.ARN
}

func (c *Caller) tag(name string) (string, bool) {
	for i := range c.Tags {
		if c.Tags[i].Key == name || strings.EqualFold(c.Tags[i].Key, name) {
			return c.Tags[i].Value, true
		}
	}
	return "", false
}

// view is b as a string, for as long as b stays as it is.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func given(s string) (value string, present, own bool) { return s, s != "", true }
