package host_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/host"
)

// phases are the domain keys of the host's newest state.
func (p *place) phases(t *testing.T) map[uint32]string {
	t.Helper()
	all := map[uint32]string{}
	_, s := p.owner.Host.Newest()
	for _, k := range s.Keys {
		all[k.Version] = k.Phase.String()
	}
	return all
}

// TestRotation: a pending key becomes active once every member holds it, whichever of them is away; tokens of both keys open
// everywhere, and a key of today is not dropped, whatever the host says.
func TestRotation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	old := generate(t, a)
	alone := &host.Rotation{Host: p.owner.Host, Modules: []host.Module{a}}
	if err := alone.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := alone.Activate(t.Context(), 2); !errors.Is(err, host.ErrUnacknowledged) {
		t.Fatalf("activated while a member is away: %v", err)
	}
	if got := p.phases(t); got[1] != "active" || got[2] != "pending" {
		t.Fatalf("%v", got)
	}

	p.reopen(t) // another process goes on
	if err := p.owner.Host.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	both := &host.Rotation{Host: p.owner.Host, Modules: []host.Module{a, b}}
	if err := both.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if got := p.phases(t); got[1] != "deactivated" || got[2] != "active" {
		t.Fatalf("%v", got)
	}
	fresh := generate(t, b)
	for _, m := range []*hsm.Local{a, b} {
		if err := errors.Join(works(m, old), works(m, fresh)); err != nil {
			t.Error(err)
		}
	}
	if info, ok := hsm.InfoOf(fresh.Token); !ok || info.Version != 2 {
		t.Errorf("a new token says %+v", info)
	}
	if err := both.Drop(t.Context(), 1, time.Now()); !errors.Is(err, hsm.ErrCommand) {
		t.Fatalf("a key of today was dropped: %v", err)
	}
}

// TestDropExposed: what a removed module knows is dropped as soon as no token needs it, whatever its age.
func TestDropExposed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	old := generate(t, a)
	p.gather(t, a)
	r := &host.Rotation{Host: p.owner.Host, Modules: []host.Module{a}}
	keys, period, err := r.DomainKeys(t.Context())
	if err != nil || period != 24*time.Hour || !slices.ContainsFunc(keys, func(k hsm.DomainKeyInfo) bool { return k.Version == 1 && k.Phase == hsm.DomainKeyExposed }) {
		t.Fatalf("%v, %v, %v", keys, period, err)
	}
	rewrapped := &hsm.Call{Op: hsm.OpRewrap, Key: old, Out: make([]byte, 0, 4096)}
	if err := a.Do(rewrapped); err != nil {
		t.Fatal(err)
	}
	if err := r.Drop(t.Context(), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := works(a, old); !errors.Is(err, hsm.ErrDomain) {
		t.Errorf("under the dropped key: %v", err)
	}
	now := *old
	now.Token = rewrapped.Out
	if err := works(a, &now); err != nil {
		t.Error(err)
	}
}

// TestPeriodOfRotation: a host that owns its domain changes the period at its next start.
func TestPeriodOfRotation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.module(t, "a")
	p.owner.Rotation = 12 * time.Hour
	p.gather(t, a)
	for _, want := range []time.Duration{12 * time.Hour, 6 * time.Hour} {
		p.owner.Rotation = want
		p.gather(t, a)
		if _, s := p.owner.Host.Newest(); s.Rotation != want {
			t.Errorf("the period is %v, want %v", s.Rotation, want)
		}
	}
	p.owner.Rotation = 0
	p.gather(t, a)
	if _, s := p.owner.Host.Newest(); s.Rotation != 6*time.Hour {
		t.Errorf("a start without a period made it %v", s.Rotation)
	}
}
