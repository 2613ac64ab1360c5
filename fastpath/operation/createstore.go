package operation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
)

// Members of requests that belong to one type of custom key store.
const (
	hsmMembers = "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate"
	xksMembers = "XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential"
)

func createCustomKeyStore(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.CreateCustomKeyStoreRequest)
	k, secret, err := newKeyStore(c.Scope, r)
	if err != nil {
		return err
	}
	k.Created = s.clock()
	t := targetOf(&k)
	others, _, err := s.keys.KeyStores(ctx, c.Scope, "", 1000)
	if err != nil {
		return err
	}
	// The own rules before the backend is asked, and again in the transaction.
	if err := s.unique(&k, others); err != nil {
		return err
	}
	t.Secret = secret
	if err := s.backend.Check(ctx, keystore.Create, &t, ""); err != nil {
		return managed(k.Type, err)
	}
	if k.Secret, err = s.sealSecret(ctx, k.ID, secret); err != nil {
		return err
	}
	if err := s.keys.CreateKeyStore(ctx, k, func(others []keyring.KeyStore) error { return s.unique(&k, others) }); err != nil {
		return storeRefusal([]byte(k.ID), err)
	}
	c.Response = &wire.CreateCustomKeyStoreResponse{CustomKeyStoreId: k.ID}
	return nil
}

// newKeyStore is the custom key store that a request asks for, and a view of its secret.
func newKeyStore(scope keyring.Scope, r *wire.CreateCustomKeyStoreRequest) (k keyring.KeyStore, secret []byte, err error) {
	k = keyring.KeyStore{Scope: scope, ID: newStoreID(), Name: string(r.CustomKeyStoreName), State: keyring.Disconnected, Type: keyring.CloudHSMStore}
	external := r.XksProxyConnectivity != 0 || r.XksProxyUriEndpoint != nil || r.XksProxyUriPath != nil ||
		r.XksProxyAuthenticationCredential != nil || r.XksProxyVpcEndpointServiceName != nil || r.XksProxyVpcEndpointServiceOwner != nil
	if r.CustomKeyStoreType != wire.CustomKeyStoreTypeExternalKeyStore {
		switch {
		case external:
			return k, nil, validation("%s are only valid for a custom key store of type EXTERNAL_KEY_STORE.", xksMembers)
		case r.CloudHsmClusterId == nil || r.KeyStorePassword == nil || r.TrustAnchorCertificate == nil:
			return k, nil, validation("%s are required for a custom key store of type AWS_CLOUDHSM.", hsmMembers)
		}
		k.Cluster, k.TrustAnchor = string(r.CloudHsmClusterId), string(r.TrustAnchorCertificate)
		return k, r.KeyStorePassword, nil
	}
	k.Type = keyring.ExternalStore
	switch {
	case scope.Partition == chinaPartition:
		return k, nil, validation("CustomKeyStoreType EXTERNAL_KEY_STORE is not supported in this Region.")
	case r.CloudHsmClusterId != nil || r.KeyStorePassword != nil || r.TrustAnchorCertificate != nil:
		return k, nil, validation("%s are only valid for a custom key store of type AWS_CLOUDHSM.", hsmMembers)
	case r.XksProxyConnectivity == 0 || r.XksProxyUriEndpoint == nil || r.XksProxyUriPath == nil || r.XksProxyAuthenticationCredential == nil:
		return k, nil, validation("%s are required for a custom key store of type EXTERNAL_KEY_STORE.", xksMembers)
	}
	k.Endpoint, k.Path = string(r.XksProxyUriEndpoint), string(r.XksProxyUriPath)
	k.AccessKeyID = string(r.XksProxyAuthenticationCredential.AccessKeyId)
	k.Service, k.ServiceOwner = string(r.XksProxyVpcEndpointServiceName), string(r.XksProxyVpcEndpointServiceOwner)
	k.Connectivity = connectivityOf(r.XksProxyConnectivity)
	return k, r.XksProxyAuthenticationCredential.RawSecretAccessKey, checkConnectivity(&k)
}

// newStoreID makes the id of a custom key store: "cks-" and 17 hex digits.
func newStoreID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "cks-" + hex.EncodeToString(b[:])[:17]
}

func connectivityOf(v wire.XksProxyConnectivityType) keyring.Connectivity {
	return keyring.Connectivity(max(slices.Index(connectivities[:], v), 0))
}

// checkConnectivity finds fault with the members that go with a connectivity.
func checkConnectivity(k *keyring.KeyStore) error {
	vpc := k.Connectivity == keyring.VPCEndpointService
	switch {
	case vpc && k.Service == "":
		return validation("XksProxyVpcEndpointServiceName is required where XksProxyConnectivity is VPC_ENDPOINT_SERVICE.")
	case !vpc && (k.Service != "" || k.ServiceOwner != ""):
		return validation("XksProxyVpcEndpointServiceName and XksProxyVpcEndpointServiceOwner are only valid where XksProxyConnectivity is VPC_ENDPOINT_SERVICE.")
	}
	return nil
}

// unique finds what k has in common with another custom key store of its account and Region and may not.
func (s *Service) unique(k *keyring.KeyStore, others []keyring.KeyStore) error {
	t := targetOf(k)
	for i := range others {
		o := &others[i]
		if o.Name == k.Name {
			return wire.Errorf(wire.CodeCustomKeyStoreNameInUseException, "A custom key store of the name %s already exists.", k.Name)
		}
		if o.Type != k.Type {
			continue
		}
		if k.Type == keyring.CloudHSMStore {
			if s.backend.SharesBackups(&t, o.Cluster) {
				return stored(wire.CodeCloudHsmClusterInUseException)
			}
			continue
		}
		switch sameHost := strings.EqualFold(o.Endpoint, k.Endpoint); {
		case sameHost && o.Connectivity != k.Connectivity:
			return wire.Errorf(wire.CodeXksProxyUriEndpointInUseException, "The proxy URI endpoint %s is used by another external key store with another connectivity.", k.Endpoint)
		case sameHost && o.Path == k.Path:
			return wire.Errorf(wire.CodeXksProxyUriInUseException, "The proxy URI endpoint and path %s%s are used by another external key store.", k.Endpoint, k.Path)
		case k.Service != "" && o.Service == k.Service:
			return wire.Errorf(wire.CodeXksProxyVpcEndpointServiceInUseException, "The VPC endpoint service %s is used by another external key store.", k.Service)
		}
	}
	return nil
}
