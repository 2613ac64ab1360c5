package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
)

// Transitions are how long transitional states last. Zero: they are over at once, unless they are held.
type Transitions struct {
	Creating    time.Duration // of a new replica
	Updating    time.Duration // of the keys whose primary Region changes
	Unavailable time.Duration // of keys in a custom key store that is being connected: a connection takes so long at least
}

// Transition is until when a state that a key enters now lasts, and whether it is entered at all: one that would be over
// at once is not. An operation that makes such a state calls Record.Enter with until, or sets the state that follows.
func (s *Service) Transition(state keyring.State, id keyring.ID) (until time.Time, lasts bool) {
	var d time.Duration
	switch state {
	case keyring.Creating:
		d = s.transitions.Creating
	case keyring.Updating:
		d = s.transitions.Updating
	case keyring.Unavailable:
		d = s.transitions.Unavailable
	}
	s.lookIn(d)
	return s.clock().Add(d), d > 0 || s.keys.Holds().Held(state.String(), id)
}

// lookIn has due work looked for when d is over: sooner than at the worker's next round.
func (s *Service) lookIn(d time.Duration) {
	if d > 0 {
		time.AfterFunc(d, s.onSchedule)
	}
}

// work is Work without telling of it.
func (s *Service) work(ctx context.Context, d keyring.Due) error {
	if d.Task == keyring.TaskSettle && strings.HasPrefix(d.Key, "cks-") {
		return s.settleStore(ctx, d.ID)
	}
	return s.keys.Work(ctx, d)
}

// Due is the keyring's.
func (s *Service) Due(ctx context.Context, now time.Time, limit int) ([]keyring.Due, error) {
	return s.keys.Due(ctx, now, limit)
}

// settleStore ends the moving state of a custom key store if what is behind it is done. ErrNotDue: it is not, or the
// state is held, or it was ended otherwise.
func (s *Service) settleStore(ctx context.Context, id keyring.ID) error {
	scope := keyring.Scope{Partition: id.Partition, Account: id.Account, Region: id.Region}
	k, err := s.keys.KeyStore(ctx, scope, id.Key)
	if err != nil {
		return err
	}
	if !k.State.Moving() || k.Next.After(s.clock()) || s.keys.Holds().Held(k.State.String(), id) ||
		k.State == keyring.Connecting && s.keys.Holds().Held(keyring.Unavailable.String(), id) {
		return keyring.ErrNotDue
	}
	outcome := s.moved(ctx, k)
	var later *keystore.Later
	var failed *keystore.Failure
	if outcome != nil && !errors.As(outcome, &later) && !errors.As(outcome, &failed) {
		return outcome
	}
	return s.keys.EditKeyStore(ctx, scope, id.Key, func(now *keyring.KeyStore, _ []keyring.KeyStore) error {
		switch {
		case now.State != k.State || now.Attempt != k.Attempt:
			return keyring.ErrNotDue
		case later != nil:
			now.Next = later.At
			s.lookIn(later.At.Sub(s.clock()))
		case now.State == keyring.Disconnecting:
			now.State, now.Next = keyring.Disconnected, time.Time{}
		case failed != nil:
			now.State, now.Failure, now.Next = keyring.ConnectionFailed, connectionError(failed.Name), time.Time{}
		default:
			now.State, now.Next = keyring.Connected, time.Time{}
		}
		return nil
	})
}

// moved asks the backend to make or to end the connection.
func (s *Service) moved(ctx context.Context, k *keyring.KeyStore) error {
	t := targetOf(k)
	if k.State == keyring.Disconnecting {
		return s.backend.Disconnect(ctx, &t)
	}
	var c Call
	defer c.Reset()
	var err error
	if t.Secret, err = s.openSecret(ctx, &c, k); err != nil {
		return err
	}
	return s.backend.Connect(ctx, &t)
}

// targetOf says where a custom key store leads, without its secret.
func targetOf(k *keyring.KeyStore) keystore.Target {
	return keystore.Target{
		Partition: k.Partition, Account: k.Account, Region: k.Region, Store: k.ID, Attempt: k.Attempt, Began: k.Began,
		Cluster: k.Cluster, TrustAnchor: k.TrustAnchor, Endpoint: k.Endpoint, Path: k.Path,
		VPC: k.Connectivity == keyring.VPCEndpointService, Service: k.Service, ServiceOwner: k.ServiceOwner, AccessKeyID: k.AccessKeyID,
	}
}

