package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trent/fastpath/admin"
	"trent/fastpath/testclock"
)

// openTestClock opens the clock of the data directory, nil where none is wanted. A directory whose clock is ahead
// serves with its clock only: without it, time would go back for its keys.
func openTestClock(s *settings) (*testclock.Clock, error) {
	file := filepath.Join(s.DataDir, testclock.FileName)
	if s.TestClock {
		clock, err := testclock.Open(file)
		if err != nil {
			return nil, failure(err, "")
		}
		return clock, nil
	}
	ahead, err := testclock.Ahead(file)
	if err != nil {
		return nil, failure(err, "")
	}
	if ahead > 0 {
		return nil, failure(fmt.Errorf("the test clock of data directory %s is %s ahead", s.DataDir, testclock.FormatDuration(ahead)),
			"start with --test-clock, or on another --data-dir")
	}
	return nil, nil
}

// clockCommand is what the verbs of `trent clock` have in common.
type clockCommand struct {
	e    *environment
	dir  string
	json bool
}

func newClockCommand(e *environment) *cobra.Command {
	k := &clockCommand{e: e}
	c := &cobra.Command{
		Use:   "clock",
		Short: "Show or move the test clock of a running server",
		Long: `Clock shows the test clock of a server that was started with --test-clock, and moves it forward. It drives
automatic rotation, scheduled deletion, the expiry of imported material and the dates in answers; signatures,
sessions and TLS go by real time. A move returns when everything is done that has fallen due by it, in the
order of time. The clock stays ahead over restarts and is never turned back.`,
		Example: `  trent serve --test-clock
  trent clock
  trent clock advance 90d
  trent clock advance 1d12h --json
  trent clock set 2030-01-01T00:00:00Z`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return k.run(c.Context(), func(ctx context.Context, a *admin.Client) (admin.ClockReading, error) { return a.Clock(ctx) })
		},
	}
	c.PersistentFlags().StringVar(&k.dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.PersistentFlags().BoolVar(&k.json, "json", false, "print JSON")
	c.AddCommand(k.advance(), k.set())
	return c
}

func (k *clockCommand) advance() *cobra.Command {
	c := &cobra.Command{
		Use:               "advance DURATION",
		Short:             "Move the test clock forward by days, hours, minutes and seconds",
		Example:           "  trent clock advance 90d\n  trent clock advance 1d12h30m",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              oneArgument("a time such as 90d, 1d12h, 30m or 45s"),
		RunE: func(c *cobra.Command, args []string) error {
			by, err := testclock.ParseDuration(args[0])
			if err != nil {
				return usageError(err, "see 'trent clock advance --help'")
			}
			return k.run(c.Context(), func(ctx context.Context, a *admin.Client) (admin.ClockReading, error) {
				return a.AdvanceClock(ctx, by)
			})
		},
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && strings.Trim(unknown.GetSpecifiedShortnames(), "0123456789") != unknown.GetSpecifiedShortnames() {
			return usageError(errors.New("the test clock only moves forward"), "see 'trent clock advance --help'")
		}
		return usageError(err, "see '"+c.CommandPath()+" --help'")
	})
	return c
}

func (k *clockCommand) set() *cobra.Command {
	return &cobra.Command{
		Use:               "set TIME",
		Short:             "Move the test clock forward to a time",
		Example:           "  trent clock set 2030-01-01T00:00:00Z",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              oneArgument("a time such as 2030-01-01T00:00:00Z"),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := time.Parse(time.RFC3339, args[0])
			if err != nil {
				return usageError(fmt.Errorf("%q is not a time such as 2030-01-01T00:00:00Z", args[0]), "see 'trent clock set --help'")
			}
			return k.run(c.Context(), func(ctx context.Context, a *admin.Client) (admin.ClockReading, error) {
				return a.AdvanceClockTo(ctx, to)
			})
		},
	}
}

func oneArgument(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError(fmt.Errorf("%s takes one argument, %s", c.CommandPath(), what), "see '"+c.CommandPath()+" --help'")
		}
		return nil
	}
}

// run asks the server and prints what its clock shows then.
func (k *clockCommand) run(ctx context.Context, ask func(context.Context, *admin.Client) (admin.ClockReading, error)) error {
	if _, err := liveServer(ctx, k.dir); err != nil {
		return err
	}
	r, err := ask(ctx, admin.NewClient(k.dir))
	if errors.Is(err, admin.ErrNoTestClock) {
		return failure(err, "start it with 'trent serve --test-clock'")
	}
	if err != nil {
		return failure(err, "")
	}
	now, ahead := r.Now.Format(time.RFC3339), testclock.FormatDuration(r.Ahead)
	if k.json {
		return json.NewEncoder(k.e.Stdout).Encode(struct {
			Now          string `json:"now"`
			Ahead        string `json:"ahead"`
			AheadSeconds int64  `json:"aheadSeconds"`
		}{now, ahead, int64(r.Ahead / time.Second)})
	}
	_, err = fmt.Fprintf(k.e.Stdout, "%s, %s ahead of real time\n", now, ahead)
	return err
}
