package domain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// firstSecret is the secret of a domain about to be made: the key file is made if it is not there. undo takes
// back what was made, for when the domain cannot be.
func (s *Seal) firstSecret(dir, name string, random io.Reader) (secret []byte, undo func() error, err error) {
	undo = func() error { return nil }
	if s.Passphrase != nil || s.Credential != "" {
		secret, err = s.secret(dir, name)
		return secret, undo, err
	}
	path, err := s.keyFile(name)
	if err != nil {
		return nil, undo, err
	}
	if err := outside(path, dir); err != nil {
		return nil, undo, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(path, random); err != nil {
			return nil, undo, fmt.Errorf("making the seal key %s: %w", path, err)
		}
		undo = func() error { return os.Remove(path) }
	}
	secret, err = readKeyFile(path, dir)
	if err != nil {
		err = errors.Join(err, undo())
	}
	return secret, undo, err
}

// makeKeyFile writes 32 random bytes as a line of hex digits, durably, for its owner alone.
func makeKeyFile(path string, random io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var key [32]byte
	var line [65]byte
	defer clear(key[:])
	defer clear(line[:])
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return fmt.Errorf("drawing it: %w", err)
	}
	hex.Encode(line[:], key[:])
	line[64] = '\n'
	return writeFile(path, line[:], false)
}
