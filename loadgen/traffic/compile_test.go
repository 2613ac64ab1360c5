package traffic_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

func compiled(t *testing.T, text string) *traffic.Compiled {
	t.Helper()
	f, err := traffic.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Compiled()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const shop = `
name: shop
day: {peak_to_mean: 1.6, peak_at: "14:00"}
causes:
  - {name: reads, model: s3, gets: 30/s}
  - {name: probes, model: health-check, checkers: 10, interval: 10s}
  - {name: restart, model: startup-storm, processes: 600, calls: 2, within: 60s, at: "03:00"}
`

// The mix has the mean rates as its weights, and what a storm sends in the day counts in.
func TestCompile(t *testing.T) {
	t.Parallel()
	c := compiled(t, shop)
	var names []string
	total := 0.0
	for i := range c.Workload.Mix {
		names = append(names, c.Workload.Mix[i].Name)
		total += c.Workload.Mix[i].Weight
	}
	if got, want := strings.Join(names, " "), "reads/Decrypt probes/Encrypt probes/Decrypt restart/Decrypt"; got != want {
		t.Errorf("entries %q, want %q", got, want)
	}
	if want := 32 + 1200.0/86400; math.Abs(total-want) > 1e-9 {
		t.Errorf("weights %v, want %v", total, want)
	}
	e := &c.Workload.Mix[0]
	if e.Service != "s3" || e.Cause != "reads" || e.Caller != "reads" || e.Context["aws:s3:arn"] == "" || e.Variants < 2 {
		t.Errorf("%+v", e)
	}
	bodies, sequence := c.Workload.Bodies(material{}), c.Workload.Sequence(1)
	var hit workload.Hit
	for n := range uint64(500) {
		sequence.Hit(n, &hit)
		if body := bodies.Append(nil, &hit); !json.Valid(body) {
			t.Fatalf("%s", body)
		}
	}
	// Equal calls of one cause share an entry; calls with another context do not.
	flow := traffic.Flow{Cause: "x", Caller: "y", Key: "k", KeySpec: "SYMMETRIC_DEFAULT", Operation: "Decrypt", Rate: traffic.Curve{Mean: 1}}
	other := flow
	other.Context = map[string]string{"a": "b"}
	if c, err := traffic.Compile("w", []traffic.Flow{flow, flow, other}, nil); err != nil || len(c.Workload.Mix) != 2 || c.Workload.Mix[0].Weight != 2 || c.Workload.Mix[1].Name != "x/Decrypt 2" {
		t.Errorf("%+v, %v", c, err)
	}
	// A key that signs and encrypts is two keys to the service.
	sign, seal := flow, flow
	sign.Operation, sign.KeySpec, seal.KeySpec = "Sign", "RSA_2048", "RSA_2048"
	if c, err := traffic.Compile("w", []traffic.Flow{sign, seal, flow}, []traffic.Key{{Name: "k", Count: 2}}); err != nil || len(c.Workload.Keys) != 3 || c.Workload.KeyCount() != 6 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := traffic.Compile("w", nil, nil); err == nil {
		t.Error("no flows were taken")
	}
	if _, err := traffic.Compile("w", []traffic.Flow{{Cause: "x", Operation: "Sign", KeySpec: "SYMMETRIC_DEFAULT", Rate: traffic.Curve{Mean: 1}}}, nil); err == nil || !strings.Contains(err.Error(), `cause "x"`) {
		t.Errorf("signing with a symmetric key: %v", err)
	}
}

type material struct{}

func (material) KeyID(int, int) string                          { return "id" }
func (material) Artifact(int, int, int) (value, payload string) { return "QUJD", "QUJD" }
func (material) Artifacts(int) int                              { return 2 }

func hits(s schedule.Schedule) []schedule.Hit {
	var out []schedule.Hit
	for it := s.Iterator(); ; {
		hit, ok := it.Next()
		if !ok {
			return out
		}
		out = append(out, hit)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	c := compiled(t, shop)
	for _, v := range []struct {
		name   string
		window traffic.Window
		want   []float64 // by entry
		spec   string
	}{
		{"peak, as it is", traffic.Window{From: 14*time.Hour - 30*time.Second, Length: time.Minute}, []float64{48 * 60, 60, 60, 0}, "arrivals of its causes from 13:59:30, 1m0s"},
		{"amid the storm", traffic.Window{From: 3*time.Hour + 30*time.Second, Length: 30 * time.Second}, []float64{30 * (30 - 18*math.Cos(math.Pi/12)), 30, 30, 600}, "arrivals of its causes from 03:00:30, 30s"},
		{"a day in a minute, a thousandth", traffic.Window{Length: time.Minute, Speed: 1440, Scale: 0.01}, []float64{25920, 864, 864, 12}, "arrivals of its causes from 00:00:00, speed ×1440, scale ×0.01, 1m0s"},
	} {
		s, err := c.Schedule(v.window)
		if err != nil {
			t.Fatal(err)
		}
		all := hits(s)
		counts, last := make([]float64, 4), time.Duration(0)
		for n, hit := range all {
			if hit.N != uint64(n) || hit.Due < last || hit.Due >= s.Duration() {
				t.Fatalf("%s: hit %d: %+v", v.name, n, hit)
			}
			last = hit.Due
			counts[hit.Entry]++
		}
		total := 0.0
		for i, want := range v.want {
			total += want
			if math.Abs(counts[i]-want) > 5*math.Sqrt(want) {
				t.Errorf("%s: entry %d has %v hits, expected %v", v.name, i, counts[i], want)
			}
		}
		if math.Abs(s.MeanRate()*s.Duration().Seconds()-total) > 1e-3*total {
			t.Errorf("%s: mean rate %v, expected %v calls", v.name, s.MeanRate(), total)
		}
		if s.String() != v.spec || s.Duration() != v.window.Length {
			t.Errorf("%s: %q, want %q", v.name, s, v.spec)
		}
		// Entered in the middle, it goes on with the same hits.
		entered := s.(interface {
			IteratorAt(time.Duration) schedule.Iterator
		}).IteratorAt(s.Duration() / 2)
		hit, ok := entered.Next()
		if !ok || hit.Due < s.Duration()/2 || all[hit.N] != hit || all[hit.N-1].Due >= s.Duration()/2 {
			t.Errorf("%s: entered at %+v", v.name, hit)
		}
		if next, _ := entered.Next(); next != all[hit.N+1] {
			t.Errorf("%s: after it %+v", v.name, next)
		}
	}
	for _, w := range []traffic.Window{{}, {Length: -1}, {Length: time.Second, Speed: -1}, {Length: time.Second, Scale: math.NaN()}, {Length: time.Second, Scale: 1e9},
		{Length: time.Second, Speed: math.Inf(1)}, {Length: time.Hour, Speed: 1e9}, {Length: time.Second, From: -1}} {
		if s, err := c.Schedule(w); err == nil {
			t.Errorf("%+v was taken: %v", w, s)
		}
	}
	if _, err := compiled(t, "causes: [{name: a, model: startup-storm, at: '09:00'}]").Schedule(traffic.Window{Length: time.Second}); err == nil || !strings.Contains(err.Error(), "no calls are expected between 00:00:00 and 00:00:01") {
		t.Errorf("an empty window: %v", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	f, err := traffic.Parse("f.yaml", []byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	x := f.Explain()
	if len(x.Causes) != 3 || x.Operations[0].Operation != "Decrypt" || math.Abs(x.Causes[0].Total.Month-30*2_628_000) > 1 || math.Abs(x.Causes[2].Total.Peak-20) > 1e-9 ||
		x.Causes[2].Total.PeakAt < 3*time.Hour || math.Abs(x.Total.Mean-(32+1200.0/86400)) > 1e-9 {
		t.Errorf("%+v", x)
	}
	if at := x.Causes[0].Total.PeakAt; at < 13*time.Hour+59*time.Minute || at > 14*time.Hour {
		t.Errorf("peak at %v", at)
	}
}
