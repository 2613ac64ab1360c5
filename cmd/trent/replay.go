package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/replay"
	"trent/loadgen/slo"
	"trent/results"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	loadFlags
	exportFlags
	replay.LoadOptions
	from, to string
	scan     bool
}

func newReplayCommand(e *environment) *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay PATH [PATH …]",
		Short: "Send the calls of CloudTrail logs to an endpoint",
		Long: `Replay reads CloudTrail logs and sends their calls to the key service again: when they came, which operation, which key
and who called. Paths are files (JSON with Records, or a record a line; gzip or not) or directories, such as a copy of a
trail's bucket with its prefixes. Files are read once, as a stream; events out of order are put right within a window,
later ones are counted and left out. Every key of the log stands for one that is made for the test. Calls that would
change keys for good are not sent; the report lists them.

Times in CloudTrail are whole seconds: calls within one are spread at random, with a seed.

Exit codes: as of 'trent attack'.`,
		Example: `  eval "$(trent env)"; trent replay AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01 --first 10m
  trent replay trail.json.gz --speed 10
  trent replay trail.json.gz --volume 3 --slo slo.yaml       # will we hold at three times the load?
  trent replay logs/ --scan --json                           # who calls what; nothing is sent`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(errors.New("replay wants log files"), "give CloudTrail files or a directory of them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runReplay(c, e, &f, args) },
	}
	f.bindRun(c, engine.Names()[0])
	f.bindMetrics(c)
	f.exportFlags.bind(c)
	flags := c.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "URL of the KMS endpoint (default: AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "of one request, and the longest wait for a connection")
	flags.Float64Var(&f.Speed, "speed", 1, "how much faster than it was; below 1 slower")
	flags.Float64Var(&f.Volume, "volume", 1, "how often each call is sent, at moments of its second drawn anew")
	flags.StringVar(&f.from, "from", "", "leave out what came before this time, such as 2026-03-01T09:00:00Z")
	flags.StringVar(&f.to, "to", "", "leave out what came at this time or later")
	flags.DurationVar(&f.FirstPart, "first", 0, "only the beginning of the log, so long")
	flags.DurationVar(&f.LastPart, "last", 0, "only the end of the log, so long")
	flags.DurationVar(&f.Window, "window", 15*time.Minute, "how far events may lie out of order")
	flags.BoolVar(&f.scan, "scan", false, "only say what the logs hold; send nothing")
	return c
}

// times checks the flags that choose a part of the log.
func (f *replayFlags) times() error {
	for _, t := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", f.from, &f.From}, {"--to", f.to, &f.To}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return usageError(fmt.Errorf("%s %q is no time", t.flag, t.text), "write it as 2026-03-01T09:00:00Z")
		}
		*t.into = at
	}
	parts := 0
	for _, given := range []bool{f.from != "" || f.to != "", f.FirstPart != 0, f.LastPart != 0} {
		if given {
			parts++
		}
	}
	switch {
	case parts > 1:
		return usageError(errors.New("--first, --last and --from with --to choose the same"), "give one of them")
	case f.FirstPart < 0 || f.LastPart < 0 || f.Window <= 0:
		return usageError(errors.New("--first, --last and --window must be above 0"), "")
	case !(f.Speed >= 0.001 && f.Speed <= 1e6) || !(f.Volume > 0 && f.Volume <= 1e4):
		return usageError(fmt.Errorf("--speed %g and --volume %g: expected 0.001 to 1000000 and up to 10000", f.Speed, f.Volume), "")
	}
	return nil
}

