package keyring_test

import (
	"context"
	"errors"
	"testing"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// device is a module that keeps keys itself.
type device struct {
	module
	destroyed []hsm.Key
	fails     error
}

func (d *device) Destroy(_ context.Context, k *hsm.Key) error {
	if d.fails != nil {
		return d.fails
	}
	d.destroyed = append(d.destroyed, *k)
	return nil
}

// TestDestroy: a module that keeps keys itself loses those of a key that is deleted, when it is and not before; what
// fails is done again, and what is gone already is no trouble.
func TestDestroy(t *testing.T) {
	t.Parallel()
	d := &device{}
	k, err := keyring.Open(newMemory(), d, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	id := scheduled(t, k, 0)
	other := create(t, k, newKey(2))
	if len(d.destroyed) != 0 {
		t.Error("destroyed by being scheduled")
	}
	d.fails = hsm.ErrUnavailable
	if err := k.Delete(t.Context(), id); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("while the module is away: %v", err)
	}
	d.fails = nil
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if len(d.destroyed) != 1 || d.destroyed[0].Material != material(1) || len(d.destroyed[0].Token) == 0 {
		t.Fatalf("destroyed: %+v", d.destroyed)
	}
	if keyID, ok := hsm.KeyIDOf(d.destroyed[0].Identity); !ok || string(keyID) != id.Key {
		t.Errorf("destroyed as %q", keyID)
	}
	if err := k.Delete(t.Context(), id); err != nil || len(d.destroyed) != 1 {
		t.Errorf("again: %v, %d times", err, len(d.destroyed))
	}
	d.fails = hsm.ErrToken
	if _, err := k.Update(t.Context(), other, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(t.Context(), other); err != nil {
		t.Errorf("of what is gone already: %v", err)
	}
}

// TestDestroyNoCopies: the copies of a multi-Region key share what the module keeps.
func TestDestroyNoCopies(t *testing.T) {
	t.Parallel()
	d := &device{}
	k, err := keyring.Open(newMemory(), d, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	key := newKey(1)
	key.MultiRegion = true
	id := create(t, k, key)
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(t.Context(), id); err != nil || len(d.destroyed) != 0 {
		t.Errorf("%v, destroyed: %+v", err, d.destroyed)
	}
}
