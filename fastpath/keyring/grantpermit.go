package keyring

import (
	"slices"
	"strings"

	"trent/fastpath/authz"
	"trent/hsm"
)

// GrantQuery is what PermitByGrant is asked: whether one of a key's grants allows an operation to a caller. It may be used
// again, and nothing of it is kept.
type GrantQuery struct {
	Operation GrantOperation
	// Grantees are the names under which the caller may have been given grants: the ARN of the session, of its role, of the
	// user, of the account (arn:…:root), the unique id, the service principal. Empty ones are passed over.
	Grantees []string
	// Context is the request's encryption context, in any order, each key once.
	Context []hsm.ContextPair
	// NoContext says that the operation has no encryption context, so that constraints on it do not count (DescribeKey,
	// RetireGrant, and all operations with asymmetric keys).
	NoContext bool
	// ByService says that an AWS service makes the request, for itself or for somebody. Only then a grant's SourceARN counts,
	// and SourceARN is compared with it.
	ByService bool
	SourceARN string
	// Tokens are the ids that the request's grant tokens name. A grant is visible at once with or without: they are for
	// stores that show writes late.
	Tokens []GrantID
	// Child is the grant that CreateGrant is to make, nil for the other operations. A grant allows only children that allow no
	// more than itself, and the encryption context of a request is not looked at.
	Child *Grant
}

// StricterOrEqual tells whether a grant may be made by the grantee of another one, parent: it lists no operation that parent
// does not list, and its constraints let no request pass that parent's would not. EncryptionContextSubset may gain
// pairs or become EncryptionContextEquals with at least the same pairs; EncryptionContextEquals must stay as it is.
// (AWS KMS Developer Guide, "Granting CreateGrant permission".) An empty EncryptionContextSubset constrains nothing. Of
// SourceARN the guide says nothing; it must be the same, or narrower where the parent's has wildcards.
func StricterOrEqual(parent, child *Grant) bool {
	for _, op := range child.Operations {
		if !parent.Allows(op) {
			return false
		}
	}
	if parent.SourceARN != "" && (child.SourceARN == "" || !sourceMatches(parent.SourceARN, child.SourceARN)) {
		return false
	}
	if parent.Equals != nil && (child.Equals == nil || len(child.Equals) != len(parent.Equals) || !includes(child.Equals, parent.Equals)) {
		return false
	}
	return includes(child.Subset, parent.Subset) || child.Equals != nil && includes(child.Equals, parent.Subset)
}

// includes tells whether all of some pairs are among others.
func includes(others, some []Tag) bool {
	for _, p := range some {
		if !slices.Contains(others, p) {
			return false
		}
	}
	return true
}

// sourceMatches compares a grant's SourceARN with another ARN as ArnLike does: part by part, '*' for any text and '?' for any
// one byte within a part, the last part being all that follows the fifth colon. That a grant may have wildcards is chosen.
func sourceMatches(pattern, arn string) bool {
	if pattern == arn {
		return true
	}
	for range 5 {
		p, prest, ok := strings.Cut(pattern, ":")
		a, arest, aok := strings.Cut(arn, ":")
		if !ok || !aok || !authz.Wildcard(p, a) {
			return false
		}
		pattern, arn = prest, arest
	}
	return authz.Wildcard(pattern, arn)
}

// permits tells whether the grant, which is the caller's, allows what q asks for.
func (g *Grant) permits(q *GrantQuery) bool {
	if !g.Allows(q.Operation) || q.ByService && g.SourceARN != "" && !sourceMatches(g.SourceARN, q.SourceARN) {
		return false
	}
	if q.Child != nil {
		return StricterOrEqual(g, q.Child)
	}
	if q.NoContext {
		return true
	}
	if g.Equals != nil && len(g.Equals) != len(q.Context) {
		return false
	}
	return inContext(g.Equals, q.Context) && inContext(g.Subset, q.Context)
}

func inContext(pairs []Tag, context []hsm.ContextPair) bool {
	for _, p := range pairs {
		if !slices.ContainsFunc(context, func(c hsm.ContextPair) bool { return string(c.Key) == p.Key && string(c.Value) == p.Value }) {
			return false
		}
	}
	return true
}
