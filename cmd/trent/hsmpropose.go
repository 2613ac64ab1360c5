package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/hsm/operator"
)

const defaultLife = 72 * time.Hour

func newHSMProposeCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "propose",
		Short: "Write a command for others to sign",
		Long: `Propose writes a command file. Nothing is signed, and nothing done: operators sign it by 'trent hsm quorum sign', and 'trent
hsm domain submit' has a module do it. It applies to the state that the domain has now, and to no other.`,
		Example: "  trent hsm quorum propose join --state member --module hsm-2.json --out join.command\n  trent hsm quorum propose rules --token newest.token --quorum 3",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, ch := range append(changes(), recovery(), restoreKeys()) {
		c.AddCommand(newProposal(e, ch))
	}
	return c
}

func newProposal(e *environment, ch change) *cobra.Command {
	var f changeFlags
	var out string
	c := &cobra.Command{
		Use: ch.name, Short: ch.short, Long: ch.long,
		Example: "  trent hsm quorum propose " + withoutKeys(ch.example),
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if !ch.first {
				f.orDefault(e)
			}
			s, command, err := ch.propose(c.Context(), &f)
			if errors.Is(err, errShow) {
				return usageError(errors.New("nothing is to change"), "see '"+c.CommandPath()+" --help'")
			}
			if err != nil {
				return refusal(err)
			}
			return e.writeProposal(command, s, out)
		},
	}
	f.bind(c.Flags())
	if ch.flags != nil {
		ch.flags(&f, c.Flags())
	}
	bindLife(&f, c)
	c.Flags().StringVar(&out, "out", "", "file of the command (default: named after it)")
	return c
}

func bindLife(f *changeFlags, c *cobra.Command) {
	c.Flags().DurationVar(&f.life, "expires-in", defaultLife, "how long the command can be done, 30 days at most")
}

// withoutKeys makes an example of doing one of proposing.
func withoutKeys(example string) string {
	lines := strings.Split(example, "\n  ")
	for i, line := range lines {
		line, _, _ = strings.Cut(line, " --key ")
		lines[i] = line
	}
	return strings.Join(lines, "\n  trent hsm quorum propose ")
}

// propose makes the command of a change; s is nil at a creation.
func (ch *change) propose(ctx context.Context, f *changeFlags) (s *hsm.DomainState, command []byte, err error) {
	if !ch.first {
		if _, s, err = f.newest(ctx); err != nil {
			return nil, nil, err
		}
	}
	c, err := ch.build(ctx, f, s)
	if err != nil {
		return s, nil, err
	}
	command, err = operator.Propose(s, c, time.Now(), f.life)
	return s, command, err
}

// writeProposal writes an unsigned command, and says what it does.
func (e *environment) writeProposal(command []byte, s *hsm.DomainState, out string) error {
	c, err := operator.ParseCommand(command)
	if err != nil {
		return refusal(err)
	}
	if out == "" {
		out = defaultOut(c.Kind, c.State)
	}
	if err := writeNew(out, command, 0o644); err != nil {
		return err
	}
	if err := printCommand(e.Stdout, out, c, s); err != nil {
		return err
	}
	fmt.Fprintf(e.Stderr, "trent: sign it by 'trent hsm quorum sign %s --key FILE'\n", out)
	return nil
}

func newHSMSignCommand(e *environment) *cobra.Command {
	var f stateFlags
	var k keyFlags
	var yes bool
	c := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a command after reading what it does",
		Long: `Sign says what a command changes in the domain as it is, asks, and adds a signature to the file. The domain is that of an
appliance, a server or a domain token; where it comes from matters little, since a command is signed only for the state that
it names by its hash, and does nothing in any other. Only the holder of the key can know whether the change is wanted: nothing
else stands between a signed command and the domain.`,
		Example: "  trent hsm quorum sign join.command --key alice.key --state /var/lib/trent-hsm\n  trent hsm quorum sign join.command --token newest.token --pkcs11 /usr/lib/softhsm/libsofthsm2.so --pkcs11-label carol",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			_, s, err := f.newestOrNone(c.Context())
			if err != nil {
				return err
			}
			return refusal(e.sign(args[0], s, &k, yes))
		},
	}
	f.bind(c.Flags())
	k.bind(c.Flags())
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func oneFile(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError(fmt.Errorf("%s takes one file, got %d", c.CommandPath(), len(args)), "see '"+c.CommandPath()+" --help'")
	}
	return nil
}

