package soak_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"trent/loadgen/soak"
)

const goodPlan = `name: rough
seed: 7
faults:
  - {kind: kill, every: 10m±2m, for: 5s, allow: 20s}
  - kind: pause
    at: [90s, 20m]
    for: 2s
  - {kind: delay, at: 5m, for: 1m, by: 20ms}
  - {kind: rotate, every: 15m}
`

func TestParsePlan(t *testing.T) {
	t.Parallel()
	p, err := soak.ParsePlan("faults.yaml", []byte(goodPlan))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "rough" || p.Seed != 7 || len(p.Actions) != 4 || p.Actions[0].Jitter != 2*time.Minute || p.Actions[1].Allow != 30*time.Second ||
		p.Actions[2].By != 20*time.Millisecond || p.Actions[3].Allow != 0 {
		t.Errorf("%+v", p)
	}
	all := p.Occurrences(time.Hour, 1)
	counts := map[string]int{}
	for i, o := range all {
		counts[o.Kind]++
		if i > 0 && o.At < all[i-1].At {
			t.Errorf("%v after %v", o.At, all[i-1].At)
		}
		if nearest := o.At.Round(10 * time.Minute); o.Kind == soak.Kill && (o.At-nearest).Abs() > 2*time.Minute {
			t.Errorf("kill at %v", o.At)
		}
	}
	if counts[soak.Kill] != 5 || counts[soak.Pause] != 2 || counts[soak.Delay] != 1 || counts[soak.Rotate] != 3 {
		t.Errorf("%v", counts)
	}
	again := p.Occurrences(time.Hour, 99) // the plan's own seed counts
	for i := range all {
		if all[i] != again[i] {
			t.Errorf("%+v and %+v from one seed", all[i], again[i])
		}
	}
}

func TestPlanErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "wants one YAML document"},
		{"faults: []\n", "has no faults"},
		{"faults:\n  - {kind: explode, at: 1s}\n", `2:12: unknown kind "explode"`},
		{"faults:\n  - {kind: kill}\n", "kill wants either at or every"},
		{"faults:\n  - {kind: kill, at: 1s, every: 1m}\n", "either at or every"},
		{"faults:\n  - {kind: kill, at: soon}\n", `2:22: "soon"`},
		{"faults:\n  - {kind: kill, at: -1s}\n", "wants a time from"},
		{"faults:\n  - {kind: restart, at: 1s, for: 1s}\n", "restart takes no for"},
		{"faults:\n  - {kind: pause, at: 1s, by: 1s}\n", "pause takes no by"},
		{"faults:\n  - {kind: kill, every: 10s, for: 10s}\n", "lasts as long as the time to the next"},
		{"faults:\n  - {kind: kill, every: 10s±6s}\n", "up to half"},
		{"faults:\n  - {kind: kill, every: 1ms}\n", "100ms at the least"},
		{"faults:\n  - {kind: kill, at: 1s, at: 2s}\n", "2:"},
		{"faults:\n  - {kind: kill, at: 1s, mood: bad}\n", `2:26: unknown key "mood"`},
		{"faults: 3\n", "1:9: faults wants a list"},
		{"seed: -1\nfaults:\n  - {kind: kill, at: 1s}\n", "1:7: seed wants a whole number"},
		{"faults:\n\t- x\n", "2:"},
		{"name: " + strings.Repeat("x", 70_000), "larger than"},
	} {
		_, err := soak.ParsePlan("f.yaml", []byte(c.text))
		var located *soak.PlanError
		if !errors.As(err, &located) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(goodPlan))
	f.Add([]byte("faults:\n  - {kind: kill, every: 10m±2m}\n"))
	f.Add([]byte("faults: [{kind: rotate, at: [1s, 2s]}]"))
	f.Add([]byte("faults: &a [*a]"))
	f.Add([]byte("? x\n: y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := soak.ParsePlan("f", data)
		var located *soak.PlanError
		switch {
		case err != nil && !errors.As(err, &located):
			t.Errorf("error %v without a place", err)
		case err == nil && len(p.Actions) == 0:
			t.Error("a plan without actions")
		case err == nil:
			for _, o := range p.Occurrences(24*time.Hour, 1) {
				if o.At < 0 || o.Kind == "" {
					t.Errorf("%+v", o)
				}
			}
		}
	})
}
