package operation

import (
	"context"
	"errors"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
)

func updateCustomKeyStore(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UpdateCustomKeyStoreRequest)
	before, err := s.keyStore(ctx, c, r.CustomKeyStoreId)
	if err != nil {
		return err
	}
	k := *before
	secret, err := applyUpdate(&k, r)
	if err != nil {
		return err
	}
	if err := s.checkUpdate(ctx, c, before, &k, r, secret); err != nil {
		return err
	}
	var sealed []byte
	if secret != nil {
		if sealed, err = s.sealSecret(ctx, k.ID, secret); err != nil {
			return err
		}
	}
	return storeRefusal(r.CustomKeyStoreId, s.keys.EditKeyStore(ctx, c.Scope, k.ID, func(k *keyring.KeyStore, others []keyring.KeyStore) error {
		if _, err := applyUpdate(k, r); err != nil {
			return err
		}
		if sealed != nil {
			k.Secret = sealed
		}
		return s.uniqueUpdate(k, others)
	}))
}

// uniqueUpdate is unique for a store that changes. Its cluster may be changed to one of the same backup history only,
// which no other store can have, so that a cluster in use is not related; the operation models no other answer.
func (s *Service) uniqueUpdate(k *keyring.KeyStore, others []keyring.KeyStore) error {
	err := s.unique(k, others)
	var used *wire.Error
	if errors.As(err, &used) && used.Code == wire.CodeCloudHsmClusterInUseException {
		return stored(wire.CodeCloudHsmClusterNotRelatedException)
	}
	return err
}

// applyUpdate changes k as the request says, after its type and connection state were found to allow it. It returns a
// view of the new secret, nil if there is none.
func applyUpdate(k *keyring.KeyStore, r *wire.UpdateCustomKeyStoreRequest) (secret []byte, err error) {
	hsm := r.KeyStorePassword != nil || r.CloudHsmClusterId != nil
	lasting := r.XksProxyConnectivity != 0 || r.XksProxyUriEndpoint != nil || r.XksProxyVpcEndpointServiceName != nil || r.XksProxyVpcEndpointServiceOwner != nil
	xks := lasting || r.XksProxyUriPath != nil || r.XksProxyAuthenticationCredential != nil
	switch {
	case !hsm && !xks && r.NewCustomKeyStoreName == nil:
		return nil, validation("You must specify at least one property of the custom key store to update.")
	case hsm && k.Type != keyring.CloudHSMStore:
		return nil, validation("KeyStorePassword and CloudHsmClusterId are only valid for a custom key store of type AWS_CLOUDHSM.")
	case xks && k.Type != keyring.ExternalStore:
		return nil, validation("%s are only valid for a custom key store of type EXTERNAL_KEY_STORE.", xksMembers)
	case (hsm || lasting) && k.State != keyring.Disconnected,
		k.Type == keyring.ExternalStore && k.State != keyring.Disconnected && k.State != keyring.Connected:
		return nil, storeState(k)
	}
	set(&k.Name, r.NewCustomKeyStoreName)
	set(&k.Cluster, r.CloudHsmClusterId)
	set(&k.Endpoint, r.XksProxyUriEndpoint)
	set(&k.Path, r.XksProxyUriPath)
	if r.XksProxyConnectivity != 0 {
		if k.Connectivity = connectivityOf(r.XksProxyConnectivity); k.Connectivity == keyring.PublicEndpoint {
			k.Service, k.ServiceOwner = "", ""
		}
	}
	set(&k.Service, r.XksProxyVpcEndpointServiceName)
	set(&k.ServiceOwner, r.XksProxyVpcEndpointServiceOwner)
	secret = r.KeyStorePassword
	if credential := r.XksProxyAuthenticationCredential; credential != nil {
		set(&k.AccessKeyID, credential.AccessKeyId)
		secret = credential.RawSecretAccessKey
	}
	if k.Type == keyring.ExternalStore {
		err = checkConnectivity(k)
	}
	return secret, err
}

func set(field *string, value []byte) {
	if value != nil {
		*field = string(value)
	}
}

// checkUpdate asks the rules about other stores, then the backend, about k as it is to be. A new name or password concerns
// no backend.
func (s *Service) checkUpdate(ctx context.Context, c *Call, before, k *keyring.KeyStore, r *wire.UpdateCustomKeyStoreRequest, secret []byte) error {
	all, _, err := s.keys.KeyStores(ctx, c.Scope, "", 1000)
	if err != nil {
		return err
	}
	others := all[:0]
	for i := range all {
		if all[i].ID != k.ID {
			others = append(others, all[i])
		}
	}
	if err := s.uniqueUpdate(k, others); err != nil {
		return err
	}
	t, related := targetOf(k), ""
	if k.Type == keyring.CloudHSMStore {
		if r.CloudHsmClusterId == nil {
			return nil
		}
		if k.Cluster != before.Cluster {
			related = before.Cluster
		}
		return managed(k.Type, s.backend.Check(ctx, keystore.Update, &t, related))
	}
	if r.XksProxyUriEndpoint == nil && r.XksProxyUriPath == nil && r.XksProxyConnectivity == 0 && secret == nil &&
		r.XksProxyVpcEndpointServiceName == nil && r.XksProxyVpcEndpointServiceOwner == nil {
		return nil
	}
	if t.Secret = secret; secret == nil {
		var opened Call
		defer opened.Reset()
		if t.Secret, err = s.openSecret(ctx, &opened, before); err != nil {
			return err
		}
	}
	return managed(k.Type, s.backend.Check(ctx, keystore.Update, &t, ""))
}
