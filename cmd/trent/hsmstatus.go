package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/confine"
)

func newHSMStatusCommand(e *environment) *cobra.Command {
	a := defaultAppliance(e.Getenv)
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show a running appliance",
		Long:    "Status shows who an appliance is, which state of which domain it holds, and how its process is confined.",
		Example: "  trent hsm status\n  trent hsm status --state /var/lib/trent-hsm --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := appliance.NewConsole(a.State).Status(c.Context())
			if err != nil {
				return noConsole(err, a.State)
			}
			return printStatus(e.Stdout, &st, a.JSON)
		},
	}
	a.bindState(c.Flags())
	c.Flags().BoolVar(&a.JSON, "json", false, "print JSON")
	return c
}

// noConsole says what to do where an appliance does not answer.
func noConsole(err error, state string) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return failure(fmt.Errorf("no appliance runs on %s: %w", state, err), "start it by 'trent hsm serve --state "+state+"', or give another --state")
	}
	return failure(err, "")
}

func newHSMZeroizeCommand(e *environment) *cobra.Command {
	a := defaultAppliance(e.Getenv)
	var yes bool
	c := &cobra.Command{
		Use:   "zeroize",
		Short: "Erase an appliance for good",
		Long: `Zeroize wipes all keys of an appliance, in memory and on disk, its identity among them; a running one ends. What its
domain keeps lives on in the other members; the last member's keys come back only by the operators' shares and the newest
domain token. Operators should remove it from the domain as well.`,
		Example: "  trent hsm zeroize --state /var/lib/trent-hsm\n  trent hsm zeroize --state /var/lib/trent-hsm --yes",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return zeroize(c.Context(), e, &a, yes) },
	}
	a.bindState(c.Flags())
	a.bindSeal(c.Flags())
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// zeroize erases the appliance that runs on a state directory, or the one that lies there.
func zeroize(ctx context.Context, e *environment, a *applianceSettings, yes bool) error {
	console := appliance.NewConsole(a.State)
	st, err := console.Status(ctx)
	running := err == nil
	name := st.Identity.Name
	if !running {
		if name, err = hsm.MemberName(a.State); errors.Is(err, os.ErrNotExist) {
			return failure(fmt.Errorf("state directory %s has no identity to erase", a.State), "give another --state")
		} else if err != nil {
			return failure(err, "")
		}
	}
	if !yes && !confirmed(e, name) {
		return failure(errors.New("nothing was erased"), "type the name of the appliance, or give --yes")
	}
	if running {
		if err := console.Zeroize(ctx, st.Fingerprint); err != nil {
			return failure(err, "")
		}
	} else if err := a.eraseStopped(e); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "%s is erased\n", name)
	return err
}

// eraseStopped erases an appliance that does not run.
func (a *applianceSettings) eraseStopped(e *environment) error {
	keyFile, _, err := a.prepare()
	if err != nil {
		return err
	}
	if _, err := confine.Drop(confine.Options{User: a.User}); err != nil {
		return failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	m, err := a.openMember(e, keyFile)
	if err != nil {
		return err
	}
	if err := errors.Join(m.Zeroize(), m.Close()); err != nil {
		return failure(err, "")
	}
	return nil
}

// confirmed asks for the name of what is to be erased.
func confirmed(e *environment, name string) bool {
	fmt.Fprintf(e.Stderr, "This erases the appliance %s for good. Type its name to go on: ", name)
	line, err := bufio.NewReader(io.LimitReader(e.Stdin, maxPassphraseBytes)).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(line) == name
}

// printIdentity is what init says.
func printIdentity(w io.Writer, id *hsm.MemberIdentity, keyFile string, a *applianceSettings) error {
	f := sha256.Sum256(id.HSM.Signing)
	fingerprint := hex.EncodeToString(f[:])
	if a.JSON {
		return encodeJSON(w, map[string]any{"name": id.HSM.Name, "fingerprint": fingerprint, "signing": id.HSM.Signing,
			"agreement": id.HSM.Agreement, "kem": id.HSM.KEM, "state": a.State, "seal_key": keyFile})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "name\t%s\nfingerprint\t%s\nstate\t%s\n", id.HSM.Name, fingerprint, a.State)
	if keyFile != "" {
		fmt.Fprintf(t, "seal key\t%s  (whoever has it and the state directory has the identity)\n", keyFile)
	}
	fmt.Fprintf(t, "next\ttrent hsm serve --state %s\n", a.State)
	return t.Flush()
}

func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// announce prints the summary of the start.
func (a *applianceSettings) announce(ctx context.Context, w io.Writer, s *appliance.Server) error {
	st, err := s.Status(ctx)
	if err != nil {
		return failure(err, "")
	}
	return printStatus(w, &st, a.JSON)
}

// printStatus is for people, or with json for programs.
func printStatus(w io.Writer, st *appliance.Status, asJSON bool) error {
	if asJSON {
		return encodeJSON(w, st)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("appliance", "%s, %s", st.Identity.Name, st.Fingerprint)
	row("service", "%s", serviceNote(&st.Identity))
	row("hosts", "%s", st.Hosts)
	row("console", "%s", st.Console)
	m := &st.Module
	row("key memory", "%s, %d KiB%s", m.ArenaKind, m.ArenaBytes>>10, because(m.ArenaWhy))
	row("kernels", "%s  (found: %s)", m.Kernel, strings.Join(m.Kernels, ", "))
	row("workers", "%d", m.Workers)
	row("runtime/secret", "%s", yesNo(m.RuntimeSecret, "in this build", "not in this build"))
	if p := st.Process; p != nil {
		printConfinement(row, p)
	}
	return t.Flush()
}

func serviceNote(id *appliance.Identity) string {
	switch {
	case id.InService:
		return fmt.Sprintf("in domain %s, state %d", id.Domain, id.Number)
	case strings.Trim(id.Domain, "0") == "":
		return "out of service: in no domain yet ('trent hsm domain create' or 'join')"
	}
	return fmt.Sprintf("out of service until a host brings the newest token of domain %s (last state %d)", id.Domain, id.Number)
}

// printConfinement says what is in force, and why something is not.
func printConfinement(row func(string, string, ...any), p *confine.Report) {
	row("Go heap", "%s", yesNo(p.HeapLocked, "locked", "not locked, may be swapped"+because(p.HeapWhy)))
	row("dumpable", "%s; core files of %d bytes", yesNo(p.Dumpable, "yes: others of this user can read its memory", "no"), p.CoreBytes)
	groups := ""
	if len(p.Groups) > 0 {
		groups = fmt.Sprintf(", groups %v", p.Groups)
	}
	capabilities := "none"
	if len(p.Capabilities) > 0 {
		capabilities = strings.Join(p.Capabilities, ", ")
	}
	if p.User == 0 {
		groups += " (--user gives it a user of its own)"
	}
	row("privileges", "uid %d%s; capabilities: %s%s; new ones: %s", p.User, groups, capabilities, because(p.CapsWhy), yesNo(p.NoNewPrivs, "never", "possible"))
	row("system calls", "%s", yesNo(p.Seccomp, "filtered by seccomp on all threads", "not filtered"+because(p.SeccompWhy)))
	if p.Landlock > 0 {
		row("files, network", "confined by Landlock, ABI %d", p.Landlock)
	} else {
		row("files, network", "not confined%s", because(p.LandlockWhy))
	}
	row("kernel", "%s", p.Kernel)
}
