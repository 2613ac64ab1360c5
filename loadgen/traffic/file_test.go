package traffic_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

func TestBuiltins(t *testing.T) {
	t.Parallel()
	for _, name := range traffic.Builtin() {
		f, err := traffic.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != name || f.Description == "" || !traffic.Names(name) || !traffic.HasCauses([]byte(f.Text)) || slices.Contains(workload.Builtin(), name) {
			t.Errorf("%s: %+v", name, f)
		}
		if _, err := f.Compiled(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := traffic.Load("nonesuch"); err == nil || !strings.Contains(err.Error(), "web-shop") {
		t.Errorf("unknown file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("causes: [{name: x, model: kinesis}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := traffic.Load(path); err != nil || f.Name != path || !traffic.Names(path) {
		t.Errorf("file: %v", err)
	}
	for _, text := range []string{"mix: [{operation: ListKeys}]", "- causes", "causes", "{", ""} {
		if traffic.HasCauses([]byte(text)) {
			t.Errorf("%q has no causes", text)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := traffic.Parse("f.yaml", []byte(`
name: two
day: {peak_to_mean: 1.5, peak_at: "20:30"}
keys:
  - {name: tokens, spec: ECC_NIST_P384, count: 3}
causes:
  - name: a
    model: s3
    gets: 60/min
    times: 3
  - name: b
    model: token-signing
    service: shop
    caller: accounts
    key: tokens
    day: flat
    logins: 20k/day
  - {name: c, model: custom, calls: {GenerateRandom: 1/s, GenerateDataKeyPair: 2/s}, key: pairs}
`))
	if err != nil {
		t.Fatal(err)
	}
	flows := f.Flows()
	a, b := flows[0], flows[1]
	if a.Rate.Mean != 3 || a.Rate.Swing != 1.5 || a.Rate.Peak != 20*time.Hour+30*time.Minute || a.Caller != "a" || a.Key != "aws/s3" || a.KeySpec != "SYMMETRIC_DEFAULT" ||
		!strings.Contains(a.Formula, "times 3") || a.Context["aws:s3:arn"] == "" {
		t.Errorf("%+v", a)
	}
	if b.Service != "shop" || b.Caller != "accounts" || b.KeySpec != "ECC_NIST_P384" || b.Rate.Swing != 0 || math.Abs(b.Rate.Mean-20_000.0/86400) > 1e-12 {
		t.Errorf("%+v", b)
	}
	for _, f := range flows {
		if f.Operation == "GenerateRandom" && (f.Key != "" || f.KeySpec != "") || f.Operation == "GenerateDataKeyPair" && f.KeySpec != "ECC_NIST_P256" {
			t.Errorf("%+v", f)
		}
	}
	c, err := f.Compiled()
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, g := range c.Workload.Keys {
		groups = append(groups, g.Name+" "+g.Spec+" "+g.Usage)
	}
	if want := []string{"aws/s3 SYMMETRIC_DEFAULT ENCRYPT_DECRYPT", "tokens ECC_NIST_P384 SIGN_VERIFY", "pairs SYMMETRIC_DEFAULT ENCRYPT_DECRYPT"}; !slices.Equal(groups, want) {
		t.Errorf("keys %q, want %q", groups, want)
	}
	if c.Workload.Keys[1].Count != 3 || c.Workload.Mix[0].Cause != "a" || c.Workload.Mix[1].Caller != "accounts" || c.Workload.Mix[1].Service != "shop" {
		t.Errorf("%+v", c.Workload)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"causes:\n  - name: a\n    model: s3\n    pust: 3/s\n", `f.yaml:4:5: unknown key "pust" in a cause of model s3; known: name, model, service, caller, key, times, day, puts,`},
		{"causes:\n  - name: a\n    model: s4\n", `f.yaml:3:12: unknown model "s4": expected one of cloudtrail,`},
		{"causes:\n  - name: a\n", "f.yaml:2:5: a cause needs a model"},
		{"causes:\n  - model: s3\n    gets: 1/s\n", "f.yaml:2:5: a cause has no name"},
		{"causes:\n  - name: a\n    model: s3\n    gets: 12\n", `f.yaml:4:11: gets: "12" does not say per what time: write 12/s`},
		{"causes:\n  - name: a\n    model: s3\n    gets: 12/fortnight\n", `f.yaml:4:11: gets: "12/fortnight": unknown unit of time "fortnight"`},
		{"causes:\n  - name: a\n    model: s3\n    gets: -1/s\n", `f.yaml:4:11: gets: "-1" is no number of 0 or more`},
		{"causes:\n  - name: a\n    model: s3\n    gets: .inf\n", `f.yaml:4:11: wants a single value`},
		{"causes:\n  - name: a\n    model: s3\n    gets: 0x10/s\n", `is no number`},
		{"causes:\n  - name: a\n    model: s3\n    gets: 9999G/s\n", `is above the limit of 1e+09 a second`},
		{"causes:\n  - name: a\n    model: s3\n    gets: [1/s]\n", "f.yaml:4:11: wants a single value"},
		{"causes:\n  - name: a\n    model: s3\n    gets: 1/s\n    bucket_keys: yes\n", `f.yaml:5:18: bucket_keys: "yes": expected true or false`},
		{"causes:\n  - name: a\n    model: s3\n    gets: 1/s\n    requesters: 0\n", `f.yaml:5:17: requesters: "0" is below the least, 1`},
		{"causes:\n  - name: a\n    model: s3\n    gets: 1/s\n    requesters: 1.5\n", `f.yaml:5:17: requesters: "1.5" is no whole number`},
		{"causes:\n  - name: a\n    model: sqs\n    reuse_period: 30s\n", `f.yaml:4:19: reuse_period: "30s" is below the least, 1m0s`},
		{"causes:\n  - name: a\n    model: sqs\n    reuse_period: 25h\n", "f.yaml:2:5: a: reuse_period is from 60s to 24h"},
		{"causes:\n  - name: a\n    model: sqs\n    reuse_period: soon\n", `f.yaml:4:19: reuse_period: "soon": expected a duration`},
		{"causes:\n  - name: a\n    model: parameter-store\n    tier: free\n", `f.yaml:4:11: tier: "free": expected one of standard, advanced`},
		{"causes:\n  - name: a\n    model: startup-storm\n    at: 25:00\n", `f.yaml:4:9: at: "25:00": expected a time of day`},
		{"causes:\n  - name: a\n    model: startup-storm\n    every: 1ms\n", "f.yaml:2:5: a: every: storms come at most once a second"},
		{"causes:\n  - name: a\n    model: startup-storm\n    every: 1s\n    within: 1h\n", "f.yaml:2:5: a: every: more than 100 storms at once"},
		{"causes:\n  - name: a\n    model: custom\n    calls: {Decrpyt: 1/s}\n", `f.yaml:4:13: unknown operation "Decrpyt": expected one of CreateGrant,`},
		{"causes:\n  - name: a\n    model: custom\n    calls: 3/s\n", "f.yaml:4:12: calls wants keys and values"},
		{"causes:\n  - name: a\n    model: custom\n    calls: {Sign: 1/s}\n", "f.yaml:2:5: a: Sign needs a key of usage SIGN_VERIFY, which SYMMETRIC_DEFAULT cannot have; list the key"},
		{"causes:\n  - name: a\n    model: s3\n", "f.yaml:2:5: a: by these inputs it makes no calls; 'trent workload show s3' lists them"},
		{"causes:\n  - name: a\n    model: secrets-manager\n    cached_reads: 1/s\n", "a: cached_reads needs instances"},
		{"causes:\n  - {name: a, model: kinesis}\n  - {name: a, model: sqs}\n", `f.yaml:3:5: cause "a" appears twice`},
		{"causes:\n  - {name: a, model: kinesis, name: b}\n", `f.yaml:2:`},
		{"causes: []\n", "f.yaml:1:9: causes wants from 1 to 1000 entries"},
		{"causes: 3\n", "f.yaml:1:9: causes wants a list"},
		{"name: x\n", "f.yaml:1:1: causes is missing"},
		{"causes: [{name: a, model: kinesis}]\nmix: []\n", "f.yaml:2:1: a file has either mix or causes"},
		{"causes: [{name: a, model: kinesis}]\ncauze: 1\n", `f.yaml:2:1: unknown key "cauze" in the file`},
		{"day: {peak_to_mean: 3}\ncauses: [{name: a, model: kinesis}]\n", "f.yaml:1:21: peak_to_mean: a day curve is a sine"},
		{"day: {peak_to_mean: 0.5}\ncauses: [{name: a, model: kinesis}]\n", `f.yaml:1:21: peak_to_mean: "0.5" is below the least, 1`},
		{"day: {hours: 9-17}\ncauses: [{name: a, model: kinesis}]\n", `f.yaml:1:14: hours: expected two times of day such as "09:00-17:00"`},
		{"day: {hours: \"09:00-09:00\"}\ncauses: [{name: a, model: kinesis}]\n", `f.yaml:1:14: hours: expected two times`},
		{"day: {hours: \"09:00-17:00\", peak_to_mean: 2}\ncauses: [{name: a, model: kinesis}]\n", `day has either a peak or hours`},
		{"day: weekly\ncauses: [{name: a, model: kinesis}]\n", "f.yaml:1:6: day is flat, {peak_to_mean"},
		{"keys: [{name: k, spec: DES}]\ncauses: [{name: a, model: kinesis}]\n", `f.yaml:1:24: unknown key spec "DES"`},
		{"keys: [{name: k}, {name: k}]\ncauses: [{name: a, model: kinesis}]\n", `key "k" appears twice`},
		{"keys: [{name: k, count: 2M}]\ncauses: [{name: a, model: kinesis}]\n", "f.yaml:1:25: count is above the limit of 1000000"},
		{"causes: [\n", "f.yaml:1:"},
		{"causes: " + strings.Repeat("{a: ", 100_000), "f.yaml:1:265: nested deeper than 64 levels"},
		{"# " + strings.Repeat("x", 1<<20), "f.yaml: larger than 1048576 bytes"},
		{"", "f.yaml: wants one YAML document with causes"},
		{"causes: &a [{name: a, model: kinesis}]\nname: *a\n", "f.yaml:"},
		{"name: \"a\\u0007b\"\ncauses: [{name: a, model: kinesis}]\n", "f.yaml:1:7: has a control character"},
	} {
		_, err := traffic.Parse("f.yaml", []byte(c.text))
		var typed *workload.Error
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// Parsing never panics and refuses with a typed error; what it takes has finite, non-negative rates, and compiles or says why not.
func FuzzParse(f *testing.F) {
	for _, name := range traffic.Builtin() {
		data, err := traffic.Read(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, m := range traffic.Models() {
		text := "causes:\n  - name: x\n    model: " + m.Name + "\n"
		for _, in := range m.Inputs {
			value := in.Default
			switch {
			case in.Kind == traffic.CallsInput:
				value = "{Decrypt: 1/s, GenerateRandom: 2k/day}"
			case in.Kind == traffic.RateInput:
				value = "1.5M/month"
			case value == "":
				value = "3"
			}
			text += "    " + in.Name + ": " + value + "\n"
		}
		f.Add([]byte(text))
	}
	f.Add([]byte("causes: [{name: a, model: s3, gets: 1e9/s, times: 1e12}]"))
	f.Add([]byte("causes: [{? a : b}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := traffic.Parse("f.yaml", data)
		if err != nil {
			var typed *workload.Error
			if !errors.As(err, &typed) {
				t.Fatalf("untyped error %T %v", err, err)
			}
			return
		}
		flows := file.Flows()
		for i := range flows {
			fl := &flows[i]
			for _, v := range []float64{fl.Rate.Mean, fl.Mean(), fl.At(time.Hour), fl.Calls(0, day), fl.Rate.Mean - fl.Rate.Swing} {
				if !(v >= 0) || math.IsInf(v, 0) {
					t.Fatalf("%+v: figure %v", fl, v)
				}
			}
		}
		if c, err := file.Compiled(); err == nil && len(flows) < 50 {
			if s, err := c.Schedule(traffic.Window{Length: time.Millisecond}); err == nil {
				for it, n := s.Iterator(), 0; n < 100; n++ {
					if hit, ok := it.Next(); !ok || hit.Due < 0 || hit.Due >= time.Millisecond {
						break
					}
				}
			}
		}
	})
}
