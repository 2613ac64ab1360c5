package slo_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/loadgen/slo"
	"trent/results/stats"
)

func TestParse(t *testing.T) {
	t.Parallel()
	l, err := slo.Parse("x.yaml", []byte(`
name: tight
latency:
  - percentile: p99.9
    limit: 25ms
    operations: [Encrypt, Decrypt]
  - {percentile: 50, limit: 2ms, operations: each}
  - {percentile: 99, limit: 10ms, operations: all}
throughput: {minimum: 450/s}
errors: {maximum: 0.1%}
throttles: {rule: exclude, maximum: 5%}
`))
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "tight" || len(l.Latency) != 3 || l.Latency[0].Percentile != 0.999 || l.Latency[0].Limit != 25*time.Millisecond ||
		len(l.Latency[0].Operations) != 2 || !l.Latency[1].Each || l.Latency[2].Each || l.Latency[2].Operations != nil {
		t.Errorf("latency limits: %+v", l.Latency)
	}
	if l.Throughput.PerSecond != 450 || *l.Errors != 0.001 || !l.Throttles.Exclude || *l.Throttles.Maximum != 0.05 {
		t.Errorf("limits: %+v", l)
	}
	if l.Tightest() != 2*time.Millisecond || l.Highest() != 0.999 || l.ClientLagLimit() != 200*time.Microsecond {
		t.Errorf("tightest %v, highest %v, client lag %v", l.Tightest(), l.Highest(), l.ClientLagLimit())
	}
	if got := l.Unknown([]string{"Encrypt"}); len(got) != 1 || got[0] != "Decrypt" {
		t.Errorf("unknown operations: %v, want Decrypt", got)
	}
	want := "p99.9 ≤ 25ms for Encrypt, Decrypt · p50 ≤ 2ms for each operation · p99 ≤ 10ms · throughput ≥ 450/s · errors ≤ 0.1 % · throttles left out up to 5 %"
	if l.String() != want {
		t.Errorf("String = %q, want %q", l, want)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "one YAML document"},
		{"name: x", "has no limit"},
		{"latncy: []", `x:1:1: unknown key "latncy" in the file; known: name, latency`},
		{"latency: 5", "x:1:10: latency wants a list"},
		{"latency:\n  - percentile: 99\n    limit: 10", `x:3:12: "10" is not a duration`},
		{"latency:\n  - percentile: 99", "wants both percentile and limit"},
		{"latency:\n  - {percentile: 100, limit: 1ms}", "not a percentile"},
		{"latency:\n  - {percentile: .nan, limit: 1ms}", "x:2:18"},
		{"latency:\n  - {percentile: 99, limit: 1ms, operations: some}", "a list, all or each"},
		{"errors: {maximum: 0.1}", "not a share"},
		{"errors: {maximum: 101%}", "not a share"},
		{"errors: {}", "wants maximum"},
		{"errors: {maximum: 1%}\nerrors: {maximum: 2%}", "x:2:1"},
		{"throughput: {minimum: -1/s}", "not a rate"},
		{"throughput: {minimum: 0%}", "limits nothing"},
		{"throttles: {rule: ignore}", "fail or exclude"},
		{"errors: {maximum: 1%}\nthrottles: {maximum: 1%}", "x:2:22: maximum goes with rule: exclude"},
		{"a: [", "x:1"},
		{"? [a]\n: b", "invalid key"},
		{strings.Repeat("#", 70<<10), "larger than"},
	} {
		_, err := slo.Parse("x", []byte(c.text))
		var typed *slo.Error
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%.40q) = %v, want an *Error with %q", c.text, err, c.want)
		}
	}
}

