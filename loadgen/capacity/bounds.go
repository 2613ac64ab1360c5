package capacity

import (
	"fmt"
	"math"

	"trent/loadgen/attack"
	"trent/loadgen/measure"
	"trent/results"
)

// Evidence is the counters of one attempt that tell what was used up. NaN stands for what is not known.
type Evidence struct {
	ServerBusy    float64 // share of the server's CPUs
	ClientBusy    float64 // share of the client's
	Throttled     float64 // share of hits due that the service refused for their number
	EnginesBusy   float64 // share of the HSM's engines for slow operations
	EngineQueue   float64 // calls waiting for one, on average
	WorkersFull   float64 // calls, per answer, that found no free worker of the HSM
	StoreSyncing  float64 // share of the time in which the store's committer wrote
	StoreQueue    float64 // transactions waiting for the committer, on average
	NetworkFilled float64 // share of the bandwidth or delay budget of an emulated network
}

// unknown is evidence of nothing.
func unknown() Evidence {
	nan := math.NaN()
	return Evidence{nan, nan, nan, nan, nan, nan, nan, nan, nan}
}

// evidenceOf gathers the counters of an attempt; nil is evidence of nothing.
func evidenceOf(res *attack.Result, client, server []int) Evidence {
	e := unknown()
	if res == nil {
		return e
	}
	e.ClientBusy = res.Usage.Busy(client)
	if len(server) > 0 {
		e.ServerBusy = res.Usage.Busy(server)
	}
	if all := res.Populations[0]; all.Due() > 0 {
		throttled := uint64(0)
		for _, s := range all.Seconds {
			throttled += s.Throttled
		}
		e.Throttled = float64(throttled) / float64(all.Due())
	}
	mean := func(name string, labels ...string) float64 {
		if v, ok := res.Metrics.Mean(name, labels...); ok {
			return v
		}
		return math.NaN()
	}
	e.EnginesBusy = mean("trent_hsm_engines_busy") / mean("trent_hsm_engines")
	// By Little's law the seconds waited for in each second are the mean number of those who wait.
	// Calls that still wait are in the gauge only.
	e.EngineQueue = greater(mean("trent_hsm_engine_wait_seconds_total"), mean("trent_hsm_engine_queue"))
	if length := res.Populations[0].Length().Seconds(); length > 0 && res.Populations[0].OK() > 0 {
		e.WorkersFull = mean("trent_hsm_parked_total") / (float64(res.Summary.Count(measure.OK)) / res.Report.Elapsed.Seconds())
	}
	e.StoreSyncing, e.StoreQueue = mean("trent_store_sync_seconds_sum"), mean("trent_store_commit_queue")
	e.NetworkFilled = mean("trent_network_busy_ratio")
	return e
}

// greater is the greater of two figures of which either may not be known.
func greater(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// Thresholds from which a counter says that its resource limits.
const (
	busyEngines   = 0.90
	queueLimits   = 1.0  // waiting on average
	parkedLimits  = 0.05 // per answer
	syncingLimits = 0.80 // of the time
	refusedLimits = 0.001
)

// bounds are the candidates, the one that is named where several apply first.
var bounds = []struct {
	name, counter string
	of            func(Evidence) float64
	threshold     float64
	share         bool
	server        bool // what the server itself has or lacks
	change        string
}{
	{results.BoundQuota, "share of hits throttled", func(e Evidence) float64 { return e.Throttled }, refusedLimits, true, false,
		"Ask for a higher quota, or spread the load over accounts and Regions."},
	{results.BoundCPU, "busy share of the server's CPUs", func(e Evidence) float64 { return e.ServerBusy }, busyServer, true, true,
		"Give the server more CPUs, or make requests cheaper."},
	{results.BoundHSM, "calls waiting for an engine", func(e Evidence) float64 { return e.EngineQueue }, queueLimits, false, true,
		"Give the HSM more engines, add HSMs, or use key specs that need none of them."},
	{results.BoundHSM, "busy share of the engines", func(e Evidence) float64 { return e.EnginesBusy }, busyEngines, true, true,
		"Give the HSM more engines, add HSMs, or use key specs that need none of them."},
	{results.BoundWorkers, "calls per answer that found no worker", func(e Evidence) float64 { return e.WorkersFull }, parkedLimits, false, true,
		"Give the HSM more workers."},
	{results.BoundStore, "share of the time spent syncing", func(e Evidence) float64 { return e.StoreSyncing }, syncingLimits, true, true,
		"Use a faster disk, or fewer operations that write."},
	{results.BoundStore, "transactions waiting", func(e Evidence) float64 { return e.StoreQueue }, queueLimits, false, true,
		"Use a faster disk, or fewer operations that write."},
	{results.BoundNetwork, "share of the emulated network used", func(e Evidence) float64 { return e.NetworkFilled }, busyServer, true, true,
		"Choose a faster network profile."},
	{results.BoundClient, "busy share of the client's CPUs", func(e Evidence) float64 { return e.ClientBusy }, busyClient, true, false,
		"Give the client more CPUs or a machine of its own."},
}

// Bounds decides what limits a capacity by the counters at the sustained rate and at a higher one that failed. A client
// whose CPUs are full is named before anything but a quota, since what it would have sent is not known. What shows at
// the higher rate only is named too, but says nothing of the sustained rate, so Server stays false.
func Bounds(at, above Evidence) results.Bound {
	b := results.Bound{Name: results.BoundUnknown, Text: "No counter that is visible from here says that its resource was used up."}
	first, only := -1, false // index of what is named, and whether it shows above only
	clientFull := at.ClientBusy >= busyClient
	for i, c := range bounds {
		here, there := c.of(at), c.of(above)
		row := results.BoundRow{Name: c.name, Counter: c.counter, Sustained: share(here), Above: share(there), Threshold: c.threshold, Share: c.share}
		atRate := here >= c.threshold
		row.Limits = atRate || there >= c.threshold
		if row.Limits && !(clientFull && c.server) && (first < 0 || only && atRate && bounds[first].name != results.BoundQuota) {
			first, only = i, !atRate
		}
		b.Rows = append(b.Rows, row)
	}
	if first < 0 {
		return b
	}
	c := bounds[first]
	b.Name, b.Change, b.Server = c.name, c.change, c.server && !only
	figure := func(v float64) string {
		if c.share {
			return percent(v)
		}
		return fmt.Sprintf("%.3g", v)
	}
	limit := figure(c.threshold)
	if c.share && c.threshold < 0.01 {
		limit = fmt.Sprintf("%g %%", c.threshold*100)
	}
	switch {
	case only:
		b.Text = fmt.Sprintf("At the lowest rate that failed the %s was %s; it limits from %s. No counter says that anything was used up at a rate that was confirmed.", c.counter, figure(c.of(above)), limit)
	default:
		b.Text = fmt.Sprintf("At the sustained rate the %s was %s; it limits from %s.", c.counter, figure(c.of(at)), limit)
	}
	return b
}
