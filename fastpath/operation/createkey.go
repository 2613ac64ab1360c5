package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

func createKey(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.CreateKeyRequest)
	n := keyring.NewKey{Manager: keyring.Customer, MultiRegion: r.MultiRegion, Description: string(r.Description), Created: s.clock()}
	var err error
	if n.Spec, n.Usage, err = newSpec(r, c.Scope.Partition); err != nil {
		return err
	}
	if n.Origin, err = newOrigin(r); err != nil {
		return err
	}
	if n.Origin == keyring.External && !hsm.Importable(n.Spec) {
		return wire.Errorf(wire.CodeUnsupportedOperationException, "KeySpec %s is not supported for Origin EXTERNAL", specs[n.Spec].spec)
	}
	if n.Tags, err = s.newTags(r.Tags); err != nil {
		return err
	}
	if n.ID, err = newID(c.Scope, r.MultiRegion); err != nil {
		return err
	}
	if r.Policy != nil {
		if err := s.checkPolicy(c, r.Policy, n.ARN(), n.Region, r.BypassPolicyLockoutSafetyCheck); err != nil {
			return err
		}
		n.Policy = append([]byte(nil), r.Policy...)
	}
	if err := s.placeInStore(ctx, c, r, &n); err != nil {
		return err
	}
	if n.Origin != keyring.External {
		if err := s.generate(c, &n); err != nil {
			return err
		}
	}
	snapshot, err := s.keys.Create(ctx, n)
	if err != nil {
		return keyLimit(storeRefusal(r.CustomKeyStoreId, fmt.Errorf("writing a new key: %w", err)))
	}
	record, err := s.keys.Record(ctx, snapshot.ID)
	if err != nil {
		return fmt.Errorf("reading a new key back: %w", err)
	}
	m := metadata(&record)
	c.Response = &wire.CreateKeyResponse{KeyMetadata: m}
	return s.inStore(ctx, &record, m)
}

// newSpec is the spec and usage that a CreateKey asks for in a partition.
func newSpec(r *wire.CreateKeyRequest, partition string) (hsm.KeySpec, hsm.Usage, error) {
	if r.KeySpec != 0 && r.CustomerMasterKeySpec != 0 {
		return 0, 0, validation("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	}
	spec := r.KeySpec
	if r.CustomerMasterKeySpec != 0 {
		spec = currentSpec(r.CustomerMasterKeySpec)
	}
	if spec == 0 {
		spec = wire.KeySpecSymmetricDefault
	}
	usage := r.KeyUsage
	if usage == 0 {
		if spec != wire.KeySpecSymmetricDefault {
			return 0, 0, validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
		usage = wire.KeyUsageTypeEncryptDecrypt
	}
	module, here := partitionSpec(spec, partition)
	if !here {
		return 0, 0, wire.Errorf(wire.CodeUnsupportedOperationException, "KeySpec %s is not supported in this Region", spec)
	}
	if u := moduleUsage(usage); compatibleUsage(module, u) {
		return module, u, nil
	}
	return 0, 0, validation("KeyUsage %s is not compatible with KeySpec %s", usage, spec)
}

// newID makes a key id: a random UUID, or for multi-Region keys "mrk-" and its 32 digits.
func newID(scope keyring.Scope, multiRegion bool) (keyring.ID, error) {
	u, err := uuid.NewRandom()
	if err != nil {
		return keyring.ID{}, fmt.Errorf("making a key id: %w", err)
	}
	id := u.String()
	if multiRegion {
		id = "mrk-" + strings.ReplaceAll(id, "-", "")
	}
	return scope.Key(id), nil
}

// generate makes the key's material inside the module.
func (s *Service) generate(c *Call, n *keyring.NewKey) error {
	region := n.Region
	if n.MultiRegion {
		region = "" // replicas in other Regions must be able to use the material
	}
	identity := hsm.AppendIdentity(nil, n.Partition, n.Account, n.Key, region)
	m, err := s.newMaterial(c, &hsm.Key{Identity: identity, Spec: n.Spec, Usage: n.Usage})
	if err != nil {
		if errors.Is(err, hsm.ErrUnsupported) { // a module in FIPS mode has not all of them
			return wire.Errorf(wire.CodeUnsupportedOperationException, "KeySpec %s is not supported in this Region", specs[n.Spec].spec)
		}
		return fmt.Errorf("generating key material: %w", err)
	}
	n.Token = append([]byte(nil), m.Out...)
	if len(m.Public) > 0 {
		n.Public = append([]byte(nil), m.Public...)
	}
	n.Material = m.Material
	return nil
}

// metadata is KeyMetadata of a key, without what its own record does not tell.
func metadata(r *keyring.Record) *wire.KeyMetadata {
	lists := algorithmsOf(r.Spec, r.Usage)
	m := &wire.KeyMetadata{
		AWSAccountId: r.Account, KeyId: r.Key, Arn: r.ARN(),
		CreationDate: wire.Some(wire.TimestampOf(r.Created)),
		Enabled:      wire.Some(r.State == keyring.Enabled),
		Description:  r.Description,
		KeyUsage:     usages[r.Usage],
		KeyState:     keyStates[r.State],
		Origin:       origins[r.Origin],
		KeyManager:   managers[r.Manager],
		KeySpec:      specs[r.Spec].spec, CustomerMasterKeySpec: specs[r.Spec].legacy,
		EncryptionAlgorithms: lists.encryption, SigningAlgorithms: lists.signing,
		MacAlgorithms: lists.mac, KeyAgreementAlgorithms: lists.agreement, EncapsulationAlgorithms: lists.encapsulation,
		MultiRegion: wire.Some(r.MultiRegion),
	}
	if r.State == keyring.PendingDeletion {
		m.DeletionDate = wire.Some(wire.TimestampOf(r.Deletion))
	}
	if r.State == keyring.PendingReplicaDeletion {
		m.PendingDeletionWindowInDays = wire.Some(int32(r.WindowDays))
	}
	if r.MultiRegion {
		m.MultiRegionConfiguration = configuration(r.ID, keyring.Related{Primary: r.Region})
	}
	if isSymmetric(r.Spec) && r.Current != (hsm.MaterialID{}) {
		m.CurrentKeyMaterialId = r.Current.String()
	}
	if r.Origin == keyring.External && r.Current != (hsm.MaterialID{}) && !r.Lacking {
		m.ExpirationModel = wire.ExpirationModelTypeKeyMaterialDoesNotExpire
		if !r.ValidTo.IsZero() {
			m.ExpirationModel, m.ValidTo = wire.ExpirationModelTypeKeyMaterialExpires, wire.Some(wire.TimestampOf(r.ValidTo))
		}
	}
	return m
}

// keyLimit words the refusal of a key that would be one too many for the account and Region.
func keyLimit(err error) error {
	if full := (*keyring.ErrTooManyKeys)(nil); errors.As(err, &full) {
		return wire.Errorf(wire.CodeLimitExceededException, "Key quota for this account in this region is %d but the current usage is %d.", full.Limit, full.Current)
	}
	return err
}

// keyGone turns a key that vanished between Resolve and a write into the API's error.
func keyGone(c *Call, err error) error {
	if errors.Is(err, keyring.ErrKeyMissing) {
		return notFound(c.Key.Snapshot)
	}
	return err
}
