//go:build !unix

package main

import (
	"os"
	"path/filepath"
)

// lockDataDir relies on the store's own lock where files cannot be locked this way.
func lockDataDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}

// lockStateDir relies on the sockets there, of which a second appliance finds the first.
func lockStateDir(dir string) (*os.File, error) { return lockDataDir(dir) }
