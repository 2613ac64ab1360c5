package keyring

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm"
	"trent/store"
)

const kindInternal = "int"

func internalKey(name string) []byte { return []byte(kindInternal + separator + name) }

// Internal returns the token that the installation keeps under a name for its own use, and which material it is of; nil
// if there is none. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) Internal(ctx context.Context, name string) (token []byte, m hsm.MaterialID, err error) {
	rec, err := k.store.Load(ctx, internalKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, m, nil
	}
	if err != nil {
		return nil, m, fmt.Errorf("loading an internal key: %w", err)
	}
	return decodeInternal(rec.Value)
}

// decodeInternal returns a view into value.
func decodeInternal(value []byte) (token []byte, m hsm.MaterialID, err error) {
	d := reader{b: value}
	d.version()
	copy(m[:], d.take(len(m)))
	token = d.bytes32()
	return token, m, d.done("internal key")
}

func encodeInternal(token []byte, m hsm.MaterialID) []byte {
	return appendBytes32(append([]byte{recordVersion}, m[:]...), token)
}

// KeepInternal keeps a token under a name unless there is one, and returns the one that is kept. Errors: Internal's,
// store.ErrAmbiguous.
func (k *Keyring) KeepInternal(ctx context.Context, name string, token []byte, m hsm.MaterialID) ([]byte, hsm.MaterialID, error) {
	value := encodeInternal(token, m)
	_, err := k.commit(ctx, store.Txn{
		Require: []store.Condition{{Key: internalKey(name)}},
		Put:     []store.Record{{Key: internalKey(name), Value: value}},
	})
	if err == nil || errors.Is(err, store.ErrConflict) {
		return k.Internal(ctx, name)
	}
	return nil, m, err
}
