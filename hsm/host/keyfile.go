package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"trent/hsm/operator"
)

// ErrKeyExposed is a key file that others may read.
var ErrKeyExposed = errors.New("host: the key file can be read by others")

// OpenKey reads an unencrypted key file, for a process that starts by itself. Errors: os.ErrNotExist, ErrKeyExposed,
// operator.ErrKeyFile.
func OpenKey(path string) (*operator.Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %v: chmod 600 it", ErrKeyExposed, path, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	defer clear(b)
	if err != nil {
		return nil, err
	}
	k, err := operator.ParseKey(b, func() ([]byte, error) {
		return nil, errors.New("it is encrypted by a passphrase, which a host that starts by itself cannot give")
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// MakeKey is OpenKey, and makes the file (0600, durably) where there is none; agreement: it is an operator's.
func MakeKey(path string, agreement bool) (*operator.Key, error) {
	k, err := OpenKey(path)
	if !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	if k, err = operator.NewKey(nil, agreement, rand.Reader); err != nil {
		return nil, err
	}
	b, err := k.Encode(nil)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the key file %s: %w", path, err)
	}
	if err := replace(path, b); err != nil {
		return nil, fmt.Errorf("making the key file %s: %w", path, err)
	}
	return k, nil
}

// replace writes a file beside its place (0600), syncs it, moves it there and syncs the directory.
func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	t, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = t.Write(content)
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(t.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
