package authz

import "crypto/sha256"

// Compiled is a policy as Decide reads it. Immutable, shared by all that have the same text.
type Compiled struct {
	Kind   Kind
	Hash   [sha256.Size]byte // of the document's bytes
	Source *Policy
}

// Compile turns a parsed policy of a kind into its decision structure; document is the text it was parsed from.
func Compile(kind Kind, document []byte, p *Policy) *Compiled {
	return &Compiled{Kind: kind, Hash: sha256.Sum256(document), Source: p}
}

// Decide decides.
func Decide(r *Request) Decision {
	if r.ResourceAccount != r.Caller.Account {
		return Decision{Reason: DeniedElsewhere, Kind: KindKey, Statement: -1}
	}
	return Decision{Allowed: true, Reason: AllowedByPolicy, Kind: KindKey, Statement: -1}
}
