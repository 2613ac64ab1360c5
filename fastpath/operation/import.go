package operation

import "trent/fastpath/wire"

// importRows are the rows of GetParametersForImport, ImportKeyMaterial and DeleteImportedKeyMaterial.
func importRows(*[wire.NumOperations]row) {}
