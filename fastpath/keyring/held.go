package keyring

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"trent/hsm"
	"trent/store"
)

// HeldToken is a record that holds a token.
type HeldToken struct {
	Token    []byte // as the module made it
	place    []byte // the record's
	revision store.Revision
	rest     []byte         // of the value, which a new token leaves as it is
	material hsm.MaterialID // kindInternal
}

// HeldPlace is how far a walk over all tokens is; the zero value is its beginning.
type HeldPlace struct {
	kind  int
	after []byte
}

// tokenKinds are the records that hold tokens, in the order in which they are walked.
var tokenKinds = [...]string{kindToken, kindWrapping, kindInternal}

// HeldTokens are the next tokens of a walk over all that the store holds, up to limit, and whether there is more to walk.
// It moves at. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) HeldTokens(ctx context.Context, at *HeldPlace, limit int) (page []HeldToken, more bool, err error) {
	kind := tokenKinds[at.kind]
	records, rest, err := k.store.List(ctx, []byte(kind+separator), at.after, limit)
	if err != nil {
		return nil, false, fmt.Errorf("listing tokens: %w", err)
	}
	for i := range records {
		held, err := decodeHeld(kind, &records[i])
		if err != nil {
			return nil, false, err
		}
		page = append(page, held)
		at.after = records[i].Key
	}
	if !rest {
		at.kind, at.after = at.kind+1, nil
	}
	return page, at.kind < len(tokenKinds), nil
}

func decodeHeld(kind string, r *store.Record) (h HeldToken, err error) {
	h.place, h.revision = r.Key, r.Revision
	switch kind {
	case kindToken:
		h.Token, h.rest, err = decodeToken(r.Value)
	case kindWrapping:
		var w WrappingKey
		w, err = decodeWrapping(r.Value)
		h.Token, h.rest = w.Token, appendTime(nil, w.Ends)
	case kindInternal:
		h.Token, h.material, err = decodeInternal(r.Value)
	}
	return h, err
}

// encode is the record's value with another token.
func (h *HeldToken) encode(token []byte) []byte {
	switch string(h.place[:3]) {
	case kindWrapping:
		return appendBytes32(append([]byte{recordVersion}, h.rest...), token)
	case kindInternal:
		return encodeInternal(token, h.material)
	}
	return encodeToken(token, h.rest)
}

// KeyOf is the key of a held token, as the module is asked for it. Errors: ErrKeyMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) KeyOf(ctx context.Context, h *HeldToken) (*hsm.Key, error) {
	info, ok := hsm.InfoOf(h.Token)
	if !ok {
		return nil, fmt.Errorf("reading a token: %w", ErrRecord)
	}
	kind, rest := string(h.place[:3]), h.place[4:]
	if kind == kindInternal {
		identity := hsm.AppendIdentity(nil, "trent", "internal", string(rest), "")
		return &hsm.Key{Token: h.Token, Identity: identity, Material: h.material, Spec: info.Spec, Usage: info.Usage}, nil
	}
	n := len(rest) - len(hsm.MaterialID{}) - 1 // the material may contain NUL
	if n < 0 {
		return nil, fmt.Errorf("reading the store key of a token: %w", ErrRecord)
	}
	parts := strings.Split(string(rest[:n]), separator)
	if len(parts) != 4 {
		return nil, fmt.Errorf("reading the store key of a token: %w", ErrRecord)
	}
	id := ID{parts[0], parts[1], parts[2], parts[3]}
	r, _, err := k.record(ctx, id)
	if err != nil {
		return nil, err
	}
	material := hsm.MaterialID(rest[n+1:])
	if kind == kindWrapping {
		return keyOf(id, r.MultiRegion, info.Spec, info.Usage, material, h.Token), nil
	}
	return keyOf(id, r.MultiRegion, r.Spec, r.Usage, material, h.Token), nil
}

// ReplaceToken puts another token of the same key in the place of a held one. Errors: store.ErrConflict where the record has
// changed or is gone, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) ReplaceToken(ctx context.Context, h *HeldToken, token []byte) error {
	_, err := k.commit(ctx, store.Txn{
		Require: []store.Condition{{Key: h.place, Revision: h.revision}},
		Put:     []store.Record{{Key: h.place, Value: h.encode(bytes.Clone(token))}},
	})
	return err
}
