package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/operator"
)

func newHSMDomainCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "domain",
		Short: "Create and change a domain of appliances",
		Long: `Appliances of one domain share its keys, and do what their operators command. Each verb that changes a domain proposes a
command, signs it with the keys of --key, and, if these are enough, has the appliance of the first --state do it and all of
--state install what comes of it. If they are not, it leaves the command in a file for others to sign. Where servers use the
appliances, command them through one, by --server: a server that is not told goes on with an older state ('trent hsm domain
restore --server' brings it the newer one).`,
		Example: `  trent hsm domain create --state /var/lib/trent-hsm --name main --operator alice.pub --host host-1.pub --key alice.key
  trent hsm domain show --state /var/lib/trent-hsm
  trent hsm domain join --state /var/lib/trent-hsm --state /var/lib/trent-hsm-2 --key alice.key
  trent hsm domain backup --state /var/lib/trent-hsm --out domain.token`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDomainShowCommand(e), newDomainIdentityCommand(e))
	for _, ch := range append(changes(), recovery(), restoreKeys()) {
		c.AddCommand(newChange(e, ch))
	}
	c.AddCommand(newSubmitCommand(e), newBackupCommand(e), newRestoreCommand(e))
	return c
}

// submission is what becomes of a command and its successor's token.
type submission struct {
	e        *environment
	states   []string
	server   serverFlag
	tokenOut string
}

func (s *submission) bind(c *cobra.Command) {
	c.Flags().StringVar(&s.tokenOut, "token-out", "", "also write the new domain token to this file")
}

func newChange(e *environment, ch change) *cobra.Command {
	var f changeFlags
	var k keyFlags
	var out string
	var asJSON bool
	sub := submission{e: e}
	c := &cobra.Command{
		Use: ch.name, Short: ch.short, Long: ch.long, Example: "  trent hsm domain " + joinExamples(ch.example),
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if ch.name == "rotate" && f.server.server != "" && len(k.files) == 0 && k.library == "" {
				return f.server.rotateByServer(c.Context(), e)
			}
			f.orDefault(e)
			s, command, err := ch.propose(c.Context(), &f)
			if errors.Is(err, errShow) {
				return e.show(s, asJSON)
			}
			if err != nil {
				return refusal(err)
			}
			sub.states, sub.server = f.states, f.server
			return refusal(sub.signAndSubmit(c.Context(), s, command, &k, out, cmp.Or(f.backup, f.token)))
		},
	}
	f.bind(c.Flags())
	if ch.flags != nil {
		ch.flags(&f, c.Flags())
	}
	k.bind(c.Flags())
	bindLife(&f, c)
	sub.bind(c)
	c.Flags().StringVar(&out, "out", "", "file of the command where more signatures are needed (default: named after it)")
	if ch.name == "operators" || ch.name == "hosts" || ch.name == "rules" {
		c.Flags().BoolVar(&asJSON, "json", false, "print the domain as JSON, where nothing changes")
	}
	return c
}

// signAndSubmit has a command done if the keys suffice, or leaves it in a file.
func (s *submission) signAndSubmit(ctx context.Context, state *hsm.DomainState, command []byte, k *keyFlags, out, tokenFile string) error {
	keys, closeAll, err := k.open(s.e)
	defer closeAll()
	if err != nil {
		return err
	}
	if command, err = signAll(command, keys); err != nil {
		return err
	}
	st, err := operator.StatusOf(state, command, time.Now())
	if err != nil {
		return err
	}
	if !st.Ready {
		if out == "" {
			out = defaultOut(st.Command.Kind, st.Command.State)
		}
		if err := writeNew(out, command, 0o644); err != nil {
			return err
		}
		if err := printCommand(s.e.Stdout, out, st.Command, state); err != nil {
			return err
		}
		return failure(fmt.Errorf("nothing is done yet: %s", st.Missing), "have others sign "+out+" by 'trent hsm quorum sign', then 'trent hsm domain submit "+out+"'")
	}
	if err := printCommand(s.e.Stdout, "command", st.Command, state); err != nil {
		return err
	}
	return s.submit(ctx, command, st.Command.Kind, tokenFile)
}

