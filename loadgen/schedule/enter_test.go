package schedule_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"trent/loadgen/schedule"
)

func hits(it schedule.Iterator) []schedule.Hit {
	var all []schedule.Hit
	for {
		hit, ok := it.Next()
		if !ok {
			return all
		}
		all = append(all, hit)
	}
}

// drawSchedule makes any kind of schedule with some thousands of hits.
func drawSchedule(t *rapid.T) schedule.Schedule {
	d := time.Duration(rapid.Int64Range(1, 20_000).Draw(t, "ms")) * time.Millisecond
	rate := rapid.Float64Range(0, 1000).Draw(t, "rate")
	other := rapid.Float64Range(0, 1000).Draw(t, "other rate")
	var sch schedule.Schedule
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		sch = schedule.Constant(rate, d)
	case 1:
		sch = schedule.Linear(rate, other, d)
	case 2:
		sch = schedule.Steps([]schedule.Step{{rate, d / 3}, {0, d / 7}, {other, d / 2}})
	case 3:
		sch = schedule.Sine(max(rate, other, 1), min(rate, other), d/3+1, d)
	case 4:
		sch = schedule.Bursts(int(rate)+1, d/8+1, d)
	default:
		var dues []time.Duration
		for range int(rate) {
			dues = append(dues, time.Duration(rapid.Int64Range(0, int64(d)).Draw(t, "due")))
		}
		return schedule.Trace(dues)
	}
	if rapid.Bool().Draw(t, "poisson") {
		sch = schedule.Randomise(sch, rapid.Uint64().Draw(t, "seed"))
	}
	return sch
}

// Whoever enters a schedule late gets the hits, numbers and due times that are left of it.
func TestEnteringLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sch := drawSchedule(t)
		all := hits(sch.Iterator())
		from := time.Duration(rapid.Int64Range(-1, int64(sch.Duration())+1).Draw(t, "from"))
		if len(all) > 0 && rapid.Bool().Draw(t, "at a hit") {
			from = all[rapid.IntRange(0, len(all)-1).Draw(t, "hit")].Due
		}
		first := 0
		for first < len(all) && all[first].Due < from {
			first++
		}
		equalHits(t, hits(sch.IteratorAt(from)), all[first:])
	})
}

func equalHits(t interface{ Fatalf(string, ...any) }, got, want []schedule.Hit) {
	if len(got) != len(want) {
		t.Fatalf("%d hits, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("hit %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// The shares of the agents have every hit exactly once, with its number and due time, and each knows its owner.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sch := drawSchedule(t)
		p := schedule.Partition{Seed: rapid.Uint64().Draw(t, "seed of the partition"), Agents: rapid.IntRange(0, 9).Draw(t, "agents")}
		from := time.Duration(rapid.Int64Range(0, int64(sch.Duration())).Draw(t, "from"))
		whole := hits(sch.IteratorAt(from))
		parts := make([][]schedule.Hit, max(p.Agents, 1))
		for agent := range parts {
			parts[agent] = hits(p.Share(sch, agent).IteratorAt(from))
		}
		for _, hit := range whole {
			owner := p.Owner(sch, hit.N)
			if len(parts[owner]) == 0 || parts[owner][0] != hit {
				t.Fatalf("hit %+v is not agent %d's next", hit, owner)
			}
			parts[owner] = parts[owner][1:]
		}
		for agent := range parts {
			if len(parts[agent]) > 0 {
				t.Fatalf("agent %d has %d hits of nobody", agent, len(parts[agent]))
			}
		}
	})
}

// Agents of a constant schedule fire evenly between each other, a part of the period apart.
func TestSharesOfAConstantRate(t *testing.T) {
	t.Parallel()
	p := schedule.Partition{Agents: 4}
	share := p.Share(schedule.Constant(1000, s), 3)
	got := hits(share.Iterator())
	if len(got) != 250 || got[0].Due != 3*ms || got[1].Due != 7*ms || got[1].N != 7 || share.MeanRate() != 250 || share.String() != "1000/s 1s, share 4 of 4" {
		t.Errorf("%v: %d hits from %+v on", share, len(got), got[:2])
	}
	if whole := (schedule.Partition{}).Share(share, 0); whole != share {
		t.Error("a single agent has a share of its own")
	}
}

// Entering after a day costs the draws of the blocks, not of the hits.
func TestEnteringAfterADay(t *testing.T) {
	t.Parallel()
	sch := schedule.Poisson(10_000, 25*time.Hour, 1)
	hit, ok := sch.IteratorAt(24 * time.Hour).Next()
	// 864 million ± 29,394: six standard deviations.
	if !ok || hit.Due < 24*time.Hour || hit.Due > 24*time.Hour+10*ms || hit.N < 864_000_000-180_000 || hit.N > 864_000_000+180_000 {
		t.Errorf("hit %+v", hit)
	}
}
