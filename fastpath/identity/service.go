package identity

import "encoding/json"

// ServiceUse is an AWS service that calls: for a principal (forward access session), or for itself.
type ServiceUse struct {
	Principal                string   // "s3.amazonaws.com"
	CalledVia                []string // service principals in the order of the calls, Principal the last
	SourceARN, SourceAccount string   // what the service works on; empty: not said
}

// Abroad is the userIdentity element of the records that another account gets of what the principal does with its keys
// (AWS CloudTrail User Guide, "CloudTrail userIdentity element": AWSAccount).
func (p *Principal) Abroad() []byte {
	if p.Account == "" {
		return p.UserIdentity
	}
	id := p.ID
	if id == "" {
		id = p.Account
	}
	text, _ := json.Marshal(struct { // strings only, which cannot fail
		Type        string `json:"type"`
		PrincipalID string `json:"principalId"`
		AccountID   string `json:"accountId"`
	}{"AWSAccount", id, p.Account})
	return text
}
