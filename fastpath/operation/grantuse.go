package operation

import (
	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// grantedBy is the operation of grants that gives an action; none: the action cannot be granted.
var grantedBy = [authz.NumActions]keyring.GrantOperation{
	authz.ActionDecrypt:                             keyring.GrantDecrypt,
	authz.ActionEncrypt:                             keyring.GrantEncrypt,
	authz.ActionGenerateDataKey:                     keyring.GrantGenerateDataKey,
	authz.ActionGenerateDataKeyWithoutPlaintext:     keyring.GrantGenerateDataKeyWithoutPlaintext,
	authz.ActionReEncryptFrom:                       keyring.GrantReEncryptFrom,
	authz.ActionReEncryptTo:                         keyring.GrantReEncryptTo,
	authz.ActionSign:                                keyring.GrantSign,
	authz.ActionVerify:                              keyring.GrantVerify,
	authz.ActionGetPublicKey:                        keyring.GrantGetPublicKey,
	authz.ActionCreateGrant:                         keyring.GrantCreateGrant,
	authz.ActionDescribeKey:                         keyring.GrantDescribeKey,
	authz.ActionGenerateDataKeyPair:                 keyring.GrantGenerateDataKeyPair,
	authz.ActionGenerateDataKeyPairWithoutPlaintext: keyring.GrantGenerateDataKeyPairWithoutPlaintext,
	authz.ActionGenerateMac:                         keyring.GrantGenerateMac,
	authz.ActionVerifyMac:                           keyring.GrantVerifyMac,
	authz.ActionDeriveSharedSecret:                  keyring.GrantDeriveSharedSecret,
	authz.ActionEncapsulate:                         keyring.GrantEncapsulate,
	authz.ActionDecapsulate:                         keyring.GrantDecapsulate,
}

// callGrants are the grants on the key that a call asks about.
type callGrants Call

// Permit implements authz.Grants. A grant to an account is one to its root user, and to those whom identity policies of the
// account let do the action (chosen).
func (g *callGrants) Permit(r *authz.Request) (string, bool) {
	c := (*Call)(g)
	q := &c.grantQuery
	if !c.askGrants(q, r) {
		return "", false
	}
	if text, ok := c.granted(q); ok {
		return text, true
	}
	if c.Caller.Type == authz.CallerAccount || c.Caller.Account == "" || !c.letByAccount(r) {
		return "", false
	}
	q.Grantees = append(q.Grantees[:0], c.accountARN())
	return c.granted(q)
}

// granted asks for a grant.
func (c *Call) granted(q *keyring.GrantQuery) (string, bool) {
	id, ok, err := c.asking.service.keys.PermitByGrant(c.asking.ctx, c.asking.key, q)
	if err != nil {
		return "", c.inTrouble(err)
	}
	if !ok {
		return "", false
	}
	return c.grantText(id), true
}

// letByAccount tells whether the caller's own policies allow what is asked.
func (c *Call) letByAccount(r *authz.Request) bool {
	own := &c.own
	own.Action, own.Caller, own.Resource, own.Partition = r.Action, r.Caller, r.Resource, r.Partition
	own.ResourceAccount, own.Endpoint, own.Facts = r.Caller.Account, r.Endpoint, r.Facts
	return authz.Decide(own).Allowed
}

// askGrants fills q; false: no grant can allow it.
func (c *Call) askGrants(q *keyring.GrantQuery, r *authz.Request) bool {
	q.Operation = grantedBy[r.Action]
	c.speaksAs(q)
	q.Child, q.Context = nil, nil
	q.ByService, q.SourceARN = c.Caller.Type == authz.CallerService || c.Origin.Service != nil, ""
	if c.Origin.Service != nil {
		q.SourceARN = c.Origin.Service.SourceARN
	}
	q.Tokens = q.Tokens[:0]
	for _, token := range c.grantTokens() {
		if _, id, ok := openGrantToken(token); ok {
			q.Tokens = append(q.Tokens, id)
		}
	}
	if create, ok := c.Request.(*wire.CreateGrantRequest); ok {
		// What is wrong with the child is for CreateGrant itself to say; it is no child of any grant.
		child, err := newGrant(c, create)
		if err != nil {
			return false
		}
		q.Child = &child
		return true
	}
	q.NoContext = r.Action == authz.ActionDescribeKey || !isSymmetric(c.asking.key.Spec)
	if !q.NoContext {
		pairs, _ := c.contexts()
		c.pairs = c.pairs[:0]
		for _, p := range pairs {
			c.pairs = append(c.pairs, hsm.ContextPair(p))
		}
		q.Context = c.pairs
	}
	return true
}

// speaksAs lists the names under which the caller itself may have grants.
func (c *Call) speaksAs(q *keyring.GrantQuery) {
	who := c.Caller
	q.Grantees = append(q.Grantees[:0], who.ARN, who.Role, who.UniqueID, who.Service)
}

// accountARN names the caller's account as a principal.
func (c *Call) accountARN() string {
	return c.text(func(b []byte) []byte {
		b = append(append(b, "arn:"...), c.Caller.Partition...)
		b = append(append(b, ":iam::"...), c.Caller.Account...)
		return append(b, ":root"...)
	})
}

// grantTokens are the request's. DescribeKey takes them without a word about those that are none.
func (c *Call) grantTokens() [][]byte {
	if r, ok := c.Request.(*wire.DescribeKeyRequest); ok {
		return r.GrantTokens
	}
	if c.row.tokens == nil {
		return nil
	}
	return c.row.tokens(c.Request)
}

// grantText is a grant's id as a Decision shows it.
func (c *Call) grantText(id keyring.GrantID) string {
	const digits = "0123456789abcdef"
	from := len(c.texts)
	for _, b := range id {
		c.texts = append(c.texts, digits[b>>4], digits[b&15])
	}
	return view(c.texts[from:])
}