func TestLoadAndDefault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slo.yaml")
	if err := os.WriteFile(path, []byte(slo.Default().Source), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := slo.Load(path)
	if err != nil || l.Name != "default" || l.Tightest() != 10*time.Millisecond {
		t.Errorf("Load = %+v, %v", l, err)
	}
	if _, err := slo.Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of nothing: %v", err)
	}
	if !slo.None().Empty() || slo.Default().Empty() {
		t.Error("None has limits, or Default has none")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(slo.Default().Source)
	for _, seed := range []string{"", "a: [", "latency:\n- percentile: 1e400", "- - -", "errors: &a {maximum: 1%}\nthrottles: *a", "? a", "!!binary x: y", "\xff", "latency:\n  -\n", "a: |\n  b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := slo.Parse("x", []byte(text))
		if err != nil {
			var typed *slo.Error
			if !errors.As(err, &typed) {
				t.Errorf("error %T", err)
			}
			return
		}
		if l.Empty() || l.String() == "no limits" {
			t.Errorf("%q parsed to nothing", text)
		}
		for _, limit := range l.Latency {
			if limit.Limit <= 0 || !(limit.Percentile > 0 && limit.Percentile < 1) {
				t.Errorf("limit %+v", limit)
			}
		}
	})
}

// population makes n seconds of perSecond hits, with the latency of each in ms given by second and hit; a negative
// one is a hit without an answer.
func population(n int, perSecond uint64, latency func(second int, hit uint64) int) slo.Population {
	var p slo.Population
	for i := range n {
		s := slo.Second{Length: time.Second, Due: perSecond}
		counts := map[int64]uint64{}
		for h := range perSecond {
			if ms := latency(i, h); ms >= 0 {
				counts[int64(time.Duration(ms)*time.Millisecond)]++
				s.OK++
			}
		}
		s.Latency = stats.BlockOf(counts)
		p.Seconds = append(p.Seconds, s)
	}
	return p
}

func TestJudgeLatency(t *testing.T) {
	t.Parallel()
	limits := slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: 10 * time.Millisecond}}}
	for _, c := range []struct {
		name   string
		p      slo.Population
		want   slo.Outcome
		needed time.Duration
	}{
		{"fast", population(20, 500, func(int, uint64) int { return 5 }), slo.Pass, 0},
		{"slow", population(20, 500, func(int, uint64) int { return 11 }), slo.Fail, 0},
		{"exactly the limit", population(20, 500, func(int, uint64) int { return 10 }), slo.Pass, 0},
		{"half the seconds slow", population(20, 500, func(s int, h uint64) int { return 5 + s%2*int(h%10/9)*10 }), slo.Fail, 0},
		{"on the edge", population(20, 500, func(s int, h uint64) int {
			if s%5 == 0 && h < 25 {
				return 20
			}
			return 5
		}), slo.Inconclusive, 0},
		{"unanswered hits rank as infinite", population(20, 500, func(_ int, h uint64) int { return 5 - int(h%50/49)*10 }), slo.Fail, 0},
		{"too short", population(10, 1000, func(int, uint64) int { return 5 }), slo.Inconclusive, 20 * time.Second},
		{"too few hits", population(30, 100, func(int, uint64) int { return 5 }), slo.Inconclusive, 100 * time.Second},
		{"no hits", slo.Population{}, slo.Inconclusive, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := limits.Judge([]slo.Population{c.p}, 1)[0]
			if v.Outcome != c.want || v.Needed != c.needed {
				t.Errorf("outcome %v (%s), needed %v; want %v, %v. %+v", v.Outcome, v.Reason, v.Needed, c.want, c.needed, v)
			}
		})
	}
	lost := limits.Judge([]slo.Population{population(20, 500, func(_ int, h uint64) int { return 5 - int(h%50/49)*10 })}, 1)[0]
	if !math.IsInf(lost.Point, 1) || lost.SuccessOnly != 5*time.Millisecond {
		t.Errorf("with 2 %% unanswered p99 is %v and %v for good answers, want +Inf and 5ms", lost.Point, lost.SuccessOnly)
	}
}

