package operation

import "trent/fastpath/wire"

// dataKeyPairRows are the rows of GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext.
func dataKeyPairRows(*[wire.NumOperations]row) {}
