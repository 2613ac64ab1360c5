package operation

import "trent/fastpath/wire"

// grantRows are the rows of CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant and RetireGrant.
func grantRows(*[wire.NumOperations]row) {}
