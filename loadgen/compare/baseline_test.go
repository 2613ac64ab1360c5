package compare_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/loadgen/compare"
	"trent/results"
)

func pool(t *testing.T, pem string) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		t.Fatal("no certificate")
	}
	return roots
}

// floored is a record of a subject that costs so many times the floor.
func floored(t *testing.T, seed uint64, ratio float64) *results.Record {
	t.Helper()
	m := newModel(seed)
	m.slower, m.noise = ratio, 0.01
	r := &results.Record{Kind: results.Compare, Tool: "trent test", Environment: results.Environment{CPUModel: "EPYC", Cores: 2, GoVersion: "go1.26", MemoryKiB: 1 << 23},
		Engine: results.Engine{Name: "native", Connections: 64}, Workload: results.Text{Name: "mixed"},
		Comparison: &results.ComparisonResult{A: results.Subject{Kind: results.FloorSubject}, Rate: 3000, RateFrom: "given", Round: 2 * time.Second}}
	for _, p := range m.run(t, compare.Series{Pairs: 12, Seed: seed}) {
		r.Comparison.Rounds = append(r.Comparison.Rounds, p.A.Round, p.B.Round)
	}
	return r
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	before := floored(t, 1, 1.5)
	for _, c := range []struct {
		name    string
		ratio   float64
		verdict string
	}{{"as before", 1.5, results.Unchanged}, {"a fifth more", 1.8, results.Regressed}, {"a fifth less", 1.2, results.Improved}} {
		run := compare.Against(before, "before", floored(t, 2, c.ratio), 0.05, 1)
		if len(run.Differences) > 0 || len(run.Effects) != 1 {
			t.Fatalf("%s: differences %q, effects %v", c.name, run.Differences, run.Effects)
		}
		if e := run.Effects[0]; e.Verdict != c.verdict || *e.Ratio < c.ratio/1.5*0.96 || *e.Ratio > c.ratio/1.5*1.04 {
			t.Errorf("%s: %q, now ÷ then %v; want %q", c.name, e.Verdict, *e.Ratio, c.verdict)
		}
	}
}

// Under another environment there is no comparison, only the names of what differs.
func TestBaselineDiffers(t *testing.T) {
	t.Parallel()
	before := floored(t, 1, 1.5)
	for want, change := range map[string]func(r *results.Record){
		"CPU model: EPYC then, Xeon now":       func(r *results.Record) { r.Environment.CPUModel = "Xeon" },
		"Go: go1.26 then, go1.27 now":          func(r *results.Record) { r.Environment.GoVersion = "go1.27" },
		"connections: 64 then, 8 now":          func(r *results.Record) { r.Engine.Connections = 8 },
		"rate: 3000 then, 4000 now":            func(r *results.Record) { r.Comparison.Rate = 4000 },
		"memory in KiB: 8388608 then":          func(r *results.Record) { r.Environment.MemoryKiB /= 2 },
		"one of the runs has no floor":         func(r *results.Record) { r.Comparison.A.Kind = results.TrentSubject },
		"entries left out of the mix:  then, ": func(r *results.Record) { r.Comparison.Dropped = []string{"Sign"} },
	} {
		now := floored(t, 2, 1.8)
		change(now)
		run := compare.Against(before, "before", now, 0.05, 1)
		if len(run.Effects) > 0 || !slices.ContainsFunc(run.Differences, func(d string) bool { return strings.Contains(d, want) }) {
			t.Errorf("differences %q, effects %v; want %q alone", run.Differences, run.Effects, want)
		}
	}
	attack := compare.Against(&results.Record{Kind: results.Attack}, "before", floored(t, 2, 1.8), 0.05, 1)
	if len(attack.Differences) != 1 || !strings.Contains(attack.Differences[0], "kind attack") {
		t.Errorf("a record of another kind: %q", attack.Differences)
	}
}
