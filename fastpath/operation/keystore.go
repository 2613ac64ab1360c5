package operation

import (
	"context"
	"errors"
	"fmt"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
)

// storeRows are the rows of the six operations of custom key stores.
func storeRows(t *[wire.NumOperations]row) {
	t[wire.OperationCreateCustomKeyStore] = row{run: createCustomKeyStore, write: true, noDependencyTimeout: true}
	t[wire.OperationDescribeCustomKeyStores] = row{run: describeCustomKeyStores, noDependencyTimeout: true}
	t[wire.OperationUpdateCustomKeyStore] = row{run: updateCustomKeyStore, write: true, noDependencyTimeout: true}
	t[wire.OperationDeleteCustomKeyStore] = row{run: deleteCustomKeyStore, write: true, noDependencyTimeout: true}
	t[wire.OperationConnectCustomKeyStore] = row{run: connectCustomKeyStore, write: true, noDependencyTimeout: true}
	t[wire.OperationDisconnectCustomKeyStore] = row{run: disconnectCustomKeyStore, write: true, noDependencyTimeout: true}
}

// keyStorePage is how many custom key stores a page has where no Limit is given; the service's number is not known.
const keyStorePage = 100

func describeCustomKeyStores(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.DescribeCustomKeyStoresRequest)
	resp := &wire.DescribeCustomKeyStoresResponse{CustomKeyStores: []wire.CustomKeyStoresListEntry{}, Truncated: wire.Some(false)}
	c.Response = resp
	var err error
	switch {
	case r.CustomKeyStoreId != nil && r.CustomKeyStoreName != nil:
		err = validation("You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request.")
	case r.CustomKeyStoreId != nil:
		var k *keyring.KeyStore
		if k, err = s.keyStore(ctx, c, r.CustomKeyStoreId); err == nil {
			resp.CustomKeyStores = append(resp.CustomKeyStores, storeEntry(k))
		}
	case r.CustomKeyStoreName != nil:
		var k *keyring.KeyStore
		if k, err = s.keyStoreNamed(ctx, c, string(r.CustomKeyStoreName)); err == nil {
			resp.CustomKeyStores = append(resp.CustomKeyStores, storeEntry(k))
		}
	default:
		err = s.listKeyStores(ctx, c, r, resp)
	}
	if err != nil {
		c.Response = nil
	}
	return err
}

func (s *Service) listKeyStores(ctx context.Context, c *Call, r *wire.DescribeCustomKeyStoresRequest, resp *wire.DescribeCustomKeyStoresResponse) error {
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	all, more, err := s.keys.KeyStores(ctx, c.Scope, after, pageSize(r.Limit, r.HasLimit(), keyStorePage, 1000))
	if err != nil {
		return fmt.Errorf("listing custom key stores: %w", err)
	}
	for i := range all {
		resp.CustomKeyStores = append(resp.CustomKeyStores, storeEntry(&all[i]))
	}
	if resp.Truncated = wire.Some(more); more {
		resp.NextMarker = sealMarker(all[len(all)-1].ID, c)
	}
	return nil
}

// keyStore finds a custom key store of the caller's.
func (s *Service) keyStore(ctx context.Context, c *Call, id []byte) (*keyring.KeyStore, error) {
	k, err := s.keys.KeyStore(ctx, c.Scope, string(id))
	if err != nil {
		return nil, storeRefusal(id, err)
	}
	return k, nil
}

func (s *Service) keyStoreNamed(ctx context.Context, c *Call, name string) (*keyring.KeyStore, error) {
	for more, after := true, ""; more; {
		var all []keyring.KeyStore
		var err error
		if all, more, err = s.keys.KeyStores(ctx, c.Scope, after, keyStorePage); err != nil {
			return nil, fmt.Errorf("looking for a custom key store by name: %w", err)
		}
		for i := range all {
			if after = all[i].ID; all[i].Name == name {
				return &all[i], nil
			}
		}
	}
	return nil, noStore(name)
}

// storeRefusal turns the keyring's errors about a custom key store into the API's; others pass.
func storeRefusal(id []byte, err error) error {
	var tooMany *keyring.ErrTooManyStores
	switch {
	case errors.Is(err, keyring.ErrStoreMissing):
		return noStore(id)
	case errors.Is(err, keyring.ErrStoreState):
		return stored(wire.CodeCustomKeyStoreInvalidStateException)
	case errors.Is(err, keyring.ErrStoreHasKeys):
		return wire.Errorf(wire.CodeCustomKeyStoreHasCMKsException, "The custom key store %s contains KMS keys.", id)
	case errors.Is(err, keyring.ErrExternalInUse):
		return wire.Errorf(wire.CodeXksKeyAlreadyInUseException, "The external key is already associated with a KMS key in this external key store.")
	case errors.As(err, &tooMany):
		return wire.Errorf(wire.CodeLimitExceededException, "Custom key store quota for this account in this region is %d, current usage is %d.", tooMany.Limit, tooMany.Current)
	}
	return err
}

