package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"trent/loadgen/plan"
	"trent/loadgen/replay"
	"trent/loadgen/workload"
	"trent/results"
)

// logged plans for the calls of CloudTrail logs, at their own times.
func (f *planFlags) logged(q *plan.Request) (*workload.Workload, error) {
	if f.rate != 0 || f.schedule != "" {
		return nil, usageError(errors.New("a log has rates of its own"), "leave out --rate and --schedule; --scale multiplies all")
	}
	dir, err := os.MkdirTemp("", "trent-plan-*")
	if err != nil {
		return nil, failure(fmt.Errorf("keeping the log's calls: %w", err), "")
	}
	defer os.RemoveAll(dir)
	load, err := replay.Open(f.logs, replay.LoadOptions{Seed: f.seed, Dir: dir})
	if err != nil {
		return nil, usageError(err, "give CloudTrail files or a directory of them, of 30 days at the most")
	}
	arrivals, err := load.Arrivals()
	if err != nil {
		return nil, failure(err, "")
	}
	source := "the calls of " + strings.Join(f.logs, ", ")
	q.Options.Demand, err = plan.FromArrivals(source, load.Flows, arrivals, true)
	if err = errors.Join(err, arrivals.Close()); err != nil {
		return nil, usageError(err, "plan for a part of the log: copy the files of fewer days into a directory")
	}
	q.Workload = results.Text{Name: "replay", Summary: source}
	return load.Workload, nil
}
