package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"trent/hsm"
	"trent/hsm/operator"
)

// keyFlags say with which keys to sign.
type keyFlags struct {
	files   []string
	fd      int
	library string
	token   string
	label   string
	pinFD   int
}

func (k *keyFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVar(&k.files, "key", nil, "key file to sign with, by 'trent hsm quorum keygen'; may be repeated")
	fs.IntVar(&k.fd, "passphrase-fd", -1, "read the passphrase of the key files from this file descriptor (default: ask on the terminal)")
	k.bindDevice(fs)
}

func (k *keyFlags) bindDevice(fs *pflag.FlagSet) {
	fs.StringVar(&k.library, "pkcs11", "", "PKCS #11 library of the token that has the signing key, in builds with -tags pkcs11")
	fs.StringVar(&k.token, "pkcs11-token", "", "label of the token (default: the only one)")
	fs.StringVar(&k.label, "pkcs11-label", "", "label of the key pair in it, on P-384")
	fs.IntVar(&k.pinFD, "pkcs11-pin-fd", -1, "read the token's PIN from this file descriptor (default: ask on the terminal)")
}

// secretSource asks on the terminal, or reads a descriptor.
func secretSource(e *environment, fd int, prompt string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if fd < 0 {
			return askSecret(e, prompt)
		}
		return readPassphrase(fd)
	}
}

// askSecret reads a secret from the terminal without echo.
func askSecret(e *environment, prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("asking for the %s: %w (without a terminal, give it by a file descriptor)", prompt, err)
	}
	defer tty.Close()
	fmt.Fprintf(e.Stderr, "%s: ", prompt)
	p, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(e.Stderr)
	return p, err
}

// device opens the token that the flags name.
func (k *keyFlags) device(e *environment) (*operator.Key, io.Closer, error) {
	if k.label == "" {
		return nil, nil, usageError(errors.New("--pkcs11 names a library and no key"), "give --pkcs11-label")
	}
	signer, closer, err := operator.OpenPKCS11(operator.PKCS11{
		Library: k.library, Token: k.token, Label: k.label, PIN: secretSource(e, k.pinFD, "PIN of the PKCS #11 token"),
	})
	if err != nil {
		return nil, nil, failure(err, "")
	}
	return &operator.Key{Signer: signer}, closer, nil
}

// open reads all keys. The caller closes what it gets.
func (k *keyFlags) open(e *environment) (keys []*operator.Key, closeAll func(), err error) {
	closeAll = func() {}
	if _, _, err := hsm.Harden(); err != nil {
		return nil, closeAll, failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	var given []byte // by the descriptor, which is read once for all files
	defer func() { clear(given) }()
	for _, file := range k.files {
		key, err := readKeyFile(file, func() ([]byte, error) {
			if k.fd < 0 {
				return askSecret(e, "passphrase of "+file)
			}
			if given == nil {
				if given, err = readPassphrase(k.fd); err != nil {
					return nil, err
				}
			}
			return bytes.Clone(given), nil
		})
		if err != nil {
			return nil, closeAll, err
		}
		keys = append(keys, key)
	}
	if k.library == "" {
		return keys, closeAll, nil
	}
	key, closer, err := k.device(e)
	if err != nil {
		return nil, closeAll, err
	}
	return append(keys, key), func() { _ = closer.Close() }, nil
}

// readKeyFile reads a key file that only its owner can read.
func readKeyFile(name string, passphrase func() ([]byte, error)) (*operator.Key, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError(fmt.Errorf("reading a key: %w", err), "make one by 'trent hsm quorum keygen'")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, failure(fmt.Errorf("reading a key: %w", err), "")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, failure(fmt.Errorf("the key file %s can be read by others (%v)", name, info.Mode().Perm()), "run chmod 600 on it; if others may have read it, have the domain list a new key")
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	defer clear(b)
	if err != nil {
		return nil, failure(fmt.Errorf("reading a key: %w", err), "")
	}
	key, err := operator.ParseKey(b, passphrase)
	switch {
	case errors.Is(err, operator.ErrKeyFile):
		return nil, usageError(fmt.Errorf("%s: %w", name, err), "key files are made by 'trent hsm quorum keygen'")
	case err != nil:
		return nil, failure(fmt.Errorf("%s: %w", name, err), "")
	}
	return key, nil
}

// readSmall reads a file that is at most so long.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError(err, "")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	if err != nil {
		return nil, usageError(err, "")
	}
	return b, nil
}

// writeNew writes a file that is not there yet.
func writeNew(name string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return failure(err, "give another --out, or move the file away")
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return failure(errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(name)), "")
	}
	return nil
}
