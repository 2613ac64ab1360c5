package sts

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm"
)

// Keys keeps the installation's own keys, as tokens of the HSM's (keyring.Keyring does).
type Keys interface {
	Internal(ctx context.Context, name string) (token []byte, m hsm.MaterialID, err error)
	KeepInternal(ctx context.Context, name string, token []byte, m hsm.MaterialID) ([]byte, hsm.MaterialID, error)
}

// sealingKey is the name of the key that seals session tokens.
const sealingKey = "session tokens"

// Bounds, in bytes and times.
const (
	maxToken    = 4096 // text of a token (the service's limit since September 2026): longer ones are not looked at
	sealRoom    = 1 << 10
	sealTimeout = 5 * time.Second
)

// sizeError is a session whose policies and tags do not fit a token.
type sizeError struct{ percent int } // of what a token holds

func (e *sizeError) Error() string { return "the session does not fit its token" }

// utilization is a token's length in percent of the longest.
func utilization(length int) int { return (100*length + maxToken/2) / maxToken }

// sealer seals and opens tokens by a key of the module's.
type sealer struct {
	keys   Keys
	module hsm.Module

	making sync.Mutex
	key    atomic.Pointer[hsm.Key]
}

// sealing is the key, made when it is first needed. With make false, nil: there is none yet.
func (s *sealer) sealing(ctx context.Context, make bool) (*hsm.Key, error) {
	if k := s.key.Load(); k != nil {
		return k, nil
	}
	s.making.Lock()
	defer s.making.Unlock()
	if k := s.key.Load(); k != nil {
		return k, nil
	}
	key := &hsm.Key{
		Identity: hsm.AppendIdentity(nil, "trent", "internal", sealingKey, ""),
		Spec:     hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt,
	}
	var err error
	if key.Token, key.Material, err = s.keys.Internal(ctx, sealingKey); err != nil {
		return nil, err
	}
	if key.Token == nil {
		if !make {
			return nil, nil
		}
		if err := s.generate(ctx, key); err != nil {
			return nil, err
		}
	}
	s.key.Store(key)
	return key, nil
}

func (s *sealer) generate(ctx context.Context, key *hsm.Key) error {
	c := hsm.Call{
		Op: hsm.OpGenerate, Spec: key.Spec, Usage: key.Usage, Key: key,
		Out: make([]byte, 0, sealRoom), Deadline: time.Now().Add(sealTimeout),
	}
	err := s.module.Do(&c)
	if err != nil {
		return fmt.Errorf("making the key of session tokens: %w", err)
	}
	key.Token, key.Material, err = s.keys.KeepInternal(ctx, sealingKey, c.Out, c.Material)
	return err
}

// do runs a command with the sealing key. The token in memory may be of a domain key that was dropped since: then the one in
// the store is under a newer.
func (s *sealer) do(ctx context.Context, key *hsm.Key, call *hsm.Call) error {
	call.Key = key
	err := s.module.Do(call)
	if !errors.Is(err, hsm.ErrDomain) {
		return err
	}
	s.key.CompareAndSwap(key, nil)
	key, again := s.sealing(ctx, false)
	if again != nil || key == nil {
		return errors.Join(err, again)
	}
	call.Key = key
	return s.module.Do(call)
}

// tokenSize is the length of the token of a content of n bytes.
func tokenSize(n int) int { return base64.StdEncoding.EncodedLen(hsm.BlobSize(n)) }

// boundTo is the encryption context of the token of an access key id.
func boundTo(accessKeyID string) ([]byte, error) {
	return hsm.AppendContext(nil, []hsm.ContextPair{{Key: []byte("session"), Value: []byte(accessKeyID)}})
}

// seal makes a token of at least as many bytes. Errors: *sizeError, the module's and the store's.
func (s *sealer) seal(ctx context.Context, accessKeyID string, c *claims, least int) (string, error) {
	content, err := c.encode()
	if err != nil {
		return "", err
	}
	defer func() { clear(content) }()
	for tokenSize(len(content)) < least { // trailing space means nothing in either form
		content = append(content, ' ')
	}
	if n := tokenSize(len(content)); n > maxToken {
		return "", &sizeError{max(utilization(n), 101)}
	}
	key, err := s.sealing(ctx, true)
	if err != nil {
		return "", err
	}
	aad, err := boundTo(accessKeyID)
	if err != nil {
		return "", err
	}
	call := hsm.Call{
		Op: hsm.OpEncrypt, Algorithm: hsm.AESGCM, AAD: aad, In: content,
		Out: make([]byte, 0, len(content)+sealRoom), Deadline: time.Now().Add(sealTimeout),
	}
	if err := s.do(ctx, key, &call); err != nil {
		return "", fmt.Errorf("sealing a session token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(call.Out), nil
}

// open reads a token; nil: it is none of this installation's, or not of this access key id. Errors are trouble.
func (s *sealer) open(ctx context.Context, accessKeyID string, token []byte) (*claims, error) {
	if len(token) > maxToken {
		return nil, nil
	}
	blob, err := base64.StdEncoding.Strict().AppendDecode(nil, token)
	if err != nil {
		return nil, nil
	}
	key, err := s.sealing(ctx, false)
	if err != nil || key == nil {
		return nil, err
	}
	if m, ok := hsm.MaterialOf(blob); !ok || m != key.Material {
		return nil, nil
	}
	aad, err := boundTo(accessKeyID)
	if err != nil {
		return nil, nil
	}
	call := hsm.Call{
		Op: hsm.OpDecrypt, Algorithm: hsm.AESGCM, AAD: aad, In: blob,
		Secret: make([]byte, 0, maxToken), Deadline: time.Now().Add(sealTimeout),
	}
	defer func() { clear(call.Secret[:cap(call.Secret)]) }()
	err = s.do(ctx, key, &call)
	switch {
	case errors.Is(err, hsm.ErrAuthentication):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("opening a session token: %w", err)
	}
	var c claims
	if err := c.decode(call.Secret); err != nil {
		return nil, err
	}
	return &c, nil
}