// submit has the first appliance do a command, and all install the successor.
func (s *submission) submit(ctx context.Context, command []byte, kind operator.CommandKind, tokenFile string) error {
	if s.server.server != "" {
		return s.relayed(ctx, command, kind)
	}
	if len(s.states) == 0 {
		return usageError(errors.New("which module is to do it is not said"), "give --state DIR of an appliance that runs here, or --server DIR of a server")
	}
	if kind == operator.RecoverDomain || kind == operator.RestoreKeys {
		with, _, err := readTokenFile(tokenFile)
		if err != nil {
			return err
		}
		command = hsm.WithDomainToken(command, with)
	}
	token, err := appliance.NewConsole(s.states[0]).Execute(ctx, command)
	if err != nil {
		return noConsole(refusal(err), s.states[0])
	}
	if s.tokenOut != "" {
		if err := writeNew(s.tokenOut, token, 0o600); err != nil {
			return err
		}
	}
	if kind == operator.LeaveDomain {
		fmt.Fprintf(s.e.Stdout, "the module on %s has erased itself; remove it from the domain as well\n", s.states[0])
		s.states = s.states[1:]
	}
	return s.install(ctx, token)
}

// install brings a token to all appliances, and keeps it where one does not take it.
func (s *submission) install(ctx context.Context, token []byte) error {
	state, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return failure(fmt.Errorf("reading the new domain token: %w", err), "")
	}
	var failed []error
	installed := 0
	defer s.completeLogs(ctx)
	for _, dir := range s.states {
		c := appliance.NewConsole(dir)
		id, err := c.Identity(ctx)
		if err == nil && !slices.ContainsFunc(state.Members, func(m hsm.DomainHSM) bool { return string(m.Signing) == string(id.HSM.Signing) }) {
			fmt.Fprintf(s.e.Stdout, "%s is no member any more: zeroize it, or have it leave\n", id.HSM.Name)
			continue
		}
		if err == nil {
			err = c.Install(ctx, token)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", dir, err))
			continue
		}
		installed++
		fmt.Fprintf(s.e.Stdout, "%s holds state %d of domain %s\n", id.HSM.Name, state.Number, state.Name)
	}
	if missing := len(state.Members) - installed; missing > 0 && len(failed) == 0 {
		fmt.Fprintf(s.e.Stderr, "trent: %d other members get the new state from a host, or by 'trent hsm domain restore'\n", missing)
	}
	if len(failed) == 0 {
		return nil
	}
	kept := fmt.Sprintf("%s-%d.token", state.Name, state.Number)
	if err := writeNew(kept, token, 0o600); err != nil {
		return errors.Join(append(failed, err)...)
	}
	return failure(fmt.Errorf("the command is done, and its domain token is not installed everywhere: %w", errors.Join(failed...)),
		"the token is in "+kept+": bring it by 'trent hsm domain restore "+kept+" --state DIR'")
}

// completeLogs brings to each appliance what the others have of the audit log and it lacks: it joined later, or was away.
// What does not work out shows when a log is verified.
func (s *submission) completeLogs(ctx context.Context) {
	if len(s.states) < 2 {
		return
	}
	var whole []byte
	logs := make([][]byte, len(s.states))
	for i, dir := range s.states {
		b, err := appliance.NewConsole(dir).Audit(ctx)
		if err != nil {
			continue
		}
		logs[i] = b
		if len(b) > len(whole) {
			whole = b
		}
	}
	for i, dir := range s.states {
		if logs[i] != nil && len(logs[i]) < len(whole) {
			_, _ = appliance.NewConsole(dir).CompleteAudit(ctx, whole)
		}
	}
}

func newSubmitCommand(e *environment) *cobra.Command {
	var f stateFlags
	sub := submission{e: e}
	c := &cobra.Command{
		Use:   "submit FILE",
		Short: "Have a module do a signed command",
		Long: `Submit has the appliance of the first --state do a command that enough have signed, and all of --state install what comes of
it. A recovery takes the newest domain token as well, by --token, and restore-keys the backup's.

Submit the commands of a domain to one appliance, or through one server: two appliances that do different commands for one
state at a time fork the domain, and members of one branch refuse the other.`,
		Example: "  trent hsm domain submit join.command --state member --state new\n  trent hsm domain submit recover.command --state fresh --token newest.token",
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
			if len(f.states) == 0 && f.server.server == "" {
				f.states = []string{defaultStateDir(e.Getenv)}
			}
			sub.states, sub.server = f.states, f.server
			return refusal(sub.submit(c.Context(), command, parsed.Kind, f.token))
		},
	}
	f.bind(c.Flags())
	sub.bind(c)
	return c
}

func joinExamples(example string) string {
	return strings.ReplaceAll(example, "\n  ", "\n  trent hsm domain ")
}
