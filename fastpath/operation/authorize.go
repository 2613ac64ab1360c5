package operation

import (
	"context"
	"errors"
	"unsafe"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// asking is what is being decided on, for Facts and grants, which are not told otherwise.
type asking struct {
	service *Service
	ctx     context.Context
	key     *keyring.Snapshot // nil: not on a key
	region  string            // where the action would be done
	trouble error             // of the store: the decision does not count
}

// lost is a name of the request that is of no alias.
type lost struct {
	alias   bool
	refusal *wire.Error
	managed *managedKey // whose key the name may bring about; nil: none
}

var errUnauthorized = errors.New("operation: the call was not authorized before it was executed")

// Authorize decides whether the caller may do what the call asks for: between Resolve, and Execute, which runs nothing
// that Authorize has not passed. A key that is not there is refused by Execute, if its caller may learn that. Errors: AccessDeniedException and
// InvalidGrantTokenException as *wire.Error, trouble of the store for APIError.
func (s *Service) Authorize(ctx context.Context, c *Call) error {
	r := c.row
	if r.tokens != nil {
		for _, token := range r.tokens(c.Request) {
			if _, _, ok := openGrantToken(token); !ok {
				return wire.Bare(wire.CodeInvalidGrantTokenException)
			}
		}
	}
	c.asking.service, c.asking.ctx = s, ctx
	if r.recipient != nil {
		s.verifyRecipient(c, r.recipient(c.Request))
	}
	for i := range r.needs {
		n := &r.needs[i]
		if n.when != nil && !n.when(c.Request) {
			continue
		}
		var err error
		if n.on.ofKey() {
			err = s.needOnKey(ctx, c, n)
		} else {
			err = s.needElse(c, n)
		}
		if err != nil {
			return err
		}
	}
	c.authorized = true
	return nil
}

// keyOf is the key that a permission is needed on, nil if the request led to none.
func (c *Call) keyOf(on resource) *keyring.Snapshot {
	switch on {
	case onKey:
		return c.Key.Snapshot
	case onTarget:
		return c.Target.Snapshot
	case onOther:
		return c.other
	}
	return nil
}

// lostOf is what became of the name of a key that the request led to none by, nil if it was no lost alias.
func (c *Call) lostOf(on resource) *lost {
	switch {
	case on == onKey && c.lost[0].alias:
		return &c.lost[0]
	case on == onTarget && c.lost[1].alias:
		return &c.lost[1]
	}
	return nil
}

// owns tells whether a key is of the caller's account.
func (c *Call) owns(key *keyring.Snapshot) bool {
	return key.Account == c.Scope.Account && key.Partition == c.Scope.Partition
}

// needOnKey decides a permission on a key.
func (s *Service) needOnKey(ctx context.Context, c *Call, n *need) error {
	key := c.keyOf(n.on)
	if key == nil {
		if l := c.lostOf(n.on); l != nil {
			return s.needOnLost(ctx, c, n, l)
		}
		if c.refuse != nil && c.refuse.Code == wire.CodeAccessDeniedException {
			return c.refuse
		}
		return nil // Execute says why there is none; or the request needs none
	}
	if !c.owns(key) && (key.Missing || s.mode == Off || !c.row.foreignKeys && c.Caller.Type != authz.CallerService) {
		if s.mode != Off { // no policy was asked, and still it was decided
			c.ask(n.action, key)
			c.asked.Resource = key.ARN
			s.decided(c, &authz.Decision{Reason: authz.DeniedElsewhere, Statement: -1, AlsoStatement: -1})
		}
		return c.elsewhere(n)
	}
	if s.mode == Off {
		return nil
	}
	c.ask(n.action, key)
	q := &c.asked
	q.Resource, q.ResourceAccount = key.ARN, key.Account
	if !key.Missing {
		q.Policy = key.Policy
		if grantedBy[n.action] != keyring.GrantNothing {
			q.Grants = (*callGrants)(c)
		}
	}
	if s.principals.ResourceControl != nil {
		q.ResourceControl = s.principals.ResourceControl(key.Partition, key.Account)
	}
	return s.decide(c, n)
}

// needElse decides a permission by identity policies alone.
func (s *Service) needElse(c *Call, n *need) error {
	if n.on == onGrant {
		return s.authorizeRetirement(c, n)
	}
	if s.mode == Off || (n.on == onReplicas || n.on == onReplica) && c.Key.Snapshot == nil {
		return nil // of no key there are no replicas, as Execute says
	}
	c.ask(n.action, nil)
	q := &c.asked
	q.ResourceAccount = c.Scope.Account
	switch n.on {
	case onAlias:
		q.Resource = c.Scope.AliasARN(c.alias)
	case onNewKey:
		q.Resource = c.place("key/*")
	case onAny:
		q.Resource = c.place("*")
	case onReplicas, onReplica:
		c.asking.region = string(c.Request.(*wire.ReplicateKeyRequest).ReplicaRegion)
		q.Resource = c.place("*")
		if n.on == onReplica {
			q.Resource = c.place("key/" + c.Key.Snapshot.Key)
		}
	}
	if s.principals.ResourceControl != nil {
		q.ResourceControl = s.principals.ResourceControl(c.Scope.Partition, c.Scope.Account)
	}
	return s.decide(c, n)
}

// needOnLost is about a name of no alias in the caller's account. That there is none may be known to all of the account. But
// a predefined alias has its key from its first use on, if that would be allowed.
func (s *Service) needOnLost(ctx context.Context, c *Call, n *need, l *lost) error {
	if l.managed == nil {
		return nil
	}
	if made, err := s.firstUse(ctx, c, n, l); err != nil || !made {
		return err
	}
	return s.needOnKey(ctx, c, n)
}

// ask begins a question, about a key or, with nil, not about one.
func (c *Call) ask(action authz.Action, key *keyring.Snapshot) {
	q := &c.asked
	q.Action, q.Caller, q.Partition = action, &c.Caller.Caller, c.Scope.Partition
	q.Endpoint, q.Facts = c.Origin.Endpoint, c
	q.Policy, q.Grants, q.ResourceControl = nil, nil, nil
	c.asking.key, c.asking.region = key, c.Scope.Region
}

// decide has the question decided, and makes a denial an error where that counts.
func (s *Service) decide(c *Call, n *need) error {
	d := authz.Decide(&c.asked)
	if c.asking.trouble != nil {
		return c.asking.trouble
	}
	s.decided(c, &d)
	if d.Allowed {
		return nil
	}
	return s.denied(c, c.denial(n, &d))
}

// denied is a denial by policies, which counts only where they are enforced.
func (s *Service) denied(c *Call, refusal *wire.Error) error {
	if s.mode == Enforce {
		return refusal
	}
	if s.mode == LogOnly && s.onDenied != nil {
		s.onDenied(c, refusal)
	}
	return nil
}

// resetAuthorization drops what Authorize kept of the request.
func (c *Call) resetAuthorization() {
	c.other, c.alias, c.grant, c.unattested = nil, "", nil, nil
	c.byCiphertext, c.authorized = false, false
	if c.lost[0].alias || c.lost[1].alias {
		c.lost = [2]lost{}
	}
	c.madeCount = 0 // what they point to stays until the next ones: policies, and room of the call's own
	c.asking = asking{}
	q := &c.asked
	q.Caller, q.Resource, q.ResourceAccount, q.Policy, q.Grants, q.Endpoint, q.ResourceControl = nil, "", "", nil, nil, nil, nil
	if c.own.Caller != nil {
		q = &c.own
		q.Caller, q.Resource, q.Endpoint = nil, "", nil
	}
	if len(c.texts) > 0 {
		c.texts = c.texts[:0]
		if cap(c.texts) > maxTexts {
			c.texts = nil
		}
	}
	if len(c.grantQuery.Grantees) > 0 {
		clear(c.grantQuery.Grantees)
		c.grantQuery = keyring.GrantQuery{Grantees: c.grantQuery.Grantees[:0], Tokens: c.grantQuery.Tokens[:0]}
	}
}

// maxTexts is how much room for texts a call keeps.
const maxTexts = 4 << 10

// place is the ARN of something in the caller's account and the Region that is asked about, without allocation.
func (c *Call) place(resource string) string {
	from := len(c.texts)
	b := append(c.texts, "arn:"...)
	b = append(b, c.Scope.Partition...)
	b = append(b, ":kms:"...)
	b = append(b, c.asking.region...)
	b = append(b, ':')
	b = append(b, c.Scope.Account...)
	b = append(b, ':')
	c.texts = append(b, resource...)
	return view(c.texts[from:])
}

// view is b as a string. It is for bytes that do not change as long as the call lasts.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
