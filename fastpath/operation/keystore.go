package operation

import "trent/fastpath/wire"

// storeRows are the rows of the six operations of custom key stores.
func storeRows(*[wire.NumOperations]row) {}
