package operation

import (
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// outcome is what an operation does with a key in some state.
type outcome uint8

const (
	allowed outcome = iota
	isDisabled
	isPendingDeletion
	isPendingImport
	isUnavailable
	isCreating
	isUpdating
	notPendingDeletion
	isUnsupported
)

// stateClass groups the operations that treat key states alike.
type stateClass uint8

const (
	anyState      stateClass = iota // reads, DeleteAlias, and operations without a key
	cryptographic                   // Encrypt, Sign, GenerateMac, …
	pairing                         // GenerateDataKeyPair, …WithoutPlaintext
	publicKey                       // GetPublicKey
	describing                      // tags and descriptions
	switching                       // EnableKey, DisableKey
	scheduling                      // ScheduleKeyDeletion
	cancelling                      // CancelKeyDeletion
	aliasTarget                     // CreateAlias, UpdateAlias: the key that the alias will name
	replicating                     // ReplicateKey
	promoting                       // UpdatePrimaryRegion: the primary, and the replica that becomes it
	rotating                        // EnableKeyRotation, DisableKeyRotation, RotateKeyOnDemand
	preparing                       // GetParametersForImport
	importing                       // ImportKeyMaterial
	discarding                      // DeleteImportedKeyMaterial
	granting                        // CreateGrant
	numStateClasses
)

// stateTable is key state × operation (AWS KMS Developer Guide, "Key states of AWS KMS keys"). Where the
// guide lists both DisabledException and KMSInvalidStateException for a key that is pending deletion, the
// recorded answers are the latter.
var stateTable = [numStateClasses]map[keyring.State]outcome{
	cryptographic: {
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Unavailable:            isUnavailable,
		keyring.Creating:               isCreating,
	},
	pairing: {
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Unavailable:            isUnsupported, // only keys in custom key stores get there
		keyring.Creating:               isCreating,
	},
	publicKey: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
	},
	granting: {
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
	},
	describing: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
	},
	switching: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
		keyring.Updating:               isUpdating,
	},
	scheduling: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.Updating:               isUpdating,
	},
	cancelling: {
		keyring.Creating:      notPendingDeletion,
		keyring.Enabled:       notPendingDeletion,
		keyring.Disabled:      notPendingDeletion,
		keyring.PendingImport: notPendingDeletion,
		keyring.Unavailable:   notPendingDeletion,
		keyring.Updating:      notPendingDeletion,
	},
	aliasTarget: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
	},
	replicating: {
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
		keyring.Updating:               isUpdating,
	},
	promoting: {
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
	},
	rotating: { // without Unavailable: keys of custom key stores are refused for their origin
		keyring.Disabled:               isDisabled,
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.PendingImport:          isPendingImport,
		keyring.Creating:               isCreating,
	},
	preparing: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.Creating:               isCreating,
		keyring.Updating:               isUpdating,
	},
	importing: {
		keyring.PendingDeletion:        isPendingDeletion,
		keyring.PendingReplicaDeletion: isPendingDeletion,
		keyring.Creating:               isCreating,
	},
	discarding: {
		keyring.Creating: isCreating,
		keyring.Updating: isUpdating,
	},
}

// checkState returns the refusal of an operation of this class for a key in this state, nil if it may run.
// arn is the key's full ARN, as every text names it.
func checkState(class stateClass, state keyring.State, arn string) error {
	if state == keyring.Enabled && class != cancelling {
		return nil // the hot case, without a look into the table
	}
	switch stateTable[class][state] {
	case isDisabled:
		return wire.Errorf(wire.CodeDisabledException, "%s is disabled.", arn)
	case isPendingDeletion:
		if state == keyring.PendingReplicaDeletion {
			return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is pending replica deletion.", arn)
		}
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is pending deletion.", arn)
	case isPendingImport:
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is pending import.", arn)
	case isUnavailable:
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is unavailable.", arn)
	case isCreating:
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is creating.", arn)
	case isUpdating:
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is updating.", arn)
	case notPendingDeletion:
		return wire.Errorf(wire.CodeKMSInvalidStateException, "%s is not pending deletion.", arn)
	case isUnsupported:
		return wire.Bare(wire.CodeUnsupportedOperationException)
	}
	return nil
}
