package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
	"trent/results/stats"
)

// manyKeys is how many keys the server's cost is measured over, against one.
const manyKeys = 100_000

// Keys measures what 100,000 keys cost: CPU a request against one key, memory a cached key, start-up.
func Keys(ctx context.Context, r *Report, binary, dir string, pairs int) error {
	cpus := machine.Host{}.UsableCPUs()
	dir = filepath.Join(dir, "keys")
	if err := mkdir(dir); err != nil {
		return err
	}
	many, err := mixOf("GenerateDataKey", symmetricDefault, manyKeys)
	if err != nil {
		return err
	}
	one, err := mixOf("GenerateDataKey", symmetricDefault, 1)
	if err != nil {
		return err
	}
	trent, err := startTrent(ctx, binary, dir, cpus)
	if err != nil {
		return err
	}
	defer func() { trent.stop() }()
	r.logf("making %d keys", manyKeys)
	begun := time.Now()
	manyMade, err := engine.Provision(ctx, trent.target, many, engine.ProvisionOptions{Concurrency: 64, Keep: true})
	if err != nil {
		return err
	}
	r.add(Figure{Name: "CreateKey, durable, 64 at a time", Unit: "/s", Value: manyKeys / time.Since(begun).Seconds(), Verdict: Noted})
	oneMade, err := engine.Provision(ctx, trent.target, one, engine.ProvisionOptions{Keep: true})
	if err != nil {
		return err
	}
	trent.stop()

	server, client := cpus[:1], cpus[len(cpus)-1:]
	if trent, err = startTrent(ctx, binary, dir, server); err != nil {
		return err
	}
	r.add(single(fmt.Sprintf("start-up with %d keys", manyKeys), "s", trent.startup.Seconds(), 1, true, "process start to accepting"))
	restore, err := machine.PinSelf(client)
	if err != nil {
		return err
	}
	defer func() { _ = restore() }()
	oneSubject := *trent
	oneSubject.name = "one key"
	if err := cacheMemory(ctx, r, trent, many, manyMade); err != nil {
		return err
	}
	const rate = 15_000
	var as, bs []float64
	for range pairs {
		x, ok1, err := cpuARequest(ctx, trent, many, manyMade, rate)
		if err != nil {
			return err
		}
		y, ok2, err := cpuARequest(ctx, &oneSubject, one, oneMade, rate)
		if err != nil {
			return err
		}
		if ok1 && ok2 {
			as, bs = append(as, x), append(bs, y)
		}
	}
	if len(as) == 0 {
		return fmt.Errorf("all rounds were disturbed")
	}
	r.add(atMost(fmt.Sprintf("CPU a request, %d keys against one, uniform", manyKeys), "×", stats.PairedRatio(as, bs, stats.Options{}), 1.25,
		fmt.Sprintf("GenerateDataKey at %d/s, %.1f µs against %.1f µs, %d pairs", rate, stats.Median(as)*1e6, stats.Median(bs)*1e6, len(as))))
	return nil
}

// cacheMemory touches the keys until nearly all are cached and compares the heap before and after.
func cacheMemory(ctx context.Context, r *Report, s *subject, many *workload.Workload, keys *engine.Provisioned) error {
	native, err := engine.New("native")
	if err != nil {
		return err
	}
	touch := func(rate float64, d time.Duration) error {
		_, summary, err := runOn(ctx, native, s, many, keys, schedule.Constant(rate, d), connections)
		if err == nil && summary.Count(measure.OK) < summary.Asked()*99/100 {
			return fmt.Errorf("warming the cache: %v", summary.Errors)
		}
		return err
	}
	if err := touch(1000, time.Second); err != nil {
		return err
	}
	before, err := s.metric("trent_live_heap_bytes")
	if err != nil {
		return err
	}
	// 5 hits a key leave e^-5, less than one key of a hundred, untouched.
	if err := touch(10_000, 50*time.Second); err != nil {
		return err
	}
	after, err := s.metric("trent_live_heap_bytes")
	if err != nil {
		return err
	}
	r.add(single("memory a cached key", "B", (after-before)/manyKeys, 1024, true, "live heap after a collection, before and after touching all keys"))
	return nil
}

// metric reads one metric of the server.
func (s *subject) metric(name string) (float64, error) {
	resp, err := http.Get(s.ready.Metrics + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(v, 64)
		}
	}
	return 0, fmt.Errorf("the server has no metric %s", name)
}
