package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/operator"
)

func newDomainShowCommand(e *environment) *cobra.Command {
	var f stateFlags
	var asJSON bool
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show a domain: members, signers, rules and keys",
		Long:    "Show says what the newest state of a domain is, of an appliance that runs here or of a file with a domain token.",
		Example: "  trent hsm domain show\n  trent hsm domain show --state /var/lib/trent-hsm --json\n  trent hsm domain show --token domain.token",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			f.orDefault(e)
			_, s, err := f.newest(c.Context())
			if err != nil {
				return err
			}
			return e.show(s, asJSON)
		},
	}
	f.bind(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (e *environment) show(s *hsm.DomainState, asJSON bool) error {
	if asJSON {
		return encodeJSON(e.Stdout, newDomainJSON(s))
	}
	return printDomain(e.Stdout, s)
}

func newDomainIdentityCommand(e *environment) *cobra.Command {
	var f stateFlags
	var out string
	c := &cobra.Command{
		Use:     "identity",
		Short:   "Write what a module is known by, for a domain elsewhere",
		Long:    "Identity writes the public file of an appliance that runs here: a domain that it is to join, or that it is to recover, needs it.",
		Example: "  trent hsm domain identity --state /var/lib/trent-hsm --out hsm-2.json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			f.orDefault(e)
			if len(f.states) != 1 {
				return usageError(errors.New("one appliance is meant"), "give one --state DIR")
			}
			id, err := appliance.NewConsole(f.states[0]).Identity(c.Context())
			if err != nil {
				return noConsole(err, f.states[0])
			}
			b, err := operator.EncodeModule(id.HSM)
			if err != nil {
				return failure(err, "")
			}
			if out != "" {
				return writeNew(out, b, 0o644)
			}
			_, err = e.Stdout.Write(b)
			return err
		},
	}
	f.bind(c.Flags())
	c.Flags().StringVar(&out, "out", "", "file (default: standard output)")
	return c
}

func newBackupCommand(e *environment) *cobra.Command {
	var f stateFlags
	var out string
	c := &cobra.Command{
		Use:   "backup",
		Short: "Write the newest domain token to a file",
		Long: `Backup writes the domain token that an appliance holds. Keep it with the data that the domain's keys protect: with it and the
operators' shares the domain comes back when all modules are lost. It reveals the members, not the keys.`,
		Example: "  trent hsm domain backup --state /var/lib/trent-hsm --out domain.token",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			f.orDefault(e)
			token, s, err := f.newest(c.Context())
			if err != nil {
				return err
			}
			if out == "" {
				out = fmt.Sprintf("%s-%d.token", s.Name, s.Number)
			}
			if err := writeNew(out, token, 0o600); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.Stdout, "state %d of domain %s is in %s\n", s.Number, s.Name, out)
			return err
		},
	}
	f.bind(c.Flags())
	c.Flags().StringVar(&out, "out", "", "file (default: named after domain and state)")
	return c
}

func newRestoreCommand(e *environment) *cobra.Command {
	sub := submission{e: e}
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring a domain token to appliances",
		Long: `Restore has appliances install a domain token from a file, as a host does when they start. Each must be a member. An appliance
that has seen a newer state refuses. A server, of --server, takes a token whose state one of its HSMs holds: when operators
commanded them without it.`,
		Example: "  trent hsm domain restore domain.token --state /var/lib/trent-hsm\n  trent hsm domain restore newest.token --server /var/lib/trent",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			token, _, err := readTokenFile(args[0])
			if err != nil {
				return err
			}
			if len(sub.states) == 0 && sub.server.server == "" {
				sub.states = []string{defaultStateDir(e.Getenv)}
			}
			for _, dir := range sub.states {
				if err := appliance.NewConsole(dir).Install(c.Context(), token); err != nil {
					return restoreRefused(err, dir)
				}
				if _, err := fmt.Fprintf(e.Stdout, "%s is in service\n", dir); err != nil {
					return err
				}
			}
			if sub.server.server != "" {
				return sub.server.catchUp(c.Context(), e, token)
			}
			return nil
		},
	}
	c.Flags().StringVar(&sub.server.server, "server", "", "data directory of a server that runs here on appliances")
	c.Flags().StringArrayVar(&sub.states, "state", nil, "state directory of an appliance that runs here; may be repeated")
	return c
}

// restoreRefused says what to do where an appliance does not take a token.
func restoreRefused(err error, dir string) error {
	shown := &plain{fmt.Errorf("%s: %w", dir, err)}
	switch {
	case errors.Is(err, hsm.ErrStale):
		return failure(shown, "bring the newest domain token: servers keep three copies, and 'trent hsm domain backup' gets it from another member")
	case errors.Is(err, hsm.ErrDomain):
		return failure(shown, "'trent hsm domain show --token FILE' says whose token it is; a module that it does not list joins by 'trent hsm domain join'")
	}
	return noConsole(shown, dir)
}

