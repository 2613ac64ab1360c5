package operation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
	"trent/hsm"
)

// newOrigin is the origin that a CreateKey asks for, with what must and what must not come with it.
func newOrigin(r *wire.CreateKeyRequest) (keyring.Origin, error) {
	origin := keyring.AWSKMS
	if r.Origin != 0 {
		origin = keyring.Origin(slices.Index(origins[:], r.Origin))
	}
	inStore := origin == keyring.AWSCloudHSM || origin == keyring.ExternalKeyStore
	switch {
	case inStore && r.CustomKeyStoreId == nil:
		return 0, validation("CustomKeyStoreId is required for keys of Origin %s.", r.Origin)
	case !inStore && r.CustomKeyStoreId != nil:
		return 0, validation("CustomKeyStoreId is only valid for keys of Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE.")
	case origin == keyring.ExternalKeyStore && r.XksKeyId == nil:
		return 0, validation("XksKeyId is required for keys of Origin EXTERNAL_KEY_STORE.")
	case origin != keyring.ExternalKeyStore && r.XksKeyId != nil:
		return 0, validation("XksKeyId is only valid for keys of Origin EXTERNAL_KEY_STORE.")
	}
	return origin, nil
}

// placeInStore finds the custom key store of a new key and asks what is behind it. Keys of no store pass at once.
func (s *Service) placeInStore(ctx context.Context, c *Call, r *wire.CreateKeyRequest, n *keyring.NewKey) error {
	if r.CustomKeyStoreId == nil {
		return nil
	}
	switch {
	case specs[n.Spec].spec != wire.KeySpecSymmetricDefault || n.Usage != hsm.EncryptDecrypt:
		return wire.Errorf(wire.CodeUnsupportedOperationException, "Keys in custom key stores must be symmetric encryption keys.")
	case n.MultiRegion:
		return wire.Errorf(wire.CodeUnsupportedOperationException, "Keys in custom key stores cannot be multi-Region keys.")
	}
	k, err := s.keyStore(ctx, c, r.CustomKeyStoreId)
	if err != nil {
		return err
	}
	if (n.Origin == keyring.ExternalKeyStore) != (k.Type == keyring.ExternalStore) {
		return wire.Errorf(wire.CodeUnsupportedOperationException, "Origin %s is not valid for the custom key store %s of type %s.", r.Origin, k.ID, storeTypes[k.Type])
	}
	n.Store, n.BackingID = k.ID, k.Cluster
	switch {
	case k.State != keyring.Connected && k.Type == keyring.ExternalStore:
		return wire.Errorf(wire.CodeCustomKeyStoreInvalidStateException, xksNotConnected)
	case k.State != keyring.Connected:
		return storeState(k)
	case k.Type == keyring.ExternalStore:
		n.BackingID = string(r.XksKeyId)
		return s.checkExternalKey(ctx, k, n.BackingID)
	}
	t := targetOf(k)
	return keyCreation(k.Type, s.backend.Check(ctx, keystore.CreateKey, &t, ""))
}

// checkExternalKey asks the proxy for the external key, which must be fit for use.
func (s *Service) checkExternalKey(ctx context.Context, k *keyring.KeyStore, id string) error {
	t := targetOf(k)
	var opened Call
	defer opened.Reset()
	var err error
	if t.Secret, err = s.openSecret(ctx, &opened, k); err != nil {
		return err
	}
	e, err := s.backend.ExternalKey(ctx, &t, id)
	if err != nil {
		return keyCreation(k.Type, err)
	}
	fault := ""
	switch {
	case e.Spec != "AES_256":
		fault = fmt.Sprintf("The key spec of the external key must be AES_256. The key spec of specified external key is %s.", e.Spec)
	case e.Status != "ENABLED":
		fault = fmt.Sprintf("The status of the external key must be ENABLED. The status of specified external key is %s.", e.Status)
	case !slices.Contains(e.Usage, "ENCRYPT") || !slices.Contains(e.Usage, "DECRYPT"):
		fault = fmt.Sprintf("The key usage of the external key must include ENCRYPT and DECRYPT. The key use of specified external key is %s.", strings.Join(e.Usage, ", "))
	default:
		return nil
	}
	return wire.Errorf(wire.CodeXksKeyInvalidConfigurationException, "%s", fault)
}
