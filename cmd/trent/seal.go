package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"trent/hsm"
)

const maxPassphraseBytes = 4096

// seal is how the settings want the sealed domain opened: at most one way, the key file by default.
func (s *settings) seal(e *environment) (hsm.Seal, error) {
	ways := 0
	for _, given := range []bool{s.SealKey != "", s.SealPassphrase, s.SealPassphraseFD >= 0, s.SealCredential != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return hsm.Seal{}, usageError(errors.New("the sealed domain is opened in one way only"),
			"give one of --seal-key, --seal-passphrase, --seal-passphrase-fd, --seal-credential")
	}
	rounds := 0
	if s.FIPS {
		rounds = hsm.FIPSRounds // Argon2id is not approved
	}
	switch {
	case s.SealPassphrase:
		return hsm.Seal{Passphrase: func() ([]byte, error) { return askPassphrase(e) }, Rounds: rounds}, nil
	case s.SealPassphraseFD >= 0:
		return hsm.Seal{Passphrase: func() ([]byte, error) { return readPassphrase(s.SealPassphraseFD) }, Rounds: rounds}, nil
	case s.SealCredential != "":
		return hsm.Seal{Credential: s.SealCredential}, nil
	}
	return hsm.Seal{KeyFile: s.SealKey}, nil
}

// askPassphrase reads a passphrase from the terminal without echo.
func askPassphrase(e *environment) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("asking for the passphrase: %w (without a terminal, use --seal-passphrase-fd or --seal-credential)", err)
	}
	defer tty.Close()
	fmt.Fprint(e.Stderr, "Passphrase of the sealed domain: ")
	p, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(e.Stderr)
	return p, err
}

// readPassphrase reads a passphrase from a descriptor up to its end; one final line break does not count.
func readPassphrase(fd int) ([]byte, error) {
	f := os.NewFile(uintptr(fd), "passphrase")
	if f == nil {
		return nil, fmt.Errorf("reading the passphrase: %d is no file descriptor", fd)
	}
	defer f.Close()
	p, err := io.ReadAll(io.LimitReader(f, maxPassphraseBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	p = bytes.TrimSuffix(bytes.TrimSuffix(p, []byte("\n")), []byte("\r"))
	if len(p) == 0 {
		return nil, errors.New("reading the passphrase: it is empty")
	}
	return p, nil
}
