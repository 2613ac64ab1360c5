package sts

import (
	"encoding/json"
	"time"

	"trent/fastpath/authz"
)

// Record is what the CloudTrail record of a request holds of it (CloudTrail User Guide, "Logging IAM and AWS STS API
// calls"). Byte slices are JSON; nil means null.
type Record struct {
	Action       string // eventName
	UserIdentity []byte
	ReadOnly     bool
	Parameters   []byte
	Response     []byte
	ErrorCode    string // empty: success
	ErrorMessage string
	// Account is the caller's, Role the ARN of the role that the request is about and RoleAccount its owner's; empty: none.
	// A role of another account is recorded there too.
	Account, Role, RoleAccount string

	Trouble error // what was not the caller's doing; not for the record

	credentials *recordedCredentials
}

type recordedCredentials struct {
	AccessKeyID  string `json:"accessKeyId"`
	SessionToken string `json:"sessionToken"`
	Expiration   string `json:"expiration"`
}

type recordedTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type recordedARN struct {
	ARN string `json:"arn"`
}

// parameters are what requestParameters may show.
type parameters struct {
	RoleARN         string        `json:"roleArn,omitempty"`
	RoleSessionName string        `json:"roleSessionName,omitempty"`
	Name            string        `json:"name,omitempty"`
	AccessKeyID     string        `json:"accessKeyId,omitempty"`
	ExternalID      string        `json:"externalId,omitempty"`
	SerialNumber    string        `json:"serialNumber,omitempty"`
	SourceIdentity  string        `json:"sourceIdentity,omitempty"`
	Policy          string        `json:"policy,omitempty"`
	PolicyARNs      []recordedARN `json:"policyArns,omitempty"`
	Tags            []recordedTag `json:"tags,omitempty"`
	Transitive      []string      `json:"transitiveTagKeys,omitempty"`
	Duration        int           `json:"durationSeconds,omitempty"`
	ProviderID      string        `json:"providerId,omitempty"`
}

// answered is what responseElements may show. No secret access key is among it.
type answered struct {
	Credentials     *recordedCredentials `json:"credentials,omitempty"`
	AssumedRoleUser *recordedRole        `json:"assumedRoleUser,omitempty"`
	FederatedUser   *recordedUser        `json:"federatedUser,omitempty"`
	Size            int                  `json:"packedPolicySize,omitempty"`
	SourceIdentity  string               `json:"sourceIdentity,omitempty"`
	Subject         string               `json:"subjectFromWebIdentityToken,omitempty"`
	Provider        string               `json:"provider,omitempty"`
	Audience        string               `json:"audience,omitempty"`
}

type recordedRole struct {
	ID  string `json:"assumedRoleId"`
	ARN string `json:"arn"`
}

type recordedUser struct {
	ID  string `json:"federatedUserId"`
	ARN string `json:"arn"`
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sts: a record does not encode") // only texts and numbers are in it
	}
	return b
}

func recordedTags(tags []authz.Tag) []recordedTag {
	var out []recordedTag
	for _, t := range tags {
		out = append(out, recordedTag(t))
	}
	return out
}

func recordedARNs(arns []string) []recordedARN {
	var out []recordedARN
	for _, arn := range arns {
		out = append(out, recordedARN{arn})
	}
	return out
}

func (r *Record) assuming(q *roleRequest, externalID, serial string) {
	r.Parameters = encoded(parameters{
		RoleARN: q.arn, RoleSessionName: q.name, ExternalID: externalID, SerialNumber: serial, SourceIdentity: q.sourceIdentity,
		Policy: q.policy, PolicyARNs: recordedARNs(q.policyARNs), Tags: recordedTags(q.tags), Transitive: q.transitive, Duration: q.seconds,
	})
}

func (r *Record) webIdentity(q *roleRequest, provider string) {
	r.Parameters = encoded(parameters{
		RoleARN: q.arn, RoleSessionName: q.name, Policy: q.policy, PolicyARNs: recordedARNs(q.policyARNs), Duration: q.seconds,
		ProviderID: provider,
	})
}

func (r *Record) own(name string, seconds int, policy string, tags []authz.Tag, serial string) {
	r.Parameters = encoded(parameters{Name: name, Duration: seconds, Policy: policy, Tags: recordedTags(tags), SerialNumber: serial})
}

func (r *Record) keyInfo(id string) { r.Parameters = encoded(parameters{AccessKeyID: id}) }

func (r *Record) about(role, account string) { r.Role, r.RoleAccount = role, account }

// expirationLayout is how records show the end of credentials.
const expirationLayout = "Jan 2, 2006, 3:04:05 PM"

func (r *Record) issued(id, token string, expires time.Time) {
	r.credentials = &recordedCredentials{AccessKeyID: id, SessionToken: token, Expiration: expires.UTC().Format(expirationLayout)}
	r.Response = encoded(answered{Credentials: r.credentials})
}

func (r *Record) assumed(id, arn string, size int, sourceIdentity string) {
	r.Response = encoded(answered{Credentials: r.credentials, AssumedRoleUser: &recordedRole{id, arn}, Size: size, SourceIdentity: sourceIdentity})
}

func (r *Record) assumedByToken(id, arn string, size int, sourceIdentity, subject, provider, audience string) {
	r.Response = encoded(answered{
		Credentials: r.credentials, AssumedRoleUser: &recordedRole{id, arn}, Size: size, SourceIdentity: sourceIdentity,
		Subject: subject, Provider: provider, Audience: audience,
	})
}

func (r *Record) federated(id, arn string, size int) {
	r.Response = encoded(answered{Credentials: r.credentials, FederatedUser: &recordedUser{id, arn}, Size: size})
}