func TestJudgeThrottlesAndShares(t *testing.T) {
	t.Parallel()
	p := population(20, 1000, func(_ int, h uint64) int { return 5 - int(h%20/19)*10 }) // 5 % unanswered
	for i := range p.Seconds {
		p.Seconds[i].Throttled = 50 // all of them throttled
	}
	share := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		name   string
		limits slo.Limits
		want   []slo.Outcome
	}{
		{"count as errors", slo.Limits{Errors: share(0.01)}, []slo.Outcome{slo.Fail}},
		{"excluded", slo.Limits{Errors: share(0.01), Throttles: slo.ThrottleRule{Exclude: true}}, []slo.Outcome{slo.Pass}},
		{"excluded, too many", slo.Limits{Throttles: slo.ThrottleRule{Exclude: true, Maximum: share(0.01)}}, []slo.Outcome{slo.Fail}},
		{"excluded, within", slo.Limits{Throttles: slo.ThrottleRule{Exclude: true, Maximum: share(0.1)}}, []slo.Outcome{slo.Pass}},
		{"share of hits due", slo.Limits{Throughput: &slo.ThroughputLimit{Share: 0.99}}, []slo.Outcome{slo.Fail}},
		{"share, throttles excluded", slo.Limits{Throughput: &slo.ThroughputLimit{Share: 0.99}, Throttles: slo.ThrottleRule{Exclude: true}}, []slo.Outcome{slo.Pass}},
		{"rate met", slo.Limits{Throughput: &slo.ThroughputLimit{PerSecond: 900}}, []slo.Outcome{slo.Pass}},
		{"rate missed", slo.Limits{Throughput: &slo.ThroughputLimit{PerSecond: 960}}, []slo.Outcome{slo.Fail}},
		{"latency, count as lost", slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: time.Second}}}, []slo.Outcome{slo.Fail}},
		{"latency, excluded", slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: time.Second}}, Throttles: slo.ThrottleRule{Exclude: true}}, []slo.Outcome{slo.Pass}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i, v := range c.limits.Judge([]slo.Population{p}, 1) {
				if v.Outcome != c.want[i] {
					t.Errorf("%s: %v, want %v (%+v)", v.Metric, v.Outcome, c.want[i], v)
				}
			}
		})
	}
	few := population(20, 5, func(int, uint64) int { return 1 })
	if v := (slo.Limits{Errors: share(0.001)}).Judge([]slo.Population{few}, 1)[0]; v.Outcome != slo.Inconclusive {
		t.Errorf("no error in 100 hits against 0.1 %%: %v, want inconclusive", v.Outcome)
	}
}

func TestJudgeByOperation(t *testing.T) {
	t.Parallel()
	fast := population(20, 500, func(int, uint64) int { return 1 })
	slow := population(20, 500, func(int, uint64) int { return 100 })
	fast.Name, slow.Name = "Encrypt", "Sign"
	limits := slo.Limits{Latency: []slo.LatencyLimit{
		{Percentile: 0.99, Limit: 10 * time.Millisecond, Each: true},
		{Percentile: 0.5, Limit: 200 * time.Millisecond, Operations: []string{"Sign"}},
	}}
	got := map[string]slo.Outcome{}
	for _, v := range limits.Judge([]slo.Population{fast, slow}, 1) {
		got[v.Metric+" "+v.Population] = v.Outcome
	}
	want := map[string]slo.Outcome{"p99 latency Encrypt": slo.Pass, "p99 latency Sign": slo.Fail, "p50 latency Sign": slo.Pass}
	for name, outcome := range want {
		if got[name] != outcome {
			t.Errorf("%s: %v, want %v", name, got[name], outcome)
		}
	}
}

