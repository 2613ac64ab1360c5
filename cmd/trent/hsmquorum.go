package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/hsm/operator"
)

func newHSMQuorumCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "quorum",
		Short: "Keys and signatures of those who command a domain",
		Long: `A command changes a domain when enough operators have signed it. One proposes it, which makes a file; each signs the file,
or a copy of it, with a key of their own, after reading what it does; 'trent hsm domain submit' has a module do it. A command
names the state that it applies to, so it is done once at most, and it expires.`,
		Example: `  trent hsm quorum keygen --name alice
  trent hsm quorum propose join --state /var/lib/trent-hsm --module hsm-2.json --out join.command
  trent hsm quorum sign join.command --key alice.key --state /var/lib/trent-hsm
  trent hsm quorum status join.command --state /var/lib/trent-hsm
  trent hsm domain submit join.command --state /var/lib/trent-hsm`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newHSMKeygenCommand(e), newHSMQuorumShowCommand(e), newHSMProposeCommand(e), newHSMSignCommand(e), newHSMQuorumStatusCommand(e),
		newHSMMergeCommand(e), newHSMShareCommand(e))
	return c
}

// keygen are the flags of making a key.
type keygen struct {
	name, role, dir string
	plain           bool
	fd              int
	asJSON          bool
	device          keyFlags
}

func newHSMKeygenCommand(e *environment) *cobra.Command {
	var k keygen
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make the key of an operator or host",
		Long: `Keygen makes NAME.key, the private half, for its owner alone (0600), and NAME.pub, which the domain is told. An operator's
has two keys on P-384: one signs commands, to the other the operator's share of the recovery key is encrypted. A passphrase,
asked for on the terminal, encrypts the file. With --pkcs11 the signing key is one that a PKCS #11 token has, and stays there.`,
		Example: `  trent hsm quorum keygen --name alice
  trent hsm quorum keygen --name host-1 --role host --no-passphrase
  trent hsm quorum keygen --name bob --passphrase-fd 3 3<passphrase
  trent hsm quorum keygen --name carol --pkcs11 /usr/lib/softhsm/libsofthsm2.so --pkcs11-label carol`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return k.run(e) },
	}
	c.Flags().StringVar(&k.name, "name", "", "what the domain calls the signer: letters, digits and ._@+- (required)")
	c.Flags().StringVar(&k.role, "role", "operator", "operator or host")
	c.Flags().StringVar(&k.dir, "dir", ".", "directory of the files")
	c.Flags().BoolVar(&k.plain, "no-passphrase", false, "do not encrypt the key file: whoever reads it can sign")
	c.Flags().IntVar(&k.fd, "passphrase-fd", -1, "read the passphrase from this file descriptor (default: ask on the terminal)")
	c.Flags().BoolVar(&k.asJSON, "json", false, "print JSON")
	k.device.bindDevice(c.Flags())
	return c
}

func (k *keygen) run(e *environment) error {
	switch {
	case !operator.ValidName(k.name):
		return usageError(errors.New("--name is missing, or is not 1 to 64 letters, digits and ._@+-"), "it is what the domain calls the signer, such as alice")
	case k.role != "operator" && k.role != "host":
		return usageError(fmt.Errorf("there is no role %q", k.role), "--role is operator or host")
	case k.plain && k.fd >= 0:
		return usageError(errors.New("--no-passphrase and --passphrase-fd exclude each other"), "")
	}
	if _, _, err := hsm.Harden(); err != nil {
		return failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	base := k.dir + string(os.PathSeparator) + k.name
	var signer crypto.Signer
	if k.device.library != "" {
		key, closer, err := k.device.device(e)
		if err != nil {
			return err
		}
		defer closer.Close()
		signer = key.Signer
	}
	key, err := operator.NewKey(signer, k.role == "operator", rand.Reader)
	if err != nil {
		return failure(err, "")
	}
	p, err := key.Principal(k.name)
	if err != nil {
		return failure(err, "")
	}
	public, err := operator.EncodePrincipal(p)
	if err != nil {
		return failure(err, "")
	}
	files := []string{base + ".pub"}
	if signer == nil || key.Agreement != nil { // a host's key in a token needs no file
		files = append(files, base+".key")
		if err := k.writeKey(e, key, base+".key"); err != nil {
			return err
		}
	}
	if err := writeNew(base+".pub", public, 0o644); err != nil {
		return err
	}
	return printSigner(e, k.asJSON, files, p.Name, p.Role.String(), operator.FingerprintOf(p.Signing).String())
}

func (k *keygen) writeKey(e *environment, key *operator.Key, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return failure(fmt.Errorf("%s is there already", name), "a key is never overwritten: give another --name or --dir")
	}
	passphrase, err := k.passphrase(e)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	file, err := key.Encode(passphrase)
	defer clear(file)
	if err != nil {
		return failure(err, "")
	}
	return writeNew(name, file, 0o600)
}

// passphrase is nil without one.
func (k *keygen) passphrase(e *environment) ([]byte, error) {
	if k.plain {
		return nil, nil
	}
	first, err := secretSource(e, k.fd, "passphrase for the new key file")()
	if err != nil {
		return nil, failure(err, "or give --no-passphrase, and keep the file as a secret")
	}
	if len(first) == 0 {
		return nil, usageError(errors.New("the passphrase is empty"), "give one, or --no-passphrase")
	}
	if k.fd >= 0 {
		return first, nil
	}
	again, err := askSecret(e, "the same again")
	defer clear(again)
	if err == nil && !bytes.Equal(first, again) {
		err = errors.New("the two passphrases differ")
	}
	if err != nil {
		clear(first)
		return nil, failure(err, "")
	}
	return first, nil
}

func printSigner(e *environment, asJSON bool, files []string, name, role, fingerprint string) error {
	if asJSON {
		return encodeJSON(e.Stdout, map[string]any{"name": name, "role": role, "fingerprint": fingerprint, "files": files})
	}
	for _, f := range files {
		fmt.Fprintf(e.Stderr, "trent: wrote %s\n", f)
	}
	_, err := fmt.Fprintf(e.Stdout, "%s %s %s\n", role, name, fingerprint)
	return err
}

func newHSMQuorumShowCommand(e *environment) *cobra.Command {
	var f stateFlags
	c := &cobra.Command{
		Use:   "show FILE…",
		Short: "Say what files of a domain are and do",
		Long: `Show says what a file is: a public file of an operator, host or module, a command, a domain token, or a share. Of a
command it says what it does, with --state or --token compared with the domain as it is; nothing is verified but its form
('trent hsm quorum status' verifies signatures).`,
		Example: "  trent hsm quorum show alice.pub join.command\n  trent hsm quorum show join.command --state /var/lib/trent-hsm",
		Args:    someArguments("a file to show"),
		RunE: func(c *cobra.Command, args []string) error {
			_, s, err := f.newestOrNone(c.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				b, err := readSmall(name, maxTokenFile)
				if err != nil {
					return err
				}
				if err := showFile(e.Stdout, name, b, s); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.bind(c.Flags())
	return c
}

func someArguments(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError(fmt.Errorf("%s needs %s", c.CommandPath(), what), "see '"+c.CommandPath()+" --help'")
		}
		return nil
	}
}

// confirm asks a person; what is not a clear yes is a no.
func confirm(e *environment, question string) bool {
	fmt.Fprintf(e.Stderr, "%s Type yes to go on: ", question)
	var line []byte
	one := make([]byte, 1)
	for len(line) < 16 { // not a byte beyond the line
		n, err := io.ReadFull(e.Stdin, one)
		if n == 0 || err != nil || one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	return string(bytes.TrimSpace(line)) == "yes"
}
