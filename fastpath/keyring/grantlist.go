package keyring

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"trent/store"
)

// ListGrants returns up to limit grants of a key after the position `after` (empty: from the start) and the position
// where the next page begins, empty where there is none. With a grantee, which is an ARN or a service principal,
// only its grants are listed, and no others are read. A key that is not there has none. Errors:
// store.ErrUnavailable, ErrRecord.
func (k *Keyring) ListGrants(ctx context.Context, key ID, grantee, after string, limit int) ([]Grant, string, error) {
	prefix := key.prefix(kindGrant)
	if grantee != "" {
		prefix = granteePrefix(key, grantee)
	}
	id, _ := ParseGrantID(after)
	records, more, err := k.store.List(ctx, prefix, grantMarker(prefix, after, id[:]), limit)
	if err != nil {
		return nil, "", fmt.Errorf("listing grants: %w", err)
	}
	grants := make([]Grant, 0, len(records))
	next := ""
	for i := range records {
		rest := bytes.TrimPrefix(records[i].Key, prefix)
		if len(rest) != len(id) {
			return nil, "", fmt.Errorf("reading the store key of a grant: %w", ErrRecord)
		}
		copy(id[:], rest)
		next = id.String()
		var g Grant
		if grantee == "" {
			g, err = decodeGrant(records[i].Value)
			g.Key, g.ID = key, id
		} else {
			g, err = k.Grant(ctx, key, id)
		}
		if errors.Is(err, ErrGrantMissing) { // deleted since the list was made
			continue
		}
		if err != nil {
			return nil, "", err
		}
		grants = append(grants, g)
	}
	if !more {
		next = ""
	}
	return grants, next, nil
}

// ListRetirable is ListGrants over all keys of a Region, in whatever account, for the grants that name principal, an
// ARN or a service principal, as the one who may retire them. With an account, only keys of that account count.
func (k *Keyring) ListRetirable(ctx context.Context, partition, region, principal, account, after string, limit int) ([]Grant, string, error) {
	prefix := retiringPrefix(partition, region, principal, account)
	whole := retiringPrefix(partition, region, principal, "")
	position, _ := hex.DecodeString(after)
	records, more, err := k.store.List(ctx, prefix, grantMarker(whole, after, position), limit)
	if err != nil {
		return nil, "", fmt.Errorf("listing retirable grants: %w", err)
	}
	alive := map[ID]bool{}
	grants := make([]Grant, 0, len(records))
	next := ""
	for i := range records {
		rest := bytes.TrimPrefix(records[i].Key, whole)
		owner, name, id, ok := parseRetiringKey(rest)
		if !ok {
			return nil, "", fmt.Errorf("reading the index of retiring principals: %w", ErrRecord)
		}
		next = hex.EncodeToString(rest)
		key := ID{Partition: partition, Account: owner, Region: region, Key: name}
		if _, seen := alive[key]; !seen {
			_, err := k.Record(ctx, key)
			if err != nil && !errors.Is(err, ErrKeyMissing) {
				return nil, "", err
			}
			alive[key] = err == nil
		}
		g, err := k.Grant(ctx, key, id)
		if err != nil && !errors.Is(err, ErrGrantMissing) {
			return nil, "", err
		}
		if err == nil && alive[key] {
			grants = append(grants, g)
		}
	}
	if !more {
		next = ""
	}
	return grants, next, nil
}

// grantMarker is the store key to list after, nil for the start.
func grantMarker(prefix []byte, after string, position []byte) []byte {
	if after == "" {
		return nil
	}
	return append(bytes.Clone(prefix), position...)
}

// sweepGrants deletes all grants of a key that is being deleted, in bounded transactions. None can be added any more
// and ids are never used again, so that nothing needs to be required: whoever sweeps deletes the same.
func (k *Keyring) sweepGrants(ctx context.Context, key ID) error {
	const perGrant = 4 // grant, grantee, retiring principal, name
	prefix := key.prefix(kindGrant)
	for after := []byte(nil); ; { // not from the start again: the store would pass over all that is deleted
		records, more, err := k.store.List(ctx, prefix, after, store.MaxTxnEntries/perGrant)
		if err != nil {
			return fmt.Errorf("listing a key's grants: %w", err)
		}
		if len(records) == 0 {
			return nil
		}
		var txn store.Txn
		for i := range records {
			after = records[i].Key
			g, err := decodeGrant(records[i].Value)
			if err != nil {
				return err
			}
			g.Key = key
			copy(g.ID[:], strings.TrimPrefix(string(records[i].Key), string(prefix)))
			txn.Delete = append(append(txn.Delete, records[i].Key), g.indexKeys()...)
		}
		if _, err := k.commit(ctx, txn); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}