// Indexed by the keyring's enumerations.
var (
	storeTypes     = [...]wire.CustomKeyStoreType{keyring.CloudHSMStore: wire.CustomKeyStoreTypeAwsCloudhsm, keyring.ExternalStore: wire.CustomKeyStoreTypeExternalKeyStore}
	connectivities = [...]wire.XksProxyConnectivityType{
		keyring.PublicEndpoint: wire.XksProxyConnectivityTypePublicEndpoint, keyring.VPCEndpointService: wire.XksProxyConnectivityTypeVpcEndpointService,
	}
	connectionStates = [...]wire.ConnectionStateType{
		keyring.Connected: wire.ConnectionStateTypeConnected, keyring.Connecting: wire.ConnectionStateTypeConnecting,
		keyring.ConnectionFailed: wire.ConnectionStateTypeFailed, keyring.Disconnected: wire.ConnectionStateTypeDisconnected,
		keyring.Disconnecting: wire.ConnectionStateTypeDisconnecting,
	}
)

func storeEntry(k *keyring.KeyStore) wire.CustomKeyStoresListEntry {
	e := wire.CustomKeyStoresListEntry{
		CustomKeyStoreId: k.ID, CustomKeyStoreName: k.Name, CustomKeyStoreType: storeTypes[k.Type],
		ConnectionState: connectionStates[k.State], CreationDate: wire.Some(wire.TimestampOf(k.Created)),
		CloudHsmClusterId: k.Cluster, TrustAnchorCertificate: k.TrustAnchor,
	}
	if k.State == keyring.ConnectionFailed {
		e.ConnectionErrorCode = connectionErrorCode(k.Failure)
	}
	if k.Type == keyring.ExternalStore {
		e.XksProxyConfiguration = &wire.XksProxyConfigurationType{
			Connectivity: connectivities[k.Connectivity], AccessKeyId: k.AccessKeyID, UriEndpoint: k.Endpoint, UriPath: k.Path,
			VpcEndpointServiceName: k.Service, VpcEndpointServiceOwner: k.ServiceOwner,
		}
	}
	return e
}

func deleteCustomKeyStore(s *Service, ctx context.Context, c *Call) error {
	id := c.Request.(*wire.DeleteCustomKeyStoreRequest).CustomKeyStoreId
	return storeRefusal(id, s.keys.DeleteKeyStore(ctx, c.Scope, string(id), func(k *keyring.KeyStore) error {
		if k.State != keyring.Disconnected {
			return storeState(k)
		}
		return nil
	}))
}

// connectCustomKeyStore begins a connection; the lifecycle worker makes it.
func connectCustomKeyStore(s *Service, ctx context.Context, c *Call) error {
	id := c.Request.(*wire.ConnectCustomKeyStoreRequest).CustomKeyStoreId
	k, err := s.keyStore(ctx, c, id)
	if err != nil {
		return err
	}
	if k.State == keyring.Disconnected {
		t := targetOf(k)
		if err := s.backend.Check(ctx, keystore.Connect, &t, ""); err != nil {
			return managed(k.Type, err)
		}
	}
	err = s.keys.EditKeyStore(ctx, c.Scope, string(id), func(k *keyring.KeyStore, _ []keyring.KeyStore) error {
		switch k.State {
		case keyring.Connected, keyring.Connecting:
			return errNothingToDo
		case keyring.Disconnected:
			k.State = keyring.Connecting
			k.Attempt, k.Began = k.Attempt+1, s.clock()
			k.Next = k.Began.Add(s.transitions.Unavailable)
			return nil
		}
		return storeState(k)
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	if err == nil {
		s.onSchedule()
		s.lookIn(s.transitions.Unavailable)
	}
	return storeRefusal(id, err)
}

var errNothingToDo = errors.New("operation: nothing is to be changed")

// disconnectCustomKeyStore begins the end of a connection and ends it at once where the backend is done at once.
func disconnectCustomKeyStore(s *Service, ctx context.Context, c *Call) error {
	id := c.Request.(*wire.DisconnectCustomKeyStoreRequest).CustomKeyStoreId
	err := s.keys.EditKeyStore(ctx, c.Scope, string(id), func(k *keyring.KeyStore, _ []keyring.KeyStore) error {
		switch k.State {
		case keyring.Connected, keyring.Connecting, keyring.ConnectionFailed:
			k.State, k.Failure = keyring.Disconnecting, ""
			k.Attempt, k.Began = k.Attempt+1, s.clock()
			k.Next = k.Began
			return nil
		}
		return storeState(k)
	})
	if err != nil {
		return storeRefusal(id, err)
	}
	if err := s.settleStore(ctx, c.Scope.Key(string(id))); err != nil && !errors.Is(err, keyring.ErrNotDue) {
		s.onSchedule() // it is durable: the worker tries on
	}
	return nil
}
