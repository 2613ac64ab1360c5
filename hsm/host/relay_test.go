package host_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/host"
	"trent/hsm/operator"
)

// signed is a command of the operator for the newest state.
func (p *place) signed(t *testing.T, rotation time.Duration) []byte {
	t.Helper()
	_, s := p.owner.Host.Newest()
	b, err := operator.Propose(s, operator.Command{Kind: operator.ModifyRules, Rules: s.Rules, Rotation: rotation}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = operator.Sign(b, p.owner.Operator.Signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRelay: of commands that come at a time for one state, one is done, and all modules hold what it made.
func TestRelay(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	const n = 4
	commands := make([][]byte, n)
	for i := range commands {
		commands[i] = p.signed(t, time.Duration(i+1)*time.Hour)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i, command := range commands {
		all.Go(func() {
			modules := []host.Module{a, b}
			if i%2 == 1 {
				modules = []host.Module{b, a}
			}
			_, undelivered, err := p.owner.Host.Relay(t.Context(), command, modules)
			errs[i] = errors.Join(err, undelivered)
		})
	}
	all.Wait()
	_, s := p.owner.Host.Newest()
	done := 0
	for i, err := range errs {
		switch {
		case err == nil:
			done++
			if s.Rotation != time.Duration(i+1)*time.Hour {
				t.Errorf("command %d was done, and the state has %v", i, s.Rotation)
			}
		case !errors.Is(err, hsm.ErrStale) && !errors.Is(err, host.ErrConflict):
			t.Errorf("command %d: %v", i, err)
		}
	}
	if done != 1 || s.Number != 2 {
		t.Fatalf("%d commands were done, the state is %d", done, s.Number)
	}
	for _, m := range []*hsm.Local{a, b} {
		if id, err := m.Identity(t.Context()); err != nil || id.Hash != s.Hash() {
			t.Errorf("a module holds state %d, %v", id.Number, err)
		}
	}
}

// TestCatchUp: a host takes the state that a module has come to, and none that only a file knows of.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	modules := []host.Module{a, b}
	token, err := a.Execute(t.Context(), p.signed(t, 2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.owner.Host.CatchUp(t.Context(), token, modules); !errors.Is(err, host.ErrNotHeld) {
		t.Fatalf("a token that no module holds: %v", err)
	}
	if _, s := p.owner.Host.Newest(); s.Number != 1 {
		t.Fatalf("the host is at state %d", s.Number)
	}
	if err := a.Install(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if undelivered, err := p.owner.Host.CatchUp(t.Context(), token, modules); err != nil || undelivered != nil {
		t.Fatalf("%v, %v", err, undelivered)
	}
	_, s := p.owner.Host.Newest()
	if id, err := b.Identity(t.Context()); err != nil || s.Number != 2 || id.Hash != s.Hash() {
		t.Fatalf("the host is at state %d, a module at %d, %v", s.Number, id.Number, err)
	}
	p.reopen(t)
	if err := p.owner.Host.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, s := p.owner.Host.Newest(); s.Number != 2 {
		t.Fatalf("after a start the host is at state %d", s.Number)
	}
}

// TestRelayFindsTheModule: a module that is away or out of service, or that the command removes, is not the one that does it.
func TestRelayFindsTheModule(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	_, s := p.owner.Host.Newest()
	remove, err := operator.Propose(s, operator.Command{Kind: operator.ModifyMembers, Members: []hsm.DomainHSM{s.Members[1]}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if remove, err = operator.Sign(remove, p.owner.Operator.Signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
	gone := p.module(t, "gone")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	_, undelivered, err := p.owner.Host.Relay(t.Context(), remove, []host.Module{gone, a, b})
	if err != nil {
		t.Fatal(err)
	}
	if undelivered == nil {
		t.Error("the token reached modules that are away or removed")
	}
	if _, s := p.owner.Host.Newest(); s.Number != 2 || len(s.Members) != 1 {
		t.Errorf("the state is %d, with %d members", s.Number, len(s.Members))
	}
	if _, _, err := p.owner.Host.Relay(t.Context(), remove, []host.Module{gone}); err == nil {
		t.Error("no module is there, and a command was done")
	}
}
