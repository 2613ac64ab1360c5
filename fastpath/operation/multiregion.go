package operation

import "trent/fastpath/wire"

// multiRegionRows are the rows of ReplicateKey and UpdatePrimaryRegion.
func multiRegionRows(*[wire.NumOperations]row) {}
