package keyring

import (
	"context"
	"fmt"
)

// PermitByGrant tells whether a grant on the key allows what q asks for, and which: the first one found. Grants of a key
// that is missing allow nothing. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) PermitByGrant(ctx context.Context, key *Snapshot, q *GrantQuery) (GrantID, bool, error) {
	if key.Missing {
		return GrantID{}, false, nil
	}
	for _, grantee := range q.Grantees {
		for after := ""; grantee != ""; {
			grants, next, err := k.ListGrants(ctx, key.ID, grantee, after, 1000)
			if err != nil {
				return GrantID{}, false, fmt.Errorf("looking for a grant: %w", err)
			}
			for i := range grants {
				if grants[i].permits(q) {
					return grants[i].ID, true, nil
				}
			}
			if after = next; next == "" {
				break
			}
		}
	}
	return GrantID{}, false, nil
}

// HasGrants tells whether the key may have grants. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) HasGrants(ctx context.Context, key *Snapshot) (bool, error) {
	return !key.Missing, nil
}
