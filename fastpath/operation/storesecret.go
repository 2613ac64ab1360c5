package operation

import (
	"context"
	"fmt"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// storeSecretKey names the installation's own key that encrypts what custom key stores are entered with: passwords of
// kmsuser and secret access keys of proxies. Its material never leaves the module, as every key's.
const storeSecretKey = "custom key store secrets"

// internalKey finds the installation's own key, and makes it when it is first needed.
func (s *Service) internalKey(ctx context.Context, c *Call) (*hsm.Key, error) {
	key := &hsm.Key{
		Identity: hsm.AppendIdentity(nil, "trent", "internal", storeSecretKey, ""),
		Spec:     hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt,
	}
	var err error
	if key.Token, key.Material, err = s.keys.Internal(ctx, storeSecretKey); err != nil || key.Token != nil {
		return key, err
	}
	m := c.prepare(hsm.OpGenerate, false)
	m.Spec, m.Usage, m.Key = key.Spec, key.Usage, key
	if err := s.do(c); err != nil {
		return nil, fmt.Errorf("making the key of custom key stores' secrets: %w", err)
	}
	key.Token, key.Material, err = s.keys.KeepInternal(ctx, storeSecretKey, m.Out, m.Material)
	return key, err
}

// sealSecret encrypts a secret for the store of this id. Nothing but the module's ciphertext is kept of it.
func (s *Service) sealSecret(ctx context.Context, store string, secret []byte) ([]byte, error) {
	var c Call
	defer c.Reset()
	key, err := s.internalKey(ctx, &c)
	if err != nil {
		return nil, err
	}
	aad, err := storeContext(store)
	if err != nil {
		return nil, err
	}
	m := c.prepare(hsm.OpEncrypt, false)
	m.Key, m.Algorithm, m.AAD, m.In = key, hsm.AESGCM, aad, secret
	if err := s.do(&c); err != nil {
		return nil, fmt.Errorf("encrypting a custom key store's secret: %w", err)
	}
	return append([]byte(nil), m.Out...), nil
}

// openSecret decrypts a store's secret into c, which the caller resets as soon as it is used.
func (s *Service) openSecret(ctx context.Context, c *Call, k *keyring.KeyStore) ([]byte, error) {
	key, err := s.internalKey(ctx, c)
	if err != nil {
		return nil, err
	}
	aad, err := storeContext(k.ID)
	if err != nil {
		return nil, err
	}
	m := c.prepare(hsm.OpDecrypt, true)
	m.Key, m.Algorithm, m.AAD, m.In = key, hsm.AESGCM, aad, k.Secret
	if err := s.do(c); err != nil {
		return nil, fmt.Errorf("decrypting a custom key store's secret: %w", err)
	}
	return m.Secret, nil
}

// storeContext binds a secret to its store.
func storeContext(store string) ([]byte, error) {
	return hsm.AppendContext(nil, []hsm.ContextPair{{Key: []byte("custom key store"), Value: []byte(store)}})
}
