package hsm_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// TestRotationUnderLoad takes a domain key through all its phases on two members while calls run on both: none of them
// fails but by ErrDomain, at a member that has not got the newest token yet.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCast(t, 2)
	members, token := newDomain(t, c, 2)
	var ahead atomic.Int64 // how far the clock for commands is
	for _, m := range members {
		hsm.SetNow(m, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	}
	first := newKey(t, members[0], hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: first, In: []byte("before"), Out: make([]byte, 0, 512)}
	if err := members[0].Do(&sealed); err != nil {
		t.Fatal(err)
	}
	var current atomic.Pointer[hsm.Key] // the key's token under the newest domain key that all have
	current.Store(first)
	stop := make(chan struct{})
	var calls sync.WaitGroup
	for i, m := range members {
		for range 2 {
			calls.Go(func() { decryptUntil(t, stop, m, i, &current, sealed.Out) })
		}
	}
	rounds := uint32(3)
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		step := func(cmd domain.Command) {
			if !cmd.Statement.Counted.IsZero() {
				ahead.Add(int64(30 * time.Hour)) // over the age that a key must have
				cmd.Statement.Counted = time.Now().Add(time.Duration(ahead.Load()))
			}
			cmd.Expires = time.Now().Add(time.Duration(ahead.Load()) + time.Hour)
			token = execute(t, members[round%2], c.command(t, token, cmd))
			install(t, token, members...)
		}
		step(domain.Command{Kind: domain.RotateKeys})
		if s, _ := members[0].Status(t.Context()); s.DomainVersion != round+1 || len(s.DomainKeys) != 2 || s.DomainKeys[1].Phase != domain.Pending {
			t.Errorf("round %d, pending: seals by %d of %+v", round, s.DomainVersion, s.DomainKeys)
		}
		step(domain.Command{Kind: domain.ActivateKey, Version: round + 2})
		moved := hsm.Call{Op: hsm.OpRewrap, Key: current.Load(), Out: make([]byte, 0, 512)}
		if err := members[0].Do(&moved); err != nil {
			t.Fatal(err)
		}
		fresh := *first
		fresh.Token = moved.Out
		stale := current.Swap(&fresh)
		step(domain.Command{Kind: domain.DropKey, Version: round + 1, Statement: domain.Statement{Version: round + 1, Counted: time.Now()}})
		for i, m := range members {
			c := hsm.Call{Op: hsm.OpDecrypt, Key: stale, In: sealed.Out, Secret: make([]byte, 0, 64)}
			if err := m.Do(&c); !errors.Is(err, hsm.ErrDomain) {
				t.Errorf("round %d, member %d, a token under the dropped key: %v", round, i, err)
			}
		}
	}
	close(stop)
	calls.Wait()
	if id := selfOf(t, members[1]); id.Number != uint64(1+3*rounds) || !id.InService || id.Hash != stateOf(t, token).Hash() {
		t.Errorf("%+v", id)
	}
}

// decryptUntil decrypts over and over. A call may have begun with the token of before, whose key was dropped since.
func decryptUntil(t *testing.T, stop chan struct{}, m *hsm.Local, i int, current *atomic.Pointer[hsm.Key], sealed []byte) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		k := current.Load()
		c := hsm.Call{Op: hsm.OpDecrypt, Key: k, In: sealed, Secret: make([]byte, 0, 64)}
		err := m.Do(&c)
		if err == nil && string(c.Secret) == "before" || errors.Is(err, hsm.ErrDomain) && current.Load() != k {
			continue
		}
		t.Errorf("member %d: %q, %v", i, c.Secret, err)
		return
	}
}

// TestMissedTokens: a member that missed tokens while it was running takes the newest, by the commands in it.
func TestMissedTokens(t *testing.T) {
	t.Parallel()
	c := newCast(t, 2)
	members, token := newDomain(t, c, 3)
	a, behind, removed := members[0], members[1], members[2]
	k := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	joined := openMember(t, hsm.MemberConfig{})
	for _, cmd := range []domain.Command{
		{Kind: domain.RotateKeys}, {Kind: domain.ActivateKey, Version: 2},
		{Kind: domain.ModifyMembers, Members: []hsm.DomainHSM{selfOf(t, a).HSM, selfOf(t, behind).HSM, selfOf(t, joined).HSM}},
		{Kind: domain.RotateKeys},
	} {
		token = execute(t, a, c.command(t, token, cmd))
		install(t, token, a)
	}
	install(t, token, joined)
	token = execute(t, joined, c.command(t, token, domain.Command{Kind: domain.ActivateKey, Version: 4})) // by one whom it has never met
	install(t, token, a, joined, behind)
	if err := behind.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); err != nil {
		t.Error(err)
	}
	if id := selfOf(t, behind); id.Number != 6 || id.Hash != stateOf(t, token).Hash() {
		t.Errorf("%+v", id)
	}
	if err := removed.Install(t.Context(), token); !errors.Is(err, hsm.ErrDomain) {
		t.Errorf("one that was removed meanwhile: %v", err)
	}
	clear(token) // the caller may use it for something else: what the member keeps is its own
	next := domain.Command{Kind: domain.RotateKeys, Domain: selfOf(t, behind).Domain, State: 6, Parent: selfOf(t, behind).Hash}
	if _, err := behind.Execute(t.Context(), c.sign(t, &next)); err != nil {
		t.Error(err)
	}
}

