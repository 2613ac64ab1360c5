package hsm_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// childVariable tells the test binary that it is the member which is to be killed.
const childVariable = "TRENT_TEST_MEMBER"

// TestKilledMember kills a member -9 again and again while it installs token after token, and finds it each time, with
// the newest token, able to open what was sealed at the beginning.
func TestKilledMember(t *testing.T) {
	if dir := os.Getenv(childVariable); dir != "" {
		installAll(dir)
		return
	}
	t.Parallel()
	c := newCast(t, 1)
	victim := newRestartable(t)
	peer := openMember(t, hsm.MemberConfig{})
	token := execute(t, peer, c.creation(t, peer, selfOf(t, peer).HSM, selfOf(t, victim).HSM))
	install(t, token, peer, victim.Local)
	k := newKey(t, victim, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	tokens := [][]byte{token}
	for version := uint32(2); len(tokens) < 40; version++ { // rotations; all keys stay
		for _, cmd := range []domain.Command{{Kind: domain.RotateKeys}, {Kind: domain.ActivateKey, Version: version}} {
			token = execute(t, peer, c.command(t, token, cmd))
			install(t, token, peer)
			tokens = append(tokens, token)
		}
	}
	if err := victim.Close(); err != nil {
		t.Fatal(err)
	}
	held := 0 // the last state that the victim said to hold
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		held = killWhileInstalling(t, victim, tokens[held:], held, 3+2*round)
		m := openMember(t, victim.cfg)
		id := selfOf(t, m)
		if int(id.Number) < held+1 {
			t.Fatalf("it remembers state %d and had state %d installed", id.Number, held+1)
		}
		held = int(id.Number) - 1
		if held > 0 {
			if err := m.Install(t.Context(), tokens[held-1]); !errors.Is(err, hsm.ErrStale) {
				t.Errorf("the state before: %v", err)
			}
		}
		install(t, tokens[held], m)
		if err := m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := openMember(t, victim.cfg)
	install(t, tokens[len(tokens)-1], m)
}

// killWhileInstalling has a child install the tokens and kills it after it reported some; the index of the last of all
// tokens that was reported.
func killWhileInstalling(t *testing.T, victim *restartable, tokens [][]byte, first, after int) int {
	t.Helper()
	dir := t.TempDir()
	lines := []string{victim.cfg.Dir, victim.cfg.Seal.KeyFile}
	for _, token := range tokens {
		lines = append(lines, hex.EncodeToString(token))
	}
	if err := os.WriteFile(filepath.Join(dir, "orders"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe, "-test.run=^TestKilledMember$")
	child.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	reports := bufio.NewScanner(out)
	for reports.Scan() {
		var i int
		if _, err := fmt.Sscanf(reports.Text(), "installed %d", &i); err != nil {
			if strings.Contains(reports.Text(), "failed") {
				t.Error(reports.Text())
			}
			continue
		}
		if last = i; i == after {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if last < after {
		t.Fatalf("the child ended after token %d of %d", last, len(tokens))
	}
	return first + last
}

// installAll is the child.
func installAll(dir string) {
	err := func() error {
		orders, err := os.ReadFile(filepath.Join(dir, "orders"))
		if err != nil {
			return err
		}
		lines := strings.Split(string(orders), "\n")
		m, err := hsm.OpenMember(hsm.MemberConfig{Dir: lines[0], Seal: hsm.Seal{KeyFile: lines[1]}, Workers: 4})
		if err != nil {
			return err
		}
		for i, line := range lines[2:] {
			token, err := hex.DecodeString(line)
			if err != nil {
				return err
			}
			if err := m.Install(context.Background(), token); err != nil {
				return err
			}
			fmt.Println("installed", i)
		}
		return nil
	}()
	if err != nil {
		fmt.Println("failed:", err)
	}
}
