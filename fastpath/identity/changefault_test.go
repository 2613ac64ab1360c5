package identity_test

import (
	"errors"
	"testing"

	"trent/fastpath/identity"
	"trent/store"
	"trent/store/faultstore"
)

// A change that the store refuses is not in force; one whose end was lost is, where the store has it.
func TestChangesAndTheStoreAgree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   faultstore.Fault
		inForce bool
	}{
		"refused":          {faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrUnavailable}, false},
		"lost on the way":  {faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrAmbiguous}, false},
		"lost on the back": {faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrAmbiguous, Apply: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKept(t)
			k.store = faultstore.Wrap(k.store, c.fault)
			d := k.open(t, account(""))
			config, err := identity.ParseConfig([]byte(account(doraAndApp)))
			if err != nil {
				t.Fatal(err)
			}
			err = d.Apply(t.Context(), config)
			if (err == nil) != c.inForce || err != nil && !errors.Is(err, c.fault.Err) {
				t.Errorf("got %v", err)
			}
			for _, d := range []*identity.Directory{d, k.open(t, account(""))} {
				if there := d.Lookup([]byte("AKIADORA")) != nil; there != c.inForce {
					t.Errorf("in force: %v, want %v", there, c.inForce)
				}
			}
		})
	}
}
