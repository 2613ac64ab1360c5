package sts

import (
	"strconv"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// question is an authorization question: the request's facts for the conditions that name them.
type question struct {
	call     *Call
	service  *Service
	roleTags []authz.Tag // of the role, aws:ResourceTag

	externalID, sessionName, sourceIdentity string // empty: not given
	seconds                                 int    // DurationSeconds; 0: not given
	tags                                    []authz.Tag
	transitive                              []string

	issuer string         // of a web identity: the prefix of its claims' keys
	claims map[string]any // of its token
}

// Values implements authz.Facts.
func (q *question) Values(dst []string, key authz.Key, name string) ([]string, bool) {
	c := q.call
	one := func(v string, present bool) ([]string, bool) {
		if !present {
			return dst, false
		}
		return append(dst, v), true
	}
	given := func(v string) ([]string, bool) { return one(v, v != "") }
	switch key {
	case authz.KeySTSExternalId:
		return given(q.externalID)
	case authz.KeySTSRoleSessionName:
		return given(q.sessionName)
	case authz.KeySTSSourceIdentity:
		return given(q.sourceIdentity)
	case authz.KeySTSDurationSeconds:
		return one(strconv.Itoa(q.seconds), q.seconds > 0)
	case authz.KeySTSTransitiveTagKeys:
		return append(dst, q.transitive...), len(q.transitive) > 0
	case authz.KeyTagKeys:
		for _, t := range q.tags {
			dst = append(dst, t.Key)
		}
		return dst, len(q.tags) > 0
	case authz.KeyRequestTag:
		return one(tagged(q.tags, name))
	case authz.KeyResourceTag:
		return one(tagged(q.roleTags, name))
	case authz.KeyOther:
		return q.other(dst, name)
	case authz.KeyCurrentTime:
		return one(c.at.UTC().Format("2006-01-02T15:04:05Z"), true)
	case authz.KeyEpochTime:
		return one(strconv.FormatInt(c.at.Unix(), 10), true)
	case authz.KeySourceIp:
		return one(c.Address.Unmap().String(), c.Address.IsValid() && c.Endpoint == nil)
	case authz.KeyVpcSourceIp:
		return one(c.Address.Unmap().String(), c.Address.IsValid() && c.Endpoint != nil)
	case authz.KeySecureTransport:
		return one(strconv.FormatBool(c.Secure), true)
	case authz.KeyRequestedRegion:
		return given(c.Region)
	case authz.KeyUserAgent:
		return given(string(c.UserAgent))
	case authz.KeyReferer:
		return given(string(c.Referer))
	}
	return q.ofService(dst, key)
}

// ofService are the keys of a service that calls, for somebody or for itself.
func (q *question) ofService(dst []string, key authz.Key) ([]string, bool) {
	u := q.call.Service
	via := u != nil && q.call.Caller != nil && q.call.Caller.Principal.Type != authz.CallerService
	var v string
	switch {
	case key == authz.KeyViaAWSService:
		return append(dst, strconv.FormatBool(via)), true
	case u == nil:
		return dst, false
	case key == authz.KeySourceArn:
		v = u.SourceARN
	case key == authz.KeySourceAccount:
		v = u.SourceAccount
	case key == authz.KeyCalledVia && via:
		return append(dst, u.CalledVia...), len(u.CalledVia) > 0
	case key == authz.KeyCalledViaFirst && via && len(u.CalledVia) > 0:
		v = u.CalledVia[0]
	case key == authz.KeyCalledViaLast && via && len(u.CalledVia) > 0:
		v = u.CalledVia[len(u.CalledVia)-1]
	}
	if v == "" {
		return dst, false
	}
	return append(dst, v), true
}

func tagged(tags []authz.Tag, name string) (string, bool) {
	for _, t := range tags {
		if strings.EqualFold(t.Key, name) {
			return t.Value, true
		}
	}
	return "", false
}

// other are the claims of a web identity's token, ISSUER:CLAIM, and the role's tags by IAM's own name for them.
func (q *question) other(dst []string, name string) ([]string, bool) {
	const roleTag = "iam:ResourceTag/"
	if len(name) > len(roleTag) && strings.EqualFold(name[:len(roleTag)], roleTag) {
		v, ok := tagged(q.roleTags, name[len(roleTag):])
		if !ok {
			return dst, false
		}
		return append(dst, v), true
	}
	if q.issuer == "" || len(name) <= len(q.issuer) || !strings.EqualFold(name[:len(q.issuer)], q.issuer) || name[len(q.issuer)] != ':' {
		return dst, false
	}
	claim := name[len(q.issuer)+1:]
	value, ok := q.claims[claim]
	for n, v := range q.claims { // names of condition keys do not differ by case
		if !ok && strings.EqualFold(n, claim) {
			value, ok = v, true
		}
	}
	texts := claimTexts(value)
	return append(dst, texts...), len(texts) > 0
}

// may decides on one action on a role, or on a federated user; nil: allowed.
func (q *question) may(action authz.Action, caller *authz.Caller, on target) *Error {
	r := &authz.Request{
		Action: action, Caller: caller, Resource: on.arn, ResourceAccount: on.account, Partition: on.partition,
		Policy: on.trust, ResourceControl: on.control, Endpoint: q.call.Endpoint, Facts: q,
	}
	d := authz.Decide(r)
	if q.call.Decided != nil {
		q.call.Decided(r, &d)
	}
	if d.Allowed {
		return nil
	}
	refused := denial(r, &d)
	if pass := q.service.pass; pass != nil && pass(r, refused) {
		return nil
	}
	return refused
}

// target is what an action is on.
type target struct {
	arn, account, partition string
	trust                   *authz.Compiled
	control                 [][]*authz.Compiled
}

// onRole is a role as a target.
func (s *Service) onRole(snapshot *identity.Snapshot, role *identity.Role) target {
	a := role.Account
	t := target{arn: role.ARN, account: a.ID, partition: a.Partition, trust: role.Trust, control: snapshot.ResourceControl(a.Partition, a.ID)}
	if t.trust == nil {
		t.trust = s.nobody()
	}
	return t
}
