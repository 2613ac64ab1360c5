package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/hsm"
)

// relayedModule is the argument of the relay's commands for one module.
type relayedModule struct {
	Module string `json:"module"`
}

// command does what is asked of the fleet; known says whether it was that.
func (r *hsmRelay) command(ctx context.Context, name string, body []byte) (answer any, known bool, err error) {
	var m relayedModule
	switch name {
	case "hsm-modules":
		return r.fleet.Modules(ctx), true, nil
	case "hsm-drain", "hsm-restore", "hsm-restart":
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, true, &refusedCommand{fmt.Errorf("reading the command: %w", err)}
		}
	default:
		return nil, false, nil
	}
	switch name {
	case "hsm-drain":
		err = r.fleet.Drain(ctx, m.Module)
	case "hsm-restore":
		err = r.fleet.Restore(ctx, m.Module)
	default:
		if r.restart == nil {
			return nil, true, &refusedCommand{errors.New("these HSMs were not started by the server: stop each with SIGTERM and start it again, and the server will follow")}
		}
		err = r.fleet.Roll(ctx, r.restart)
	}
	if err != nil && ctx.Err() == nil {
		err = &refusedCommand{err}
	}
	return r.fleet.Modules(context.WithoutCancel(ctx)), true, err
}

// ask gives a command for modules to the server and prints what it says of them.
func (f *serverFlag) askModules(c *cobra.Command, e *environment, command, module string, asJSON bool) error {
	if f.server == "" {
		return usageError(errors.New("which server?"), "give its data directory by --server")
	}
	var modules []hsm.ModuleStatus
	if err := f.ask(c.Context(), command, relayedModule{module}, &modules); err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(e.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(modules)
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HSM\tSTATE\tIN FLIGHT\tCALLS\tFAILED\tDOMAIN STATE")
	for i := range modules {
		m := &modules[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n", m.Name, moduleState(m), m.InFlight, m.Calls, m.Failed, m.Status.DomainNumber)
	}
	return w.Flush()
}

// moduleState says in a word or more how a module is.
func moduleState(m *hsm.ModuleStatus) string {
	switch {
	case m.Drained:
		return "drained"
	case m.Serving:
		return "in service"
	case m.Why != "":
		return "out: " + m.Why
	}
	return "out"
}

// newModulesVerb is a verb for the HSMs of a running server.
func newModulesVerb(e *environment, command, use, short, long, example string, named bool) *cobra.Command {
	var f serverFlag
	var asJSON bool
	args := cobra.NoArgs
	if named {
		args = cobra.ExactArgs(1)
	}
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			module := ""
			if named {
				module = args[0]
			}
			return f.askModules(c, e, command, module, asJSON)
		},
	}
	c.Flags().StringVar(&f.server, "server", "", "data directory of the server, which runs here on appliances")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newHSMModulesCommand(e *environment) *cobra.Command {
	return newModulesVerb(e, "hsm-modules", "modules", "Show the HSMs of a running server",
		"Modules lists the appliances that a server spreads its calls over: which are in service, and how many calls each has had.",
		"  trent hsm modules --server ~/.local/share/trent\n  trent hsm modules --server /var/lib/trent --json", false)
}

func newHSMDrainCommand(e *environment) *cobra.Command {
	return newModulesVerb(e, "hsm-drain", "drain MODULE", "Take an HSM of a running server out of service",
		"Drain keeps new calls away from an appliance and returns once those in flight are done. Other appliances take over its keys.",
		"  trent hsm drain hsm-2 --server ~/.local/share/trent\n  trent hsm restore hsm-2 --server ~/.local/share/trent", true)
}

func newHSMRestoreCommand(e *environment) *cobra.Command {
	return newModulesVerb(e, "hsm-restore", "restore MODULE", "Bring a drained HSM back into service",
		"Restore ends a drain, once the appliance answers.",
		"  trent hsm restore hsm-2 --server ~/.local/share/trent", true)
}

func newHSMRestartCommand(e *environment) *cobra.Command {
	return newModulesVerb(e, "hsm-restart", "restart", "Restart the HSMs of a running server, one after the other",
		`Restart drains each appliance in turn, restarts it, and brings it back before the next: no request fails. It is for servers that
started their appliances themselves (trent serve --hsm spawn:N); with a single one, its calls wait for the moment.`,
		"  trent hsm restart --server ~/.local/share/trent", false)
}
