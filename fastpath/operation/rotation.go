package operation

import "trent/fastpath/wire"

// rotationRows are the rows of EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations and RotateKeyOnDemand.
func rotationRows(*[wire.NumOperations]row) {}
