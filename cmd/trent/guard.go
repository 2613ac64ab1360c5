package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"trent/loadgen/engine"
	"trent/loadgen/plan"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// guard keeps a run against someone else's service from costing more than was agreed to: it wants caps, turns the cap on money into
// one on requests, says what the run may cost, and asks. The target's caps are what the engines then keep to. Nothing was sent
// before; a target on this machine passes at once. A nil workload is symmetric requests; keys are those that the run makes.
func (f *targetFlags) guard(ctx context.Context, e *environment, t *engine.Target, w *workload.Workload, expected uint64, keys int) error {
	if !engine.Remote(ctx, *t) {
		return nil
	}
	if len(t.UseKeys) > 0 {
		keys = 0
	}
	switch {
	case !f.allowRemote:
		return nil // the engine refuses it, with a better word
	case f.maxCost <= 0:
		return usageError(fmt.Errorf("%s is not on this machine, and no --max-cost is given", t.URL), "say what the run may cost at most, for example --max-cost 2")
	case keys > 0 && t.MaxKeys == 0:
		return usageError(fmt.Errorf("the run would make %d keys, and no --max-keys is given; each bills until it is deleted, at least 7 days", keys),
			fmt.Sprintf("give --max-keys %d, or --use-keys with keys that exist", keys))
	case keys > 0 && keys > t.MaxKeys:
		return usageError(fmt.Errorf("the run would make %d keys, --max-keys allows %d", keys, t.MaxKeys), "give --use-keys with keys that exist, or a smaller workload")
	}
	prices := plan.DefaultPrices()
	estimate := prices.Estimate(w, expected, keys)
	affordable := estimate.Affordable(f.maxCost)
	if affordable == 0 {
		return usageError(fmt.Errorf("%d keys cost %.2f %s until they are deleted, --max-cost is %.2f", keys, estimate.KeyCost, estimate.Currency, f.maxCost), "give --use-keys, or more money")
	}
	if t.MaxRequests == 0 || affordable < t.MaxRequests {
		t.MaxRequests = affordable
	}
	if expected == 0 {
		expected = t.MaxRequests // it ends by itself, nobody knows when
	}
	most := prices.Estimate(w, min(expected, t.MaxRequests), keys)
	fmt.Fprintf(e.Stderr, "Target %s is not on this machine.\nThe run sends about %d requests, never more than %d, and makes %d keys, which bill until they are deleted, 7 days later at the earliest.\n"+
		"Estimated cost: %.2f %s (requests %.2f, keys %.2f) at list prices of %s, never more than %.2f.\n", t.URL, most.Requests, t.MaxRequests, keys, most.Total(), most.Currency, most.RequestCost, most.KeyCost,
		prices.Date, f.maxCost)
	return f.confirm(e)
}

// expectedRequests is what a run sends by its schedule, with what its keys take.
func expectedRequests(times schedule.Schedule, w *workload.Workload) uint64 {
	if times == nil {
		return 0
	}
	return uint64(times.MeanRate()*times.Duration().Seconds()) + uint64(2*w.KeyCount())
}

// confirm asks, or takes --yes for an answer where nobody can be asked.
func (f *targetFlags) confirm(e *environment) error {
	if f.yes {
		return nil
	}
	in, ok := e.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usageError(errors.New("nobody is there to confirm the run"), "give --yes")
	}
	fmt.Fprint(e.Stderr, "Type yes to go on: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return usageError(errors.New("not confirmed, nothing was sent"), "")
	}
	return nil
}
