package fastpath

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
)

// SimulateQuery asks what would be decided: the arguments of the command policy-simulate.
type SimulateQuery struct {
	Principal  string              `json:"principal"` // ARN
	Action     string              `json:"action"`    // "kms:Encrypt"
	Resource   string              `json:"resource,omitempty"`
	Region     string              `json:"region"` // of the request, where Resource names none
	Context    map[string]string   `json:"context,omitempty"`
	Conditions map[string][]string `json:"conditions,omitempty"`
	Policy     string              `json:"policy,omitempty"` // text, in place of the key's policy
}

// Simulated is what would be decided, and what else there is to know.
type Simulated struct {
	authz.Explanation
	Notes []string `json:"notes,omitempty"`
}

// ActionNamed is an action of the service, by its name with or without "kms:".
func (q *SimulateQuery) ActionNamed() (authz.Action, error) {
	name := q.Action
	if !strings.Contains(name, ":") {
		name = "kms:" + name
	}
	a := authz.ActionNamed(name)
	switch {
	case strings.EqualFold(name, "kms:ReEncrypt"):
		return a, errors.New("kms:ReEncrypt is no action: ask for kms:ReEncryptFrom on the source key and for kms:ReEncryptTo on the destination key")
	case a == authz.ActionNone || !strings.HasPrefix(a.String(), "kms:"):
		return a, fmt.Errorf("there is no action %q of the service: give one such as kms:Encrypt", q.Action)
	}
	return a, nil
}

// Given are the conditions of the query.
func (q *SimulateQuery) Given() (*authz.Given, error) {
	g := &authz.Given{}
	for name, values := range q.Conditions {
		if err := g.Give(name, values...); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// simulate answers the command policy-simulate.
func (s *Server) simulate(ctx context.Context, body []byte) (any, error) {
	var q SimulateQuery
	if err := decodeStrictly(body, &q); err != nil {
		return nil, err
	}
	o := operation.Simulation{Region: q.Region, Resource: q.Resource, Context: q.Context, At: time.Now()}
	var err error
	if o.Action, err = q.ActionNamed(); err != nil {
		return nil, &errCommand{err}
	}
	if o.Given, err = q.Given(); err != nil {
		return nil, &errCommand{err}
	}
	if q.Policy != "" {
		parsed, err := authz.Parse(authz.KindKey, []byte(q.Policy))
		if err != nil {
			return nil, &errCommand{err}
		}
		o.Policy = authz.Compile(authz.KindKey, []byte(q.Policy), parsed)
	}
	if part := strings.SplitN(q.Resource, ":", 6); len(part) == 6 && part[3] != "" {
		o.Region = part[3]
	}
	var out Simulated
	if o.Caller, out.Notes, err = s.callerNamed(q.Principal, o.At); err != nil {
		return nil, &errCommand{err}
	}
	explained, err := s.operations.Simulate(ctx, &o)
	if errors.Is(err, operation.ErrSimulation) {
		return nil, &errCommand{err}
	}
	if err != nil {
		return nil, err
	}
	out.Explanation = *explained
	return &out, nil
}

// callerNamed is the caller of an ARN with all that is declared of it, and notes on what is not.
func (s *Server) callerNamed(arn string, now time.Time) (*identity.Principal, []string, error) {
	var credential *identity.Credential
	for _, c := range s.directory.All() {
		if c.Principal.ARN == arn && (credential == nil || c.AccessKeyID < credential.AccessKeyID) {
			credential = c
		}
	}
	if credential != nil {
		return &credential.Principal, nil, nil
	}
	c, err := authz.CallerOf(arn)
	if err != nil {
		return nil, nil, err
	}
	if c.Type == authz.CallerService {
		return identity.ServicePrincipal("aws", arn), nil, nil
	}
	directory := s.directory.Current()
	account := directory.Account(c.Partition, c.Account)
	switch c.Type {
	case authz.CallerAccount:
		return account.Root("", nil), nil, nil
	case authz.CallerUser:
		if u := directory.User(c.Partition, c.Account, c.UserName); u != nil && u.ARN == arn {
			return u.Principal(""), nil, nil
		}
	case authz.CallerAssumedRole:
		role := c.Role[strings.LastIndexByte(c.Role, '/')+1:]
		session := c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
		if r := directory.Role(c.Partition, c.Account, role); r != nil && (c.ARN == arn || r.ARN == arn) {
			return r.Session(&identity.Session{Name: session, Issued: now}), []string{"a session of the role as such: without session policies, tags or source identity"}, nil
		}
	}
	root := account.Root("", nil)
	c.OrgID, c.OrgPaths, c.Policies.ServiceControl = root.OrgID, root.OrgPaths, root.Policies.ServiceControl
	return &identity.Principal{Caller: c}, []string{"nothing declares " + arn + ": it is taken as its ARN tells, without policies and tags of its own"}, nil
}
