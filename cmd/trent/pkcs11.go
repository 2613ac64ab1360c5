package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pkcs11Prefix is how --hsm names a device behind a PKCS #11 library.
const pkcs11Prefix = "pkcs11:"

const pkcs11Hint = "give --hsm 'pkcs11:/path/of/library.so?token=LABEL&pin-file=FILE'; the PIN may also come by pin-fd=N or pin-credential=NAME (of $CREDENTIALS_DIRECTORY)"

// deviceCredential is the file in $CREDENTIALS_DIRECTORY that is read where the PIN's place is not named.
const deviceCredential = "pkcs11-pin"

// deviceSpec is what --hsm pkcs11: says: MODULE.so[?token=LABEL][&pin-file=FILE|&pin-fd=N|&pin-credential=NAME][&sessions=N].
type deviceSpec struct {
	library  string
	token    string // label; "": the only one
	sessions int    // 0: the default
	pin      func() ([]byte, error)
}

// parseDevice reads what follows the prefix. It opens no file but a descriptor that it is told to read.
func parseDevice(e *environment, text string) (*deviceSpec, error) {
	library, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil || library == "" {
		return nil, usageError(fmt.Errorf("--hsm %s%s names no library, or its parameters cannot be read", pkcs11Prefix, library), pkcs11Hint)
	}
	d := &deviceSpec{library: library, token: values.Get("token")}
	ways := 0
	for name, all := range values {
		if len(all) != 1 {
			return nil, usageError(fmt.Errorf("--hsm: %s is given %d times", name, len(all)), pkcs11Hint)
		}
		switch name {
		case "token":
		case "sessions":
			if d.sessions, err = strconv.Atoi(all[0]); err != nil || d.sessions < 1 || d.sessions > maxDeviceSessions {
				return nil, usageError(fmt.Errorf("--hsm: %q is no number of sessions", all[0]), fmt.Sprintf("give 1 to %d", maxDeviceSessions))
			}
		case "pin-file", "pin-fd", "pin-credential":
			ways++
			if d.pin, err = pinFrom(e, name, all[0]); err != nil {
				return nil, usageError(err, pkcs11Hint)
			}
		case "pin", "pin-value":
			return nil, usageError(errors.New("--hsm: a PIN does not belong on a command line, where everybody can read it"), pkcs11Hint)
		default:
			return nil, usageError(fmt.Errorf("--hsm: unknown parameter %s", name), pkcs11Hint)
		}
	}
	switch {
	case ways > 1:
		return nil, usageError(errors.New("--hsm: the PIN comes in one way only"), pkcs11Hint)
	case ways == 0 && e.Getenv("CREDENTIALS_DIRECTORY") != "":
		d.pin, err = pinFrom(e, "pin-credential", deviceCredential)
	case ways == 0:
		err = errors.New("--hsm: nothing says where the PIN is")
	}
	if err != nil {
		return nil, usageError(err, pkcs11Hint)
	}
	return d, nil
}

const maxDeviceSessions = 1024

// fitDevice leaves out the default of keys made ahead where keys are in a device: they would take its room, and data
// key pairs cannot use them.
func (s *settings) fitDevice() {
	if s.HSM.PKCS11 != "" && slices.Equal(s.KeyPool, defaultKeyPool) {
		s.KeyPool = []string{"none"}
	}
}

// pinFrom reads the PIN, anew for each login where that can be.
func pinFrom(e *environment, way, value string) (func() ([]byte, error), error) {
	switch way {
	case "pin-fd":
		fd, err := strconv.Atoi(value)
		if err != nil || fd < 0 {
			return nil, fmt.Errorf("--hsm: %q is no file descriptor", value)
		}
		pin, err := readPassphrase(fd) // a pipe can be read once; the PIN is kept for later logins
		if err != nil {
			return nil, err
		}
		return func() ([]byte, error) { return bytes.Clone(pin), nil }, nil
	case "pin-credential":
		dir := e.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || filepath.Base(value) != value {
			return nil, fmt.Errorf("--hsm: %q is no credential: $CREDENTIALS_DIRECTORY is not set, or it is not a file's name", value)
		}
		return func() ([]byte, error) { return readPIN(filepath.Join(dir, value), false) }, nil
	}
	return func() ([]byte, error) { return readPIN(value, true) }, nil
}

// readPIN reads a file up to its end; one final line break does not count. strictly: others must not be able to read it.
func readPIN(path string, strictly bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if strictly && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %v): chmod 600 it", path, info.Mode().Perm())
	}
	pin, err := io.ReadAll(io.LimitReader(f, maxPassphraseBytes))
	if err != nil {
		return nil, err
	}
	pin = bytes.TrimSuffix(bytes.TrimSuffix(pin, []byte("\n")), []byte("\r"))
	if len(pin) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return pin, nil
}