func TestGates(t *testing.T) {
	t.Parallel()
	limits := slo.Default()
	if gates := slo.Gates(limits, slo.Unknown()); slo.Void(gates) {
		t.Errorf("what is not known voids: %+v", gates)
	}
	for _, c := range []struct {
		name  string
		spoil func(*slo.Conditions)
		void  bool
	}{
		{"client lag at the limit", func(c *slo.Conditions) { c.ClientLagP99 = time.Millisecond }, false},
		{"client lag p99", func(c *slo.Conditions) { c.ClientLagP99 = time.Millisecond + 1 }, true},
		{"busy below", func(c *slo.Conditions) { c.ClientBusy = 0.79 }, false},
		{"client CPUs busy", func(c *slo.Conditions) { c.ClientBusy = 0.80 }, true},
		{"client run-queue delay, mean", func(c *slo.Conditions) { c.RunDelay = 300 * time.Microsecond }, true},
		{"client GC pauses", func(c *slo.Conditions) { c.GCPauses = 0.02 }, true},
		{"steal at the limit", func(c *slo.Conditions) { c.Stolen = 0.01 }, false},
		{"CPU stolen", func(c *slo.Conditions) { c.Stolen = 0.011 }, true},
		{"clock step", func(c *slo.Conditions) { c.ClockStep = -20 * time.Millisecond }, true},
		{"slewing of a long run", func(c *slo.Conditions) { c.Window, c.ClockStep = time.Minute, 20*time.Millisecond }, false},
		{"descriptors or ports exhausted", func(c *slo.Conditions) { c.Exhausted = 1 }, true},
		{"own CPU stalls", func(c *slo.Conditions) { c.OwnCPU = 0.02 }, true},
		{"own memory stalls", func(c *slo.Conditions) { c.OwnMemory = 0.02 }, true},
		{"own I/O stalls", func(c *slo.Conditions) { c.OwnIO = 0.02 }, true},
		{"CPU quota used up, periods", func(c *slo.Conditions) { c.Throttled = 1 }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conditions := slo.Unknown()
			c.spoil(&conditions)
			gates := slo.Gates(limits, conditions)
			if slo.Void(gates) != c.void {
				t.Fatalf("void %v, want %v: %+v", slo.Void(gates), c.void, gates)
			}
			for _, g := range gates {
				if g.Void != (g.Advice != "") || g.Void && g.Name != c.name {
					t.Errorf("gate %+v", g)
				}
			}
		})
	}
}

func TestOverallPrecedence(t *testing.T) {
	t.Parallel()
	void := []slo.Gate{{Void: true}}
	of := func(outcomes ...slo.Outcome) []slo.Verdict {
		var verdicts []slo.Verdict
		for _, o := range outcomes {
			verdicts = append(verdicts, slo.Verdict{Outcome: o})
		}
		return verdicts
	}
	for _, c := range []struct {
		gates    []slo.Gate
		verdicts []slo.Verdict
		want     slo.Outcome
		code     int
	}{
		{nil, nil, slo.Pass, 0},
		{nil, of(slo.Pass, slo.Inconclusive), slo.Inconclusive, 6},
		{nil, of(slo.Inconclusive, slo.Regression), slo.Regression, 4},
		{nil, of(slo.Regression, slo.Fail, slo.Pass), slo.Fail, 3},
		{void, of(slo.Fail), slo.Voided, 5},
		{nil, of(slo.Usage, slo.Fail), slo.Usage, 2},
		{nil, of(slo.HarnessError, slo.Usage), slo.HarnessError, 1},
	} {
		if got := slo.Overall(c.gates, c.verdicts); got != c.want || got.ExitCode() != c.code {
			t.Errorf("Overall(%v, %v) = %v, exit %d; want %v, %d", c.gates, c.verdicts, got, got.ExitCode(), c.want, c.code)
		}
	}
}

func TestDeepFileIsRefused(t *testing.T) {
	t.Parallel()
	var at *slo.Error
	if _, err := slo.Parse("deep.yaml", []byte(strings.Repeat("[", 60_000))); !errors.As(err, &at) || at.Line != 1 {
		t.Errorf("60,000 brackets: %v", err)
	}
}