// effective makes a key's state the one that its custom key store gives it: while that is not connected, an enabled or
// disabled key is unavailable. Keys of no custom key store pass at once.
func (s *Service) effective(ctx context.Context, key *keyring.Snapshot) (*keyring.Snapshot, error) {
	if key.Store == "" || key.State != keyring.Enabled && key.State != keyring.Disabled {
		return key, nil
	}
	k, err := s.keys.KeyStore(ctx, scopeOf(key.ID), key.Store)
	if err != nil {
		return nil, fmt.Errorf("finding a key's custom key store: %w", err)
	}
	if k.State == keyring.Connected {
		return key, nil
	}
	return key.InState(keyring.Unavailable), nil
}

func scopeOf(id keyring.ID) keyring.Scope {
	return keyring.Scope{Partition: id.Partition, Account: id.Account, Region: id.Region}
}

// inStore completes KeyMetadata of a key of a custom key store.
func (s *Service) inStore(ctx context.Context, r *keyring.Record, m *wire.KeyMetadata) error {
	if r.Store == "" {
		return nil
	}
	k, err := s.keys.KeyStore(ctx, scopeOf(r.ID), r.Store)
	if err != nil {
		return fmt.Errorf("finding a key's custom key store: %w", err)
	}
	m.CustomKeyStoreId, m.CurrentKeyMaterialId = r.Store, ""
	if k.Type == keyring.ExternalStore {
		m.XksKeyConfiguration = &wire.XksKeyConfigurationType{Id: r.BackingID}
	} else {
		m.CloudHsmClusterId = k.Cluster
	}
	if k.State != keyring.Connected && (r.State == keyring.Enabled || r.State == keyring.Disabled) {
		m.KeyState, m.Enabled = wire.KeyStateUnavailable, wire.Some(false)
	}
	return nil
}

// noKeysOfStores are the operations that keys of custom key stores have nothing to do with (AWS KMS Developer Guide,
// "Custom key stores": no imported material, no data key pairs). Those of rotation look at the origin themselves.
var noKeysOfStores = [wire.NumOperations]bool{
	wire.OperationGenerateDataKeyPair: true, wire.OperationGenerateDataKeyPairWithoutPlaintext: true,
	wire.OperationGetParametersForImport: true, wire.OperationImportKeyMaterial: true, wire.OperationDeleteImportedKeyMaterial: true,
}

// supported refuses what cannot be done with a key of a custom key store, in whatever state.
func supported(op wire.Operation, key *keyring.Snapshot) error {
	if key == nil || key.Store == "" || !noKeysOfStores[op] {
		return nil
	}
	return wire.Errorf(wire.CodeUnsupportedOperationException, "%s origin is %s which is not valid for this operation.", key.ARN, origins[key.Origin])
}

// behind passes a command to what is behind the custom key stores of the call's keys, which may fail; the material that
// the module has of such a key does the rest.
func (s *Service) behind(c *Call) error {
	if key := c.Key.Snapshot; key != nil && key.Store != "" {
		call := keystore.Encrypt
		if c.Operation == wire.OperationDecrypt || c.Operation == wire.OperationReEncrypt {
			call = keystore.Decrypt
		}
		if err := s.throughStore(key, call); err != nil {
			return err
		}
	}
	if key := c.Target.Snapshot; key != nil && key.Store != "" {
		return s.throughStore(key, keystore.Encrypt)
	}
	return nil
}

func (s *Service) throughStore(key *keyring.Snapshot, call keystore.Call) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	k, err := s.keys.KeyStore(ctx, scopeOf(key.ID), key.Store)
	if err != nil {
		return fmt.Errorf("finding a key's custom key store: %w", err)
	}
	external := ""
	if k.Type == keyring.ExternalStore {
		record, err := s.keys.Record(ctx, key.ID)
		if err != nil {
			return fmt.Errorf("finding a key's external key: %w", err)
		}
		external = record.BackingID
	}
	t := targetOf(k)
	if err := s.backend.Use(ctx, call, &t, external); err != nil {
		return use(k.Type, err)
	}
	return nil
}

// randomOf is GenerateRandom by a CloudHSM key store.
func (s *Service) randomOf(ctx context.Context, c *Call, id []byte) error {
	k, err := s.keyStore(ctx, c, id)
	switch {
	case err != nil:
		return err
	case k.Type != keyring.CloudHSMStore:
		return wire.Errorf(wire.CodeUnsupportedOperationException, "The custom key store %s is an external key store, which does not generate random bytes.", k.ID)
	case k.State != keyring.Connected:
		return storeState(k)
	}
	t := targetOf(k)
	err = s.backend.Use(ctx, keystore.Random, &t, "")
	if failed := (*keystore.Failure)(nil); errors.As(err, &failed) && failureCode(failed.Name) == 0 {
		return stored(wire.CodeCustomKeyStoreInvalidStateException)
	}
	return answered(k.Type, err, nil)
}
