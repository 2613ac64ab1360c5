package keyring

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm"
)

// destroy has a module that keeps keys itself take out those of a key whose deletion has begun. The copies of a
// multi-Region key share theirs, so that these stay. It is continued by calling it again.
func (k *Keyring) destroy(ctx context.Context, id ID) error {
	module, ok := k.module.(hsm.Destroyer)
	if !ok {
		return nil
	}
	r, _, err := k.record(ctx, id)
	if errors.Is(err, ErrKeyMissing) || err == nil && r.MultiRegion {
		return nil
	}
	if err != nil {
		return err
	}
	tokens, err := k.tokens(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		token, _, err := decodeToken(t.value)
		if err != nil {
			return err
		}
		err = module.Destroy(ctx, keyOf(id, false, r.Spec, r.Usage, t.material, token))
		if err != nil && !errors.Is(err, hsm.ErrToken) && !errors.Is(err, hsm.ErrDomain) { // these: it is not there
			return fmt.Errorf("destroying a key: %w", err)
		}
	}
	return nil
}