// recovery is the change that brings back a domain whose modules are all lost.
func recovery() change {
	return change{name: "recover", short: "Bring back a domain whose modules are all lost",
		long: `Recover makes a fresh appliance, of --state, the only member of a domain of which all modules are lost. It takes the newest
domain token, as many operators' shares as the domain asks for, each handed over to that appliance by 'trent hsm quorum
share', and the signatures of a quorum. The domain keys rotate, and the recovery key and its shares are made anew.`,
		example: "recover --state fresh --token newest.token --share alice.share --share bob.share --key alice.key --key bob.key",
		flags: func(f *changeFlags, fs *pflag.FlagSet) {
			fs.StringArrayVar(&f.shares, "share", nil, "file with an operator's share for this appliance; may be repeated (required)")
			fs.IntVar(&f.threshold, "shares", 0, "operators whose shares recover the domain the next time (default: as many as now)")
		}, build: buildRecover}
}

func buildRecover(ctx context.Context, f *changeFlags, s *hsm.DomainState) (c operator.Command, err error) {
	if f.token == "" {
		return c, usageError(errors.New("a recovery needs the newest domain token"), "give --token FILE: hosts keep three copies of it")
	}
	if len(f.shares) < int(s.Recovery.Threshold) {
		return c, usageError(fmt.Errorf("%d shares, and domain %s takes %d", len(f.shares), s.Name, s.Recovery.Threshold), "operators hand them over by 'trent hsm quorum share'")
	}
	m, err := f.target(ctx)
	if err != nil {
		return c, err
	}
	c = operator.Command{Kind: operator.RecoverDomain, Members: []hsm.DomainHSM{m}, Target: operator.FingerprintOf(m.Signing), Threshold: s.Recovery.Threshold}
	if f.threshold > 0 {
		c.Threshold = uint8(min(f.threshold, 255))
	}
	shares, err := sharesOf(f.shares)
	if err != nil {
		return c, err
	}
	if c.Shares, err = operator.Sealed(shares, c.Target); err != nil {
		return c, usageError(err, "have it handed over anew by 'trent hsm quorum share'")
	}
	return c, nil
}

func newHSMShareCommand(e *environment) *cobra.Command {
	var k keyFlags
	var token, module, out string
	c := &cobra.Command{
		Use:   "share",
		Short: "Hand over an operator's share to a module that is to recover the domain",
		Long: `Share takes the operator's share of the recovery key out of the newest domain token, and encrypts it to a fresh appliance: only
that can read it. Do this when all modules of the domain are lost, and after making sure, by its fingerprint, that the
appliance is the one that is meant: a quorum's shares and the domain token are all of the domain's keys.`,
		Example: "  trent hsm quorum share --token newest.token --module fresh.json --key alice.key --out alice.share",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			return refusal(e.handOver(&k, token, module, out))
		},
	}
	c.Flags().StringVar(&token, "token", "", "file with the newest domain token (required)")
	c.Flags().StringVar(&module, "module", "", "file of the appliance, by 'trent hsm domain identity' (required)")
	c.Flags().StringVar(&out, "out", "", "file of the share (required)")
	c.Flags().StringArrayVar(&k.files, "key", nil, "the operator's key file (required)")
	c.Flags().IntVar(&k.fd, "passphrase-fd", -1, "read its passphrase from this file descriptor (default: ask on the terminal)")
	return c
}

func (e *environment) handOver(k *keyFlags, tokenFile, moduleFile, out string) error {
	if tokenFile == "" || moduleFile == "" || out == "" || len(k.files) != 1 {
		return usageError(errors.New("a share needs the domain token, the module, the operator's key and a file to go to"), "give --token, --module, --key and --out")
	}
	token, s, err := readTokenFile(tokenFile)
	if err != nil {
		return err
	}
	b, err := readSmall(moduleFile, maxTokenFile)
	if err != nil {
		return err
	}
	m, err := operator.ParseModule(b)
	if err != nil {
		return usageError(fmt.Errorf("%s: %w", moduleFile, err), "'trent hsm domain identity --state DIR' writes one")
	}
	keys, closeAll, err := k.open(e)
	defer closeAll()
	if err != nil {
		return err
	}
	share, err := operator.HandOver(token, keys[0], m, rand.Reader)
	if err != nil {
		return failure(err, "shares are in the tokens of states that list the operator: the newest one counts")
	}
	if err := writeNew(out, share.Encode(), 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "share of domain %s, state %d, for module %s %s is in %s\n", s.Name, s.Number, m.Name, share.Target, out)
	return err
}
