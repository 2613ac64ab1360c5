package operation

import "trent/fastpath/wire"

// usageRows are the rows of GetKeyLastUsage.
func usageRows(*[wire.NumOperations]row) {}
