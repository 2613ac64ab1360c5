package identity

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sealer seals records by AES-256-GCM under a random key in a file of its own (0600, in the data directory, which is
// 0700). That keeps secret access keys out of whatever copies the store alone: its log, its tables, a dump. It guards
// against nobody who can read the whole data directory, as the key lies beside what it seals. Not safe for concurrent use.
type sealer struct {
	file string
	aead cipher.AEAD // nil: not needed yet
}

// sealKeyBytes is the size of the key, which is all that stands in its file.
const sealKeyBytes = 32

// ErrSealed is wrapped where a record of the administration cannot be opened.
var ErrSealed = errors.New("record is sealed by another key")

// ready reads the key, or makes one where mayMake.
func (s *sealer) ready(mayMake bool) error {
	if s.aead != nil {
		return nil
	}
	key, err := os.ReadFile(s.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayMake:
		if key, err = makeSealKey(s.file); err != nil {
			return fmt.Errorf("making the key of records: %w", err)
		}
	case err != nil:
		return fmt.Errorf("reading the key of records: %w", err)
	case len(key) != sealKeyBytes:
		return fmt.Errorf("%s has %d bytes, not the %d of a key", s.file, len(key), sealKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	s.aead, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

// makeSealKey writes a new key, which is durable when it returns: what is sealed under it is so later.
func makeSealKey(file string) ([]byte, error) {
	key := make([]byte, sealKeyBytes)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return key, errors.Join(dir.Sync(), dir.Close())
}

// sealed is a value bound to the record's place.
func (s *sealer) sealed(place, value []byte) ([]byte, error) {
	if err := s.ready(true); err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, value, place), nil
}

func (s *sealer) opened(place, value []byte) ([]byte, error) {
	if err := s.ready(false); err != nil {
		return nil, err
	}
	plain, err := s.aead.Open(nil, nil, value, place)
	if err != nil {
		return nil, fmt.Errorf("%s: %w than that in %s", bytes.ReplaceAll(place, []byte{0}, []byte{' '}), ErrSealed, s.file)
	}
	return plain, nil
}
