package identity

import (
	"encoding/json"
	"strconv"
	"time"

	"trent/fastpath/authz"
)

// issuer is who a session was made from, as sessionIssuer shows it.
type issuer struct{ kind, id, arn, account, name string }

// appendUserIdentity appends the userIdentity element of the caller's CloudTrail records (CloudTrail User Guide,
// "CloudTrail userIdentity element").
func appendUserIdentity(dst []byte, c *authz.Caller, from issuer, accessKeyID string, s *Session) []byte {
	w := jsonObject{dst: append(dst, '{')}
	switch c.Type {
	case authz.CallerUser:
		w.text("type", "IAMUser")
		w.text("principalId", c.ID)
	case authz.CallerAssumedRole:
		w.text("type", "AssumedRole")
		w.text("principalId", c.ID)
	case authz.CallerFederated:
		w.text("type", "FederatedUser")
		w.text("principalId", c.ID)
	default:
		w.text("type", "Root")
		w.text("principalId", c.Account)
	}
	w.text("arn", c.ARN)
	w.text("accountId", c.Account)
	if accessKeyID != "" {
		w.text("accessKeyId", accessKeyID)
	}
	if c.Type == authz.CallerUser {
		w.text("userName", c.UserName)
	}
	if s != nil {
		w.session(from, s)
		if s.InvokedBy != "" {
			w.text("invokedBy", s.InvokedBy)
		}
	}
	return append(w.dst, '}')
}

func appendServiceIdentity(dst []byte, service string) []byte {
	w := jsonObject{dst: append(dst, '{')}
	w.text("type", "AWSService")
	w.text("invokedBy", service)
	return append(w.dst, '}')
}

// jsonObject appends the members of an object.
type jsonObject struct {
	dst   []byte
	begun bool
}

func (w *jsonObject) name(name string) {
	if w.begun {
		w.dst = append(w.dst, ',')
	}
	w.begun = true
	w.dst = append(append(append(w.dst, '"'), name...), `":`...)
}

func (w *jsonObject) text(name, value string) {
	w.name(name)
	b, _ := json.Marshal(value) // strings always encode
	w.dst = append(w.dst, b...)
}

func (w *jsonObject) object(name string, members func(*jsonObject)) {
	w.name(name)
	in := jsonObject{dst: append(w.dst, '{')}
	members(&in)
	w.dst = append(in.dst, '}')
}

// session writes sessionContext. A session that nothing is known of (a service acts for a user with long-term
// credentials) has none.
func (w *jsonObject) session(from issuer, s *Session) {
	if from.kind == "" && s.Issued.IsZero() {
		return
	}
	w.object("sessionContext", func(c *jsonObject) {
		if from.kind != "" {
			c.object("sessionIssuer", func(i *jsonObject) {
				i.text("type", from.kind)
				i.text("principalId", from.id)
				i.text("arn", from.arn)
				i.text("accountId", from.account)
				if from.name != "" {
					i.text("userName", from.name)
				}
			})
		}
		if s.FederatedProvider != "" {
			c.object("webIdFederationData", func(f *jsonObject) {
				f.text("federatedProvider", s.FederatedProvider)
				f.object("attributes", func(*jsonObject) {})
			})
		}
		c.object("attributes", func(a *jsonObject) {
			if !s.Issued.IsZero() {
				a.text("creationDate", s.Issued.UTC().Format(time.RFC3339))
			}
			a.text("mfaAuthenticated", strconv.FormatBool(!s.MFA.IsZero()))
		})
		if s.SourceIdentity != "" {
			c.text("sourceIdentity", s.SourceIdentity)
		}
	})
}
