package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trent/loadgen/replay"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var lines []string
	for i := range 60 {
		lines = append(lines, line(i/2, "Decrypt"), strings.Replace(line(i/2, "GenerateDataKey"), "key/k1", "key/k2", 1))
	}
	lines = append(lines, strings.Replace(line(30, "Sign"), `"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"a":"b"}`, `"signingAlgorithm":"RSASSA_PSS_SHA_256"`, 1),
		line(31, "CreateKey"), line(32, "ScheduleKeyDeletion"), strings.Replace(line(33, "Decrypt"), `"awsRegion"`, `"errorCode":"AccessDenied","awsRegion"`, 1))
	log := file(t, dir, "a.json.gz", records(lines...))
	for _, c := range []struct {
		speed, volume float64
		hits          uint64
	}{{0, 0, 122}, {10, 1, 122}, {1, 3, 366}, {1, 0.5, 0}} {
		l, err := replay.Open([]string{log}, replay.LoadOptions{Speed: c.speed, Volume: c.volume, Seed: 5, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		r := l.Result
		if c.hits > 0 && (l.Schedule.Hits() != c.hits || r.Calls != c.hits) || c.hits == 0 && (r.Calls < 40 || r.Calls > 80) {
			t.Errorf("volume %g: %d hits, %d calls", c.volume, l.Schedule.Hits(), r.Calls)
		}
		seconds, mix := map[int]int{}, map[string]int{}
		speed := max(c.speed, 1)
		for it := l.Schedule.Iterator(); ; {
			hit, ok := it.Next()
			if !ok {
				break
			}
			seconds[int(hit.Due.Seconds()*speed)]++
			mix[l.Workload.Mix[hit.Entry].Operation]++
			if l.Workload.Mix[hit.Entry].Operation != l.Flows[hit.Entry].Operation || l.Workload.Mix[hit.Entry].Caller != "arn:aws:iam::111122223333:role/web" {
				t.Fatalf("entry %d is %+v, its flow %+v", hit.Entry, l.Workload.Mix[hit.Entry], l.Flows[hit.Entry])
			}
		}
		if c.volume == 0 && (seconds[0] != 4 || seconds[29] != 4 || seconds[31] != 0 || mix["Sign"] != 1 || mix["Decrypt"] != 61 || mix["GenerateDataKey"] != 60) {
			t.Errorf("by second %v, by operation %v", seconds, mix)
		}
		if len(r.Skipped) != 2 || len(r.Errors) != 1 || r.DistinctKeys != 2 || r.Events != 124 || r.PeakCalls < 2 {
			t.Errorf("%+v", r)
		}
		if l.Workload.KeyCount() != 3 { // k1 for data and, as the Sign of it would have it, for RSA signatures; k2
			t.Errorf("%d keys: %+v", l.Workload.KeyCount(), l.Workload.Keys)
		}
		arrivals, err := l.Arrivals()
		if err != nil {
			t.Fatal(err)
		}
		n, last := uint64(0), time.Duration(0)
		for {
			at, _, ok := arrivals.Next()
			if !ok {
				break
			}
			if at < last || at < 9*time.Hour || at > 9*time.Hour+time.Minute {
				t.Fatalf("a call at %v after %v", at, last)
			}
			n, last = n+1, at
		}
		if err := arrivals.Close(); err != nil || n != r.Calls {
			t.Errorf("%d arrivals, %v", n, err)
		}
	}
	nothing := file(t, dir, "b.json", records(line(1, "CreateKey")))
	if _, err := replay.Open([]string{nothing}, replay.LoadOptions{Dir: t.TempDir()}); !errors.Is(err, replay.ErrNothing) {
		t.Errorf("a log of what is not sent: %v", err)
	}
}

func TestPartOfALog(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 100 {
		lines = append(lines, line(i, "Decrypt"))
	}
	log := file(t, t.TempDir(), "a.json", records(lines...))
	for _, c := range []struct {
		o           replay.LoadOptions
		first, last int
	}{
		{replay.LoadOptions{FirstPart: 10 * time.Second}, 0, 9},
		{replay.LoadOptions{LastPart: 10 * time.Second}, 90, 99},
		{replay.LoadOptions{Options: replay.Options{From: start.Add(30 * time.Second)}}, 30, 99},
	} {
		c.o.Dir = t.TempDir()
		l, err := replay.Open([]string{log}, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if r := l.Result; int(r.First.Sub(start).Seconds()) != c.first || int(r.Last.Sub(start).Seconds()) != c.last || r.Calls != uint64(c.last-c.first+1) {
			t.Errorf("%v to %v, %d calls; want %d to %d", r.First, r.Last, r.Calls, c.first, c.last)
		}
	}
}

// A log with more callers, keys and operations than a workload has room for still becomes one; every call is in it.
func TestCrowdedLog(t *testing.T) {
	t.Parallel()
	var lines []string
	operations := []string{"Decrypt", "Encrypt", "GenerateDataKey", "DescribeKey"}
	for i := range 4000 {
		l := strings.ReplaceAll(line(i/100, operations[i%4]), "role/web", fmt.Sprintf("role/web-%d", i%301))
		lines = append(lines, strings.Replace(l, "key/k1", fmt.Sprintf("key/k%d", i%977), 1))
	}
	l, err := replay.Open([]string{file(t, t.TempDir(), "a.json", records(lines...))}, replay.LoadOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if l.Schedule.Hits() != 4000 || len(l.Workload.Mix) > 240 || l.Workload.KeyCount() > 72 || l.Result.Shared == 0 || l.Result.DistinctCallers != 301 || l.Result.DistinctKeys != 977 {
		t.Errorf("%d hits, %d entries, %d keys, %d share, %d callers", l.Schedule.Hits(), len(l.Workload.Mix), l.Workload.KeyCount(), l.Result.Shared, l.Result.DistinctCallers)
	}
}
