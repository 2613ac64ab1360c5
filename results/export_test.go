package results_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"trent/results"
)

func TestCSV(t *testing.T) {
	t.Parallel()
	r := attackRecord(t)
	r.Operations[0].Name = `Encrypt, "small"`
	r.Total.Latency[3].Value = results.Never
	for table, want := range map[string]int{"operations": 6, "series": 31, "machine": 31, "percentiles": 21} {
		var out bytes.Buffer
		if err := results.WriteCSV(&out, r, table); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll() // refuses rows of unequal length
		if err != nil || len(rows) != want {
			t.Errorf("%s: %d rows, want %d (%v)", table, len(rows), want, err)
			continue
		}
		if table == "operations" && (rows[1][0] != r.Operations[0].Name || rows[5][len(rows[5])-1] != "never" || rows[1][6] != "3740") {
			t.Errorf("operations: %q … %q", rows[1], rows[5])
		}
	}
	if err := results.WriteCSV(&bytes.Buffer{}, r, "coffee"); err == nil {
		t.Error("an unknown table was written")
	}
}

func TestHistogramsAsLog(t *testing.T) {
	t.Parallel()
	r := attackRecord(t)
	var out bytes.Buffer
	if err := results.WriteHistograms(&out, r); err != nil {
		t.Fatal(err)
	}
	reader := hdr.NewHistogramLogReader(&out)
	for i := range r.Operations {
		got, err := reader.NextIntervalHistogram()
		if err != nil || got == nil {
			t.Fatalf("histogram %d: %v, %v", i, got, err)
		}
		want, err := r.Operations[i].Outcomes[0].Latency.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if got.Tag() != r.Operations[i].Name || cmp.Diff(want.Export().Counts, got.Export().Counts) != "" {
			t.Errorf("histogram %d, tag %q: read back differently", i, got.Tag())
		}
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	r := attackRecord(t)
	r.Gates = append(r.Gates, results.Gate{Name: "clock step", Figure: "1s", Limit: "≤ 10ms", Known: true, Void: true, Advice: "repeat"})
	var out bytes.Buffer
	if err := results.WriteJUnit(&out, r); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(out.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	// Three verdicts (pass, inconclusive, fail), three known gates of which one voids, and the run, which failed.
	if suite.Tests != 7 || suite.Failures != 2 || suite.Errors != 1 || suite.Skipped != 1 || len(suite.Cases) != 7 {
		t.Errorf("%+v\n%s", suite, out.String())
	}
	if suite.Cases[1].Skipped == nil || suite.Cases[2].Failure == nil || suite.Cases[5].Error == nil || suite.Cases[6].Failure == nil {
		t.Errorf("cases: %+v", suite.Cases)
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	r := attackRecord(t)
	r.Operations[0].Name = "a|b"
	var out bytes.Buffer
	if err := results.WriteMarkdown(&out, r); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"**FAIL**", "| p99 latency | all", `| a\|b |`, "|---|--:|", "seed 42"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	a, b := attackRecord(t), attackRecord(t)
	b.Started = b.Started.Add(300 * time.Millisecond)
	b.Series = b.Series[:20]
	m, err := results.Merge([]*results.Record{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if m.Total.Due != 30000-0 || m.Total.Count("ok") != 4*3740*2 || m.Total.NotOK() != 30000-4*3740*2 || m.Total.DuePerSec != 1000 || m.Engine.Due != 30000 {
		t.Errorf("total %+v", m.Total)
	}
	if len(m.Series) != 30 || m.Series[0].Due != 1000 || m.Series[25].Due != 500 || m.Series[0].P99 != nil {
		t.Errorf("series %+v … %+v", m.Series[0], m.Series[25])
	}
	one, err := a.Operations[2].Outcomes[0].Latency.Decode()
	if err != nil {
		t.Fatal(err)
	}
	two, err := m.Operations[2].Outcomes[0].Latency.Decode()
	if err != nil {
		t.Fatal(err)
	}
	doubled := hdr.Import(one.Export())
	doubled.Merge(one)
	if diff := cmp.Diff(doubled.Export().Counts, two.Export().Counts); diff != "" {
		t.Errorf("the merged histogram is not the sum:\n%s", diff)
	}
	// 10 of 3,750 hits have no answer: p99.9 lies among them, p99 does not.
	if p := m.Operations[2].Latency; p[3].Value != results.Never || p[2].Value == results.Never || *p[2].Answered > p[2].Value || p[2].Low != nil {
		t.Errorf("percentiles %+v", p)
	}
	if m.Outcome != "inconclusive" || m.ExitCode != 6 || len(m.Verdicts) != 0 || len(m.Notes) != 1 {
		t.Errorf("outcome %s, exit code %d, notes %q", m.Outcome, m.ExitCode, m.Notes)
	}
	var out bytes.Buffer
	if err := errors.Join(results.Write(&out, m), results.RenderHTML(&bytes.Buffer{}, m)); err != nil {
		t.Error(err)
	}
}

func TestMergeRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(r *results.Record)
		want  string
	}{
		"kind":     {func(r *results.Record) { r.Kind = results.Soak }, "only attacks"},
		"workload": {func(r *results.Record) { r.Workload.Source += "#" }, "workload"},
		"slo":      {func(r *results.Record) { r.SLO.Summary = "other" }, "SLO"},
		"length":   {func(r *results.Record) { r.Schedule.Duration++ }, "lasted"},
		"entries":  {func(r *results.Record) { r.Operations[1].Name = "Dance" }, "Dance"},
		"geometry": {func(r *results.Record) {
			h := hdr.New(100, int64(time.Hour), 2)
			_ = h.RecordValue(5000)
			r.Operations[0].Outcomes[0].Latency, _ = results.EncodeHistogram(h)
		}, "different limits or digits"},
	} {
		b := attackRecord(t)
		c.spoil(b)
		if _, err := results.Merge([]*results.Record{attackRecord(t), b}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
	if _, err := results.Merge([]*results.Record{attackRecord(t)}); err == nil {
		t.Error("one record was merged")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	a, b := attackRecord(t), attackRecord(t)
	b.Environment.Kernel, b.Total.OKPerSec = "6.2.0", a.Total.OKPerSec*2
	b.Operations[0].Name = "Dance"
	b.Operations[1].Latency[2].Value = a.Operations[1].Latency[2].Value * 3
	var out bytes.Buffer
	if err := results.RenderDiff(&out, a, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kernel: 6.1.0 and 6.2.0", "2.000", "3.000", "not sent", "no comparison"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
