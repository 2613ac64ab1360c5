//go:build pkcs11

package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trent/hsm"
	"trent/hsm/pkcs11"
)

// deviceFile in the data directory names the device that its keys are in.
const deviceFile = "pkcs11.json"

// device is what stands there.
type device struct {
	Domain string `json:"domain"` // identifier of the device's token key
	Host   string `json:"host"`   // who counts encryptions for this directory
	Token  string `json:"token"`  // label, for people
}

// openPKCS11 opens the device that spec names (what follows pkcs11: in --hsm) for a data directory: the one that its
// keys are in, or any for a new directory.
func openPKCS11(e *environment, s *settings, spec string) (hsm.Module, error) {
	d, err := parseDevice(e, spec)
	if err != nil {
		return nil, err
	}
	known, fresh, err := readDevice(s.DataDir)
	if err != nil {
		return nil, err
	}
	m, err := pkcs11.Open(pkcs11.Options{
		Library: d.library, Token: d.token, PIN: d.pin, Sessions: d.sessions, Host: known.Host, Create: fresh,
	})
	if err != nil {
		return nil, deviceFailure(err, s.DataDir)
	}
	if fresh {
		known.Domain, known.Token = m.Domain(), d.token
		err = writeDevice(s.DataDir, known)
	} else if known.Domain != m.Domain() {
		err = failure(fmt.Errorf("the keys of %s are in another device or token (domain %s, this is %s)", s.DataDir, known.Domain, m.Domain()),
			"name the token that they are in, or start on another --data-dir")
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if lacking := m.Lacking(); len(lacking) > 0 {
		fmt.Fprintf(e.Stderr, "trent: %s does not have, and answers UnsupportedOperationException for: %s\n", m.Name(), strings.Join(lacking, ", "))
	}
	return m, nil
}

func deviceFailure(err error, dir string) error {
	switch {
	case errors.Is(err, pkcs11.ErrPIN):
		return failure(err, "it was tried once and is not tried again: devices lock after a few wrong ones")
	case errors.Is(err, pkcs11.ErrForeign):
		return failure(fmt.Errorf("the keys of %s are not in this device: %w", dir, err), "name the token that they are in, or start on another --data-dir")
	case errors.Is(err, pkcs11.ErrNoToken):
		return failure(err, "token=LABEL names it; the maker's tool, or softhsm2-util --init-token, makes one")
	}
	return failure(err, "")
}

// readDevice reads which device a data directory belongs to; fresh: to none yet, and it has no keys.
func readDevice(dir string) (d device, fresh bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, deviceFile))
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &d); err != nil || d.Domain == "" || d.Host == "" {
			return d, false, failure(fmt.Errorf("%s in %s cannot be read: %w", deviceFile, dir, err), "put back the file that belongs to this directory")
		}
		return d, false, nil
	case !errors.Is(err, os.ErrNotExist):
		return d, false, failure(err, "")
	}
	for _, name := range [...]string{"domain.sealed", "store"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return d, false, failure(fmt.Errorf("%s holds keys that are not in a device (it has %s and no %s)", dir, name, deviceFile),
				"start it without --hsm pkcs11:…, or start on another --data-dir")
		}
	}
	var host [8]byte
	if _, err := rand.Read(host[:]); err != nil {
		return d, false, failure(err, "")
	}
	d.Host = hex.EncodeToString(host[:])
	return d, true, nil
}

// writeDevice writes the file whole or not at all.
func writeDevice(dir string, d device) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return failure(err, "")
	}
	path := filepath.Join(dir, deviceFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return failure(err, "")
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return failure(fmt.Errorf("writing %s: %w", path, err), "")
	}
	parent, err := os.Open(dir)
	if err != nil {
		return failure(err, "")
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return failure(fmt.Errorf("writing %s: %w", path, err), "")
	}
	return nil
}
