package operation

import "trent/fastpath/wire"

// agreementRows are the rows of DeriveSharedSecret, Encapsulate and Decapsulate.
func agreementRows(*[wire.NumOperations]row) {}
