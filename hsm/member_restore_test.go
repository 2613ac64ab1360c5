package hsm_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// TestRestoreKeys: thirty days after a backup its domain keys are gone; its domain token and the operators bring them
// back for as long as it takes to re-encrypt its key tokens.
func TestRestoreKeys(t *testing.T) {
	t.Parallel()
	c := newCast(t, 2)
	members, backup := newDomain(t, c, 2)
	a, b := members[0], members[1]
	k := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: k, In: []byte("then"), Out: make([]byte, 0, 512)}
	if err := a.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	now, token := time.Now(), backup
	for _, m := range members {
		hsm.SetNow(m, func() time.Time { return now })
	}
	try := func(m *hsm.Local, by *cast, cmd domain.Command, with []byte) ([]byte, error) {
		cmd.Expires = now.Add(time.Hour)
		command := by.command(t, token, cmd)
		if with != nil {
			command = hsm.WithDomainToken(command, with)
		}
		return m.Execute(t.Context(), command)
	}
	step := func(m *hsm.Local, cmd domain.Command, with []byte) {
		t.Helper()
		next, err := try(m, c, cmd, with)
		if err != nil {
			t.Fatal(err)
		}
		token = next
		install(t, token, members...)
	}
	drop := func() domain.Command {
		return domain.Command{Kind: domain.DropKey, Version: 1, Statement: domain.Statement{Version: 1, Counted: now}}
	}
	step(a, domain.Command{Kind: domain.RotateKeys}, nil)
	step(a, domain.Command{Kind: domain.ActivateKey, Version: 2}, nil)
	now = now.Add(30 * 24 * time.Hour)
	step(a, drop(), nil)
	opened := hsm.Call{Op: hsm.OpDecrypt, Key: k, In: sealed.Out, Secret: make([]byte, 0, 64)}
	if err := b.Do(&opened); !errors.Is(err, hsm.ErrDomain) {
		t.Fatalf("a key token of the backup: %v", err)
	}

	restore := domain.Command{Kind: domain.RestoreKeys, Keys: stateOf(t, token).Lost(stateOf(t, backup))}
	if len(restore.Keys) != 1 || restore.Keys[0].Version != 1 {
		t.Fatalf("lost: %+v", restore.Keys)
	}
	wrong := restore
	wrong.Keys = slices.Clone(restore.Keys)
	wrong.Keys[0].Check[0] ^= 1
	_, foreign := newDomain(t, newCast(t, 1), 1)
	alone := &cast{operators: c.operators[:1], host: c.host}
	for name, x := range map[string]struct {
		by   *cast
		with []byte
		cmd  domain.Command
		want error
	}{
		"without the token":       {c, nil, restore, hsm.ErrCommand},
		"by another's token":      {c, foreign, restore, hsm.ErrCommand},
		"by the newest token":     {c, token, restore, hsm.ErrCommand},
		"another key":             {c, backup, wrong, hsm.ErrCommand},
		"a broken token":          {c, backup[1:], restore, hsm.ErrDomain},
		"another command":         {c, backup, domain.Command{Kind: domain.RotateKeys}, hsm.ErrCommand},
		"by one of two operators": {alone, backup, restore, hsm.ErrQuorum},
	} {
		if out, err := try(b, x.by, x.cmd, x.with); !errors.Is(err, x.want) || out != nil {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}

	step(b, restore, backup)
	if s := stateOf(t, token); len(s.Keys) != 2 || s.Keys[0].Phase != domain.Exposed || s.Keys[1].Phase != domain.Active {
		t.Errorf("%+v", s.Keys)
	}
	moved := hsm.Call{Op: hsm.OpRewrap, Key: k, Out: make([]byte, 0, 512)}
	if err := a.Do(&moved); err != nil {
		t.Fatal(err)
	}
	fresh := *k
	fresh.Token = moved.Out
	step(a, drop(), nil)
	opened = hsm.Call{Op: hsm.OpDecrypt, Key: &fresh, In: sealed.Out, Secret: make([]byte, 0, 64)}
	if err := b.Do(&opened); err != nil || string(opened.Secret) != "then" {
		t.Errorf("%q, %v", opened.Secret, err)
	}
}
