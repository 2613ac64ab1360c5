package results_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trent/results"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, r := range []*results.Record{attackRecord(t), capacityRecord(t), comparisonRecord(t)} {
		var out bytes.Buffer
		if err := results.Write(&out, r); err != nil {
			t.Fatal(err)
		}
		got, err := results.Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("%s: read back differently (-wrote +read):\n%s", r.Kind, diff)
		}
	}
}

func TestReadRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "not a run record"},
		{"{}", "no schema number"},
		{`{"schema": 0}`, "no schema number"},
		{`{"schema": 99, "kind": 5}`, "it has schema 99"},
		{`{"schema": 1, "kind": "dance"}`, `unknown kind "dance"`},
		{`{"schema": 1, "kind": "capacity"}`, "without its result"},
		{`{"schema": 1, "kind": "compare"}`, "without its result"},
		{`{"schema": 1, "kind": "attack", "series": [{"at_ns": 0}]}`, "no width"},
		{`{"schema": 1, "kind": "attack", "total": {"latency": [{"q": 1.5, "value_ns": 1}]}}`, "percentile 1.5"},
		{`{"schema": 1, "kind": "attack", "total": {"latency": [{"q": 0.5, "value_ns": -1}]}}`, "negative"},
	} {
		_, err := results.Read(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read(%q): %v, want %q in it", c.text, err, c.want)
		}
	}
	if _, err := results.Read(strings.NewReader(`{"schema": 2}`)); !errors.Is(err, results.ErrNewer) {
		t.Errorf("a newer schema: %v, want ErrNewer", err)
	}
	r, err := results.Read(strings.NewReader(`{"schema": 1, "kind": "attack", "a_member_of_tomorrow": {}}`))
	if err != nil || r.Kind != results.Attack {
		t.Errorf("an unknown member: %v, %v", r, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, r := range []*results.Record{attackRecord(f), capacityRecord(f), comparisonRecord(f)} {
		r.Operations = r.Operations[:min(1, len(r.Operations))]
		r.Series, r.Machine = r.Series[:min(3, len(r.Series))], r.Machine[:min(3, len(r.Machine))]
		var out bytes.Buffer
		if err := results.Write(&out, r); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	f.Add([]byte(`{"schema": 1, "kind": "attack"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := results.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		// Whatever reads must render.
		if err := results.RenderHTML(io.Discard, r); err != nil {
			t.Error(err)
		}
		if err := results.RenderTerminal(io.Discard, r); err != nil {
			t.Error(err)
		}
		if err := results.Write(io.Discard, r); err != nil {
			t.Error(err)
		}
	})
}

func TestLatencyJSON(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal([]results.Latency{5, results.Never})
	if err != nil || string(out) != `[5,"never"]` {
		t.Errorf("Marshal = %s, %v", out, err)
	}
	for l, want := range map[results.Latency]string{0: "0", 999: "999 ns", 12_345: "12.3 µs", 999_700: "1.00 ms", 850_000: "850 µs", 1_200_000_000: "1.20 s", results.Never: "never"} {
		if l.String() != want {
			t.Errorf("%d prints as %q, want %q", int64(l), l, want)
		}
	}
}

func TestTerminalGolden(t *testing.T) {
	t.Parallel()
	for _, r := range []*results.Record{attackRecord(t), capacityRecord(t), comparisonRecord(t)} {
		var out bytes.Buffer
		if err := results.RenderTerminal(&out, r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "golden", string(r.Kind)+".txt")
		if *update {
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// The page must work from a mail attachment, years later: nothing fetched, nothing run.
func TestHTMLIsSelfContained(t *testing.T) {
	t.Parallel()
	for _, r := range []*results.Record{attackRecord(t), capacityRecord(t), comparisonRecord(t)} {
		r.Workload.Name = `<script>alert("mixed")</script>`
		if r.Comparison != nil {
			r.Comparison.Effects[0].Operation, r.Comparison.A.Name = `<img src=x>`, `<img src=y>`
		} else {
			r.Operations[0].Name = `<img src=x>`
		}
		var out bytes.Buffer
		if err := results.RenderHTML(&out, r); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		for _, forbidden := range []string{"<script", "<link", "<img", "@import", "url(", "NaN", "Inf", "%!"} {
			if strings.Contains(page, forbidden) {
				at := strings.Index(page, forbidden)
				t.Errorf("%s: the page contains %q: …%s…", r.Kind, forbidden, page[max(at-80, 0):min(at+80, len(page))])
			}
		}
		for _, wanted := range []string{"prefers-color-scheme: dark", "viewport", `'sine: it'\''s'`} {
			if r.Kind == results.Attack && !strings.Contains(strings.ReplaceAll(page, "&#39;", "'"), wanted) {
				t.Errorf("%s: the page lacks %q", r.Kind, wanted)
			}
		}
		charts := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
		if len(charts) < 8 && r.Kind != results.Compare || len(charts) < 6 {
			t.Errorf("%s: %d charts, want four or more in two sizes", r.Kind, len(charts))
		}
		for _, chart := range charts {
			decoder := xml.NewDecoder(strings.NewReader(chart))
			for {
				if _, err := decoder.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: a chart is not well-formed: %v", r.Kind, err)
				}
			}
		}
	}
}

func TestHeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spoil func(*results.CapacityResult)
		want  string
	}{
		{func(*results.CapacityResult) {}, "20,100 requests/s sustained (server-bound)"},
		{func(c *results.CapacityResult) { c.Label = results.ClientBound }, "At least 20,100 requests/s (client-bound), estimated ceiling 22,400/s"},
		{func(c *results.CapacityResult) { c.Label, c.Ceiling = results.NotReached, 0 }, "At least 20,100 requests/s (client-bound: the highest rate allowed passed)"},
		{func(c *results.CapacityResult) { c.Sustained = 0 }, "No rate was confirmed within the SLO"},
		{func(c *results.CapacityResult) { c.Label = results.CostOnly }, "CPU a request only: fewer than two usable CPUs"},
	} {
		r := capacityRecord(t)
		c.spoil(r.Capacity)
		if got := r.Headline(); got != c.want {
			t.Errorf("headline %q, want %q", got, c.want)
		}
	}
}

func TestHTMLOfAnEmptyRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := results.RenderHTML(&out, &results.Record{Kind: results.Attack, Outcome: "inconclusive"}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "<svg") {
		t.Error("a run without hits has charts")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "dir")
	record, report, err := results.WriteFiles(dir, attackRecord(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{record, dir} {
		if r, err := results.ReadFile(path); err != nil || r.Seed != 42 {
			t.Errorf("ReadFile(%s): %v, %v", path, r, err)
		}
	}
	if info, err := os.Stat(report); err != nil || info.Size() < 10_000 {
		t.Errorf("the report: %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v; want the two files only", entries, err)
	}
}

func TestHistogramIsExact(t *testing.T) {
	t.Parallel()
	r := attackRecord(t)
	packed := r.Operations[0].Outcomes[0].Latency
	h, err := packed.Decode()
	if err != nil || h.TotalCount() != 3740 {
		t.Fatalf("Decode: %v", err)
	}
	again, err := results.EncodeHistogram(h)
	if err != nil || again.Encoded != packed.Encoded {
		t.Errorf("encoding what was decoded gave something else (%v)", err)
	}
	if _, err := (&results.Histogram{Encoded: "not base64!"}).Decode(); err == nil {
		t.Error("nonsense decoded")
	}
	if _, err := (&results.Histogram{Encoded: strings.Repeat("A", 2<<20)}).Decode(); err == nil {
		t.Error("two megabytes decoded")
	}
	if empty, err := results.EncodeHistogram(nil); empty != nil || err != nil {
		t.Errorf("no histogram: %v, %v", empty, err)
	}
}
