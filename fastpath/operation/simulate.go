package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// Simulation is a question what would be decided.
type Simulation struct {
	Action   authz.Action // of the service's own
	Caller   *identity.Principal
	Region   string
	Resource string            // id or ARN of a key, name or ARN of an alias; empty: the action has none
	Context  map[string]string // encryption context of the request
	Given    *authz.Given      // further condition keys, which go before what the request has
	Policy   *authz.Compiled   // in place of the key's; nil: the key's
	At       time.Time         // of the request
}

// ErrSimulation is a simulation that asks for something that cannot be.
var ErrSimulation = errors.New("simulation")

func noSimulation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSimulation, fmt.Sprintf(format, args...))
}

// OnKey tells whether an action is decided on a key, with its policy.
func OnKey(a authz.Action) bool {
	on := setOf(keyActions)
	return on.has(a) && a != authz.ActionRetireGrant
}

// OnAlias tells whether an action is decided on an alias too, by identity policies alone.
func OnAlias(a authz.Action) bool {
	return a == authz.ActionCreateAlias || a == authz.ActionUpdateAlias || a == authz.ActionDeleteAlias
}

// Simulate decides as a request would be decided where policies are enforced, and changes nothing. Errors wrap ErrSimulation, or are the store's.
func (s *Service) Simulate(ctx context.Context, q *Simulation) (*authz.Explanation, error) {
	c := &Call{Caller: q.Caller, Scope: keyring.Scope{Partition: q.Caller.Partition, Account: q.Caller.Account, Region: q.Region}}
	c.Operation = simulated(q.Action)
	if c.Operation == wire.OperationNone {
		return nil, noSimulation("%s is no action of a key operation", q.Action)
	}
	c.row, c.Request = &s.table[c.Operation], wire.NewRequest(c.Operation)
	if err := c.simulateContext(q); err != nil {
		return nil, err
	}
	c.Origin = Origin{Secure: true, At: q.At, Endpoint: q.Given.Endpoint()}
	c.asking.service, c.asking.ctx = s, ctx
	if err := s.simulateResource(ctx, c, q); err != nil {
		return nil, err
	}
	r := &c.asked
	r.Caller = q.Given.Caller(q.Caller.Caller, q.At)
	given := *q.Given
	given.Next, r.Facts = c, &given
	if s.principals.ResourceControl != nil {
		r.ResourceControl = s.principals.ResourceControl(c.Scope.Partition, r.ResourceAccount)
	}
	e := authz.Explain(r)
	if c.asking.trouble != nil {
		return nil, c.asking.trouble
	}
	if key := c.asking.key; key != nil && !c.owns(key) && !c.row.foreignKeys && c.Caller.Type != authz.CallerService {
		e.Allowed, e.Reason = false, "denied: "+c.Operation.String()+" does not work on keys of other accounts, whatever policies say"
	}
	return &e, nil
}

// simulated is the operation whose requests need an action.
func simulated(a authz.Action) wire.Operation {
	name := strings.TrimPrefix(a.String(), "kms:")
	if a == authz.ActionReEncryptFrom || a == authz.ActionReEncryptTo {
		return wire.OperationReEncrypt
	}
	op, _ := wire.LookupTarget([]byte("TrentService." + name))
	return op
}

// simulateContext puts the encryption context where requests of the operation have it.
func (c *Call) simulateContext(q *Simulation) error {
	if len(q.Context) == 0 {
		return nil
	}
	pairs, err := json.Marshal(q.Context)
	if err != nil {
		return err
	}
	body := `{"EncryptionContext":` + string(pairs) + `}`
	switch c.Operation {
	case wire.OperationReEncrypt:
		body = `{"SourceEncryptionContext":` + string(pairs) + `,"DestinationEncryptionContext":` + string(pairs) + `}`
	case wire.OperationCreateGrant:
		body = `{"Constraints":{"EncryptionContextSubset":` + string(pairs) + `}}`
	}
	if err := c.Request.Decode([]byte(body)); err != nil {
		return noSimulation("the encryption context: %v", err)
	}
	c.asked.Action = q.Action // which context counts depends on it
	if pairs, more := c.contexts(); len(pairs)+len(more) == 0 {
		return noSimulation("requests of %s have no encryption context", c.Operation)
	}
	return nil
}

// simulateResource finds what the action would be done on.
func (s *Service) simulateResource(ctx context.Context, c *Call, q *Simulation) error {
	if !OnKey(q.Action) || OnAlias(q.Action) && keyring.Classify([]byte(q.Resource)).IsAlias() {
		c.ask(q.Action, nil)
		c.asked.ResourceAccount, c.asked.Resource = c.Scope.Account, c.place("*")
		switch {
		case strings.HasPrefix(q.Resource, "alias/"):
			c.asked.Resource = c.Scope.AliasARN(q.Resource)
		case q.Resource != "" && q.Resource != "*" && OnAlias(q.Action):
			c.asked.Resource = q.Resource
		case q.Resource != "" && q.Resource != "*":
			return noSimulation("%s has no resource: leave it out", q.Action)
		}
		return nil
	}
	if q.Resource == "" {
		return noSimulation("%s is done on a key: name it", q.Action)
	}
	found, err := s.keys.Resolve(ctx, c.Scope, []byte(q.Resource))
	var refused *keyring.NameError
	switch {
	case errors.As(err, &refused):
		return noSimulation("%q names no key: %v", q.Resource, refused)
	case err != nil:
		return fmt.Errorf("finding the key: %w", err)
	case found.Snapshot.Missing:
		return noSimulation("there is no key %s", found.Snapshot.ARN)
	}
	c.Key, c.Target = found, found
	key := found.Snapshot
	c.ask(q.Action, key)
	r := &c.asked
	r.Resource, r.ResourceAccount, r.Policy = key.ARN, key.Account, key.Policy
	if q.Policy != nil {
		r.Policy = q.Policy
	}
	if grantedBy[q.Action] != keyring.GrantNothing {
		r.Grants = (*callGrants)(c)
	}
	return nil
}
