package domain_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/hsm/internal/domain"
)

// TestPassphrasesInFIPSMode: the file has the rounds; it opens without FIPS mode, too, and one by Argon2id not in it.
func TestPassphrasesInFIPSMode(t *testing.T) {
	t.Parallel()
	dir, argon := t.TempDir(), t.TempDir()
	mustOpen(t, dir, domain.Seal{Passphrase: passphrase("correct horse"), Rounds: 1234})
	mustOpen(t, argon, domain.Seal{Passphrase: passphrase("correct horse"), Argon: cheap})
	for name, c := range map[string]struct {
		dir  string
		seal domain.Seal
		want error
		says string
	}{
		"other rounds":     {dir, domain.Seal{Passphrase: passphrase("correct horse"), Rounds: 5000}, nil, ""},
		"no FIPS mode":     {dir, domain.Seal{Passphrase: passphrase("correct horse")}, nil, ""},
		"wrong":            {dir, domain.Seal{Passphrase: passphrase("wrong horse"), Rounds: 1234}, domain.ErrSealedByOther, "made with"},
		"a key file":       {dir, domain.Seal{KeyFile: filepath.Join(t.TempDir(), "k")}, domain.ErrSealKeyMissing, "passphrase"},
		"Argon2id's file":  {argon, domain.Seal{Passphrase: passphrase("correct horse"), Rounds: 1234}, domain.ErrSealKeyMissing, "Argon2id"},
		"Argon2id's still": {argon, domain.Seal{Passphrase: passphrase("correct horse")}, nil, ""},
	} {
		if _, err := open(t, c.dir, c.seal); !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, rounds := range []int{-1, 1, 999, 10_000_001} {
		if _, err := open(t, t.TempDir(), domain.Seal{Passphrase: passphrase("p"), Rounds: rounds}); err == nil {
			t.Errorf("%d rounds are accepted", rounds)
		}
	}
}

// TestFullRounds is the cost in FIPS mode once.
func TestFullRounds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("600,000 rounds")
	}
	dir := t.TempDir()
	mustOpen(t, dir, domain.Seal{Passphrase: passphrase("p"), Rounds: domain.FIPSRounds})
	file, err := os.ReadFile(filepath.Join(dir, domain.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if file[10] != 3 || file[11] != 0 || binary.BigEndian.Uint32(file[12:]) < 600_000 || binary.BigEndian.Uint32(file[16:]) != 0 {
		t.Errorf("the file has other parameters: %x", file[10:20])
	}
}