// TestRefusedTokens: a member installs what follows from its state, by a member, and nothing else.
func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	c := newCast(t, 1)
	members, first := newDomain(t, c, 3)
	a, b, rogue := members[0], members[1], members[2]
	rotate := domain.Command{Kind: domain.RotateKeys}
	second := execute(t, a, c.command(t, first, rotate))
	fork := execute(t, b, c.command(t, first, rotate)) // the same command, other keys
	if id := selfOf(t, a); id.Number != 1 {
		t.Errorf("Execute changed the module itself: %+v", id)
	}
	install(t, second, a)
	install(t, fork, rogue)
	forkChild := execute(t, rogue, c.command(t, fork, domain.Command{Kind: domain.ActivateKey, Version: 2}))
	install(t, forkChild, rogue)
	forkGrandchild := execute(t, rogue, c.command(t, forkChild, rotate))
	activate := c.command(t, second, domain.Command{Kind: domain.ActivateKey, Version: 2})
	third := execute(t, a, activate)
	_, others := newDomain(t, newCast(t, 1), 1)
	for name, x := range map[string]struct {
		to    *hsm.Local
		token []byte
		want  error
	}{
		"the same again":        {a, second, nil},
		"the state before":      {a, first, hsm.ErrStale},
		"a fork":                {a, fork, hsm.ErrStale},
		"a fork's child":        {a, forkChild, hsm.ErrStale},
		"a fork's grandchild":   {a, forkGrandchild, hsm.ErrStale},
		"of another domain":     {a, others, hsm.ErrDomain},
		"nothing":               {a, nil, hsm.ErrDomain},
		"cut off":               {a, third[:len(third)-1], hsm.ErrDomain},
		"with more":             {a, append(third[:len(third):len(third)], 0), hsm.ErrDomain},
		"no token but the same": {b, first, nil},
	} {
		if err := x.to.Install(t.Context(), x.token); !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	install(t, third, a)
	for name, x := range map[string]struct {
		command []byte
		want    error
	}{
		"replayed":             {activate, hsm.ErrStale},
		"of a state before":    {c.command(t, first, rotate), hsm.ErrStale},
		"of a fork":            {c.command(t, fork, domain.Command{Kind: domain.ActivateKey, Version: 2}), hsm.ErrStale},
		"expired":              {c.command(t, third, domain.Command{Kind: domain.RotateKeys, Expires: time.Now().Add(-time.Second)}), hsm.ErrCommand},
		"for another module":   {c.command(t, third, domain.Command{Kind: domain.RotateKeys, Target: domain.FingerprintOf(selfOf(t, b).HSM.Signing)}), hsm.ErrCommand},
		"signed by strangers":  {newCast(t, 1).command(t, third, rotate), hsm.ErrCommand},
		"by the host alone":    {hostOnly(t, c, third), hsm.ErrQuorum},
		"a creation":           {c.creation(t, a, selfOf(t, a).HSM), hsm.ErrCommand},
		"no command":           {[]byte("no"), hsm.ErrCommand},
		"nothing":              {nil, hsm.ErrCommand},
		"a recovery":           {hsm.WithDomainToken(c.command(t, third, rotate), third), hsm.ErrCommand},
		"with a broken token":  {hsm.WithDomainToken(c.command(t, third, rotate), third[1:]), hsm.ErrCommand},
		"a key not to be made": {c.command(t, third, domain.Command{Kind: domain.ActivateKey, Version: 9}), hsm.ErrCommand},
	} {
		if token, err := a.Execute(t.Context(), x.command); !errors.Is(err, x.want) || token != nil {
			t.Errorf("%s: %d bytes, %v", name, len(token), err)
		}
	}
}

// hostOnly is a command that takes operators, signed by the host.
func hostOnly(t *testing.T, c *cast, newest []byte) []byte {
	lone := &cast{host: c.host}
	lone.operators = append(lone.operators, c.host)
	s := stateOf(t, newest)
	return lone.command(t, newest, domain.Command{Kind: domain.ModifyRules, Rules: s.Rules, Rotation: 2 * s.Rotation})
}
