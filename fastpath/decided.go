package fastpath

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"trent/fastpath/audit"
	"trent/fastpath/authz"
)

// DecidedRequest is how one permission of a request was decided, as far as the log of decisions tells.
type DecidedRequest struct {
	RequestID string          `json:"requestId"`
	Time      string          `json:"time"` // RFC 3339, UTC
	Caller    string          `json:"caller"`
	Action    string          `json:"action"`
	Resource  string          `json:"resource"`
	Allowed   bool            `json:"allowed"`
	Reason    string          `json:"reason"`           // in words
	Policy    *DecidingPolicy `json:"policy,omitempty"` // that has the deciding statement
	Also      *DecidingPolicy `json:"also,omitempty"`   // the second one, where two were needed
	Grant     string          `json:"grant,omitempty"`
}

// DecidingPolicy is a statement that decided.
type DecidingPolicy struct {
	Kind      string          `json:"kind"`
	Hash      string          `json:"sha256"`    // of the policy's text, in hex
	Index     int             `json:"statement"` // from 0
	Sid       string          `json:"sid,omitempty"`
	Statement json.RawMessage `json:"text,omitempty"` // as it was written; left out: the text was not kept
}

// ErrUndecided is a request of which no decision is known.
var ErrUndecided = errors.New("no decision is known of the request: it is too old, was refused before policies were asked, or never came here")

// ExplainDecided words the decisions of a request. text finds the policies that were kept; an error that is fs.ErrNotExist: it was
// not kept.
func ExplainDecided(entries []audit.DecisionEntry, text func(hash string) (string, error)) ([]DecidedRequest, error) {
	if len(entries) == 0 {
		return nil, ErrUndecided
	}
	out := make([]DecidedRequest, len(entries))
	for i := range entries {
		e := &entries[i]
		d := &out[i]
		*d = DecidedRequest{
			RequestID: string(e.RequestID[:]), Time: e.At.UTC().Format(time.RFC3339Nano), Caller: e.Caller, Action: e.Action,
			Resource: e.Resource, Allowed: e.Allowed, Grant: e.Grant,
		}
		var err error
		if d.Policy, err = decidingPolicy(authz.Kind(e.Kind), e.Policy, int(e.Statement), text); err != nil {
			return nil, err
		}
		if d.Also, err = decidingPolicy(authz.KindIdentity, e.Also, int(e.AlsoIndex), text); err != nil {
			return nil, err
		}
		d.Reason = d.words(authz.Reason(e.Reason), authz.Kind(e.Kind))
	}
	return out, nil
}

// decidingPolicy is nil where no statement decided.
func decidingPolicy(kind authz.Kind, sum [32]byte, index int, text func(hash string) (string, error)) (*DecidingPolicy, error) {
	if sum == [32]byte{} || index < 0 {
		return nil, nil
	}
	p := &DecidingPolicy{Kind: kind.String(), Hash: hex.EncodeToString(sum[:]), Index: index}
	document, err := text(p.Hash)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case err != nil:
		return nil, err
	}
	p.Statement, p.Sid = statementOf([]byte(document), index)
	return p, nil
}

// statementOf is a statement of a document, with its Sid; nil: there is no such.
func statementOf(document []byte, index int) (statement json.RawMessage, sid string) {
	var policy struct{ Statement json.RawMessage }
	if json.Unmarshal(document, &policy) != nil {
		return nil, ""
	}
	all := []json.RawMessage{policy.Statement}
	if bytes.HasPrefix(policy.Statement, []byte("[")) && json.Unmarshal(policy.Statement, &all) != nil || index >= len(all) {
		return nil, ""
	}
	var named struct{ Sid string }
	_ = json.Unmarshal(all[index], &named) // a statement that was compiled is an object
	return all[index], named.Sid
}

// words is the reason in words.
func (d *DecidedRequest) words(reason authz.Reason, kind authz.Kind) string {
	switch reason {
	case authz.AllowedByGrant:
		return "allowed by grant " + d.Grant
	case authz.AllowedByPolicy:
		switch {
		case d.Policy == nil:
			return "allowed: the root user needs no policy"
		case d.Also != nil:
			return "allowed by the " + d.Policy.place() + ", with the " + d.Also.place()
		}
		return "allowed by the " + d.Policy.place()
	case authz.DeniedExplicitly:
		if d.Policy == nil {
			return "denied explicitly by a " + kind.String()
		}
		return "denied explicitly by the " + d.Policy.place()
	case authz.DeniedElsewhere:
		return "denied: the resource is another account's, and not both sides allow the caller " + d.Action
	}
	return "denied: no " + kind.String() + " allows " + d.Action
}

func (p *DecidingPolicy) place() string {
	text := fmt.Sprintf("%s, Statement[%d]", p.Kind, p.Index)
	if p.Sid != "" {
		text += fmt.Sprintf(" %q", p.Sid)
	}
	return text
}

// explainRequest answers the command policy-explain.
func (s *Server) explainRequest(ctx context.Context, body []byte) (any, error) {
	var q struct {
		RequestID string `json:"requestId"`
	}
	if err := decodeStrictly(body, &q); err != nil {
		return nil, err
	}
	d := s.audit.decisions
	if d == nil {
		return nil, badCommand("this server keeps no decisions")
	}
	entries, err := d.Find(q.RequestID)
	for try := 0; err == nil && len(entries) == 0 && try < 5; try++ { // the answer of a request is sent before its record is made
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		entries, err = d.Find(q.RequestID)
	}
	if errors.Is(err, audit.ErrRequestID) {
		return nil, &errCommand{err}
	}
	if err != nil {
		return nil, err
	}
	out, err := ExplainDecided(entries, d.Policy)
	if errors.Is(err, ErrUndecided) {
		return nil, &errCommand{err}
	}
	return out, err
}
