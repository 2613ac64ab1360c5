package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

func newWorkloadCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "workload",
		Short: "Show what load tests can send: mixes, and models of what causes calls",
		Long: `A workload is a YAML file with either a mix of operations and their weights, or a list of causes: buckets, queues, tables,
secrets, clusters and tools, each by a model that turns what you know of it into calls. List shows what is built in, show the
inputs of a model or the text of a built-in file (a start for your own), and explain the calls of a file of causes with the
formula of each. In a file of causes:

  name: mine
  day: {peak_to_mean: 1.8, peak_at: "20:00"}   # or {hours: "09:00-17:00"}, or flat; a cause may have its own
  keys:                                        # those that are of another spec than SYMMETRIC_DEFAULT, or several
    - {name: tokens, spec: ECC_NIST_P256, count: 2}
  causes:
    - name: invoices                           # caller, key, service and times (how many such there are) as needed,
      model: s3                                # and the model's inputs
      caller: billing
      key: orders
      gets: 30/s                               # a rate is a number per s, min, h, day, week or month
      puts: 20k/day`,
		Example: `  trent workload list
  trent workload show sqs
  trent workload show web-shop > mine.yaml; trent workload explain mine.yaml
  trent attack --workload mine.yaml --duration 60s`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newWorkloadListCommand(e), newWorkloadShowCommand(e), newWorkloadExplainCommand(e))
	return c
}

// offered is one thing that list shows.
type offered struct {
	Kind  string `json:"kind"` // mix, causes or model
	Name  string `json:"name"`
	Title string `json:"title"`
}

func newWorkloadListCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the built-in mixes, files of causes and models",
		Example: "  trent workload list\n  trent workload list --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			all, err := offers()
			if err != nil {
				return failure(err, "")
			}
			if asJSON {
				return printJSON(e.Stdout, all)
			}
			t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			for i, o := range all {
				if i == 0 || all[i-1].Kind != o.Kind {
					fmt.Fprintln(t, map[string]string{"mix": "Mixes of operations", "causes": "\nFiles of causes", "model": "\nModels of causes"}[o.Kind])
				}
				fmt.Fprintf(t, "  %s\t%s\n", o.Name, o.Title)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func offers() ([]offered, error) {
	var out []offered
	for _, name := range workload.Builtin() {
		w, err := workload.Load(name)
		if err != nil {
			return nil, err
		}
		out = append(out, offered{"mix", name, sentence(w.Description)})
	}
	for _, name := range traffic.Builtin() {
		f, err := traffic.Load(name)
		if err != nil {
			return nil, err
		}
		out = append(out, offered{"causes", name, sentence(f.Description)})
	}
	for _, m := range traffic.Models() {
		out = append(out, offered{"model", m.Name, m.Title})
	}
	return out, nil
}

// sentence is the first sentence of a text, cut where it is longer than a line.
func sentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	if words := []rune(strings.TrimSuffix(first, ".")); len(words) > 100 {
		return string(words[:99]) + "…"
	}
	return strings.TrimSuffix(first, ".")
}

// oneName takes the only argument of show and explain.
func oneName(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError(errors.New("wants one "+what), "'trent workload list' shows names")
		}
		return nil
	}
}

func newWorkloadShowCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show NAME", Short: "Show a model's formula, source and inputs, or the text of a built-in file",
		Example: "  trent workload show s3\n  trent workload show eks-cluster > mine.yaml",
		Args:    oneName("model or workload"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if m, ok := traffic.ModelNamed(name); ok {
				if asJSON {
					return printJSON(e.Stdout, m)
				}
				return showModel(e.Stdout, m)
			}
			read := workload.Read
			if slices.Contains(traffic.Builtin(), name) {
				read = traffic.Read
			}
			text, err := read(name)
			if err != nil {
				return usageError(fmt.Errorf("%q is no model, and no workload either: %w", name, err), "'trent workload list' shows names")
			}
			if asJSON {
				return printJSON(e.Stdout, map[string]string{"name": name, "text": string(text)})
			}
			_, err = e.Stdout.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showModel(out io.Writer, m traffic.Model) error {
	fmt.Fprintf(out, "%s: %s\n\nFormula  %s.\nSource   %s.\nService  %s\n\nInputs\n", m.Name, m.Title, m.Formula, m.Source, m.Service)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, in := range m.Inputs {
		def := in.Default
		if def == "" {
			def = "none"
		}
		kind := string(in.Kind)
		if len(in.Choices) > 0 {
			kind = strings.Join(in.Choices, " or ")
		}
		fmt.Fprintf(t, "  %s\t%s\tdefault %s\t%s\n", in.Name, kind, def, in.Text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, a := range m.Assumptions {
		fmt.Fprintf(out, "\nAssumption on %s: %s.\n", a.About, a.Text)
	}
	_, err := fmt.Fprintf(out, "\nIn a file:\n\n  causes:\n    - name: my %s\n      model: %s\n      caller: who\n      key: which\n", m.Service, m.Name)
	return err
}