func runReplay(c *cobra.Command, e *environment, f *replayFlags, paths []string) error {
	if err := f.times(); err != nil {
		return err
	}
	if err := knownEngine(f.engine); err != nil {
		return err
	}
	limits, err := f.limits(slo.None())
	if err != nil {
		return err
	}
	dir := ""
	if !f.scan {
		var err error
		if dir, err = os.MkdirTemp("", "trent-replay-*"); err != nil {
			return failure(fmt.Errorf("keeping the trace: %w", err), "")
		}
		defer os.RemoveAll(dir)
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	display := attack.NewDisplay(e.Stderr, e.IsTerminal)
	defer display.Close()
	load, err := f.open(ctx, display, paths, dir)
	if err != nil {
		return err
	}
	if f.scan {
		return f.deliver(e, scanned(e, f, load))
	}
	target, err := f.target(e)
	if err != nil {
		return err
	}
	if err := f.guard(ctx, e, &target, load.Workload, load.Result.Calls, load.Workload.KeyCount()); err != nil {
		return err
	}
	metrics, err := f.loadFlags.metricsURL(e, target.URL)
	if err != nil {
		return err
	}
	raw, hdrLog, closeExports, err := f.exportFlags.open()
	if err != nil {
		return err
	}
	exporter, err := f.exporter("replay")
	if err != nil {
		return errors.Join(err, closeExports())
	}
	record, err := attack.Run(ctx, attack.Options{
		Target: target, Workload: load.Workload, Schedule: load.Schedule, Limits: limits, Engine: f.engine,
		Connections: f.connections, Timeout: f.timeout, Seed: f.seed, KeepKeys: f.keepKeys, Tool: "trent " + version, Command: e.Command, Display: display,
		Metrics: metrics, Raw: raw, HdrLog: hdrLog, Exporter: exporter,
	})
	closing := errors.Join(exporter.Close(), closeExports())
	if err != nil {
		return loadError(ctx, err)
	}
	if closing != nil {
		record.Notes = append(record.Notes, "An export is incomplete: "+closing.Error())
	}
	if err := load.Schedule.Err(); err != nil {
		record.Notes = append(record.Notes, "The trace ended early: "+err.Error())
	}
	record.Kind, record.Replay = results.Replay, load.Result
	record.Schedule.Spec = fmt.Sprintf("the log's arrivals ×%g", f.Speed) // the trace's file is gone
	return f.deliver(e, record)
}

// open reads the logs; Ctrl-C ends it between two files.
func (f *replayFlags) open(ctx context.Context, display *attack.Display, paths []string, dir string) (*replay.Load, error) {
	started := time.Now()
	f.Dir, f.Seed = dir, f.seed
	f.Progress = func(done, files int, events uint64) error {
		left := ""
		if done > 0 {
			left = fmt.Sprintf(", %v left", time.Duration(float64(time.Since(started))/float64(done)*float64(files-done)).Round(time.Second))
		}
		display.Progress("reading logs: %d of %d files, %d events%s", done, files, events, left)
		return ctx.Err()
	}
	load, err := replay.Open(paths, f.LoadOptions)
	var bad *replay.FileError
	switch {
	case err == nil:
		return load, nil
	case ctx.Err() != nil:
		return nil, &exitError{Code: exitInterrupted, Err: errors.New("interrupted while the logs were read")}
	case errors.As(err, &bad):
		return nil, usageError(err, "files must be CloudTrail's: an object with a list Records, or a record a line; gzip or not")
	case errors.Is(err, replay.ErrTooLong):
		return nil, usageError(err, "choose a part by --first, --last or --from and --to")
	case errors.Is(err, replay.ErrNoFiles), errors.Is(err, replay.ErrNothing), errors.Is(err, os.ErrNotExist):
		return nil, usageError(err, "give CloudTrail files, or the directory that they lie in, with calls to kms.amazonaws.com")
	}
	return nil, failure(err, "")
}

// scanned is the record of a log that was only read.
func scanned(e *environment, f *replayFlags, load *replay.Load) *results.Record {
	return &results.Record{Schema: results.Schema, Kind: results.Replay, Tool: "trent " + version, Command: e.Command, Started: time.Now().UTC(), Seed: f.seed,
		Environment: environmentNow(), Workload: results.Text{Name: "replay"}, Replay: load.Result, Outcome: slo.Pass.String()}
}