func (e *environment) sign(file string, s *hsm.DomainState, k *keyFlags, yes bool) error {
	command, err := readSmall(file, operator.MaxCommand)
	if err != nil {
		return err
	}
	c, err := operator.ParseCommand(command)
	if err != nil {
		return usageError(&plain{fmt.Errorf("%s: %w", file, err)}, "")
	}
	if s == nil && c.Kind != operator.CreateDomain {
		return usageError(errors.New("what the command changes cannot be said without the domain, and nobody should sign that"),
			"give --state DIR of an appliance, --server DIR of a server, or --token FILE, which whoever proposed it has")
	}
	if err := printCommand(e.Stdout, file, c, s); err != nil {
		return err
	}
	if now := time.Now(); !now.Before(c.Expires) {
		return failure(fmt.Errorf("%s expired at %s", file, c.Expires.UTC().Format(time.RFC3339)), "have it proposed anew")
	}
	if s != nil && c.Kind != operator.CreateDomain {
		if _, err := operator.StatusOf(s, command, time.Now()); err != nil {
			return err
		}
	}
	if !yes && !confirm(e, "Sign this?") {
		return failure(errors.New("nothing was signed"), "type yes, or give --yes")
	}
	keys, closeAll, err := k.open(e)
	defer closeAll()
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return usageError(errors.New("no key to sign with"), "give --key FILE")
	}
	if command, err = signAll(command, keys); err != nil {
		return err
	}
	if err := replaceFile(file, command); err != nil {
		return err
	}
	for _, key := range keys {
		f, err := key.Fingerprint()
		if err != nil {
			return err
		}
		fmt.Fprintf(e.Stdout, "signed by %s\n", f)
	}
	return nil
}

func signAll(command []byte, keys []*operator.Key) ([]byte, error) {
	var err error
	for _, key := range keys {
		if command, err = operator.Sign(command, key.Signer, rand.Reader); err != nil {
			return nil, err
		}
	}
	return command, nil
}

// replaceFile replaces a file as a whole.
func replaceFile(name string, content []byte) error {
	next := name + ".new"
	if err := writeNew(next, content, 0o644); err != nil {
		return err
	}
	if err := os.Rename(next, name); err != nil {
		return failure(err, "")
	}
	return nil
}

// commandJSON is how far a command is, for programs.
type commandJSON struct {
	Command string       `json:"command"`
	Domain  string       `json:"domain"`
	State   uint64       `json:"state"`
	Expires time.Time    `json:"expires"`
	Does    []string     `json:"does"`
	Signers []signerJSON `json:"signers"`
	Ready   bool         `json:"ready"`
	Missing string       `json:"missing,omitempty"`
}

func newHSMQuorumStatusCommand(e *environment) *cobra.Command {
	var f stateFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "status FILE",
		Short: "Say whose signatures a command has, and what is missing",
		Long: `Status verifies the signatures of a command against the domain as it is, and says whether they are a quorum. The exit code is
0 if they are, and 1 if not.`,
		Example: "  trent hsm quorum status join.command --state /var/lib/trent-hsm\n  trent hsm quorum status join.command --token newest.token --json",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			command, err := readSmall(args[0], operator.MaxCommand)
			if err != nil {
				return err
			}
			parsed, err := operator.ParseCommand(command)
			if err != nil {
				return usageError(&plain{fmt.Errorf("%s: %w", args[0], err)}, "")
			}
			var s *hsm.DomainState
			if parsed.Kind != operator.CreateDomain {
				f.orDefault(e)
				if _, s, err = f.newest(c.Context()); err != nil {
					return err
				}
			}
			return e.commandStatus(args[0], command, s, asJSON)
		},
	}
	f.bind(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (e *environment) commandStatus(name string, command []byte, s *hsm.DomainState, asJSON bool) error {
	st, err := operator.StatusOf(s, command, time.Now())
	if err != nil {
		return refusal(err)
	}
	c := st.Command
	if asJSON {
		err = encodeJSON(e.Stdout, commandJSON{c.Kind.String(), fmt.Sprintf("%x", c.Domain), c.State, c.Expires, operator.Describe(s, c),
			signersJSON(st.Signers), st.Ready, st.Missing})
	} else if err = printCommand(e.Stdout, name, c, s); err == nil {
		for _, p := range st.Signers {
			fmt.Fprintf(e.Stdout, "  signed by %s %s\n", p.Role, p.Name)
		}
		verdict := "ready: submit it by 'trent hsm domain submit " + name + "'"
		if !st.Ready {
			verdict = "not ready: " + st.Missing
		}
		_, err = fmt.Fprintln(e.Stdout, verdict)
	}
	if err == nil && !st.Ready {
		return &exitError{Code: exitFailed}
	}
	return err
}

func newHSMMergeCommand(e *environment) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:     "merge FILE FILE…",
		Short:   "Collect the signatures of copies of one command",
		Long:    "Merge writes a command with all signatures that copies of it have, for operators who signed apart.",
		Example: "  trent hsm quorum merge from-alice.command from-bob.command --out join.command",
		Args:    someArguments("files of one command"),
		RunE: func(_ *cobra.Command, args []string) error {
			var files [][]byte
			for _, name := range args {
				b, err := readSmall(name, operator.MaxCommand)
				if err != nil {
					return err
				}
				if _, err := operator.ParseCommand(b); err != nil {
					return usageError(&plain{fmt.Errorf("%s: %w", name, err)}, "")
				}
				files = append(files, b)
			}
			merged, err := operator.Merge(files[0], files[1:]...)
			if err != nil {
				return refusal(err)
			}
			if out == "" {
				return usageError(errors.New("where the command goes is not said"), "give --out FILE")
			}
			if err := writeNew(out, merged, 0o644); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.Stdout, "wrote %s\n", out)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "file of the command (required)")
	return c
}
