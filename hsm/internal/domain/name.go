package domain

import (
	"fmt"
	"os"
	"path/filepath"
)

// IdentityName is the name in the sealed identity of a state directory, which stands in clear; nothing is opened. Errors:
// those of reading, among them os.ErrNotExist; ErrDamaged, ErrNewerVersion.
func IdentityName(dir string) (string, error) {
	path := filepath.Join(dir, IdentityFileName)
	file, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	f, err := parse(file, identityFile)
	switch err {
	case nil:
		return f.name, nil
	case errNewer:
		return "", fmt.Errorf("reading %s: %w", path, ErrNewerVersion)
	}
	return "", fmt.Errorf("reading %s: %w", path, ErrDamaged)
}
