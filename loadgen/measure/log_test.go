package measure_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trent/loadgen/measure"
)

// drawSamples makes hits of any fate, of two entries.
func drawSamples(t *rapid.T) []measure.Sample {
	limit := rapid.SampledFrom([]time.Duration{3 * time.Second, 3000 * time.Second}).Draw(t, "length") // the longer one widens blocks
	var samples []measure.Sample
	for n := range rapid.IntRange(0, 80).Draw(t, "hits") {
		due := time.Duration(rapid.Int64Range(0, int64(limit)).Draw(t, "due"))
		entry := uint16(rapid.IntRange(0, 1).Draw(t, "entry"))
		if rapid.IntRange(0, 4).Draw(t, "fate") == 0 {
			samples = append(samples, never(uint64(n), entry, due, measure.Outcome(rapid.IntRange(1, int(measure.NumOutcomes)-1).Draw(t, "outcome")), 0))
			continue
		}
		samples = append(samples, ok(uint64(n), entry, due, time.Duration(rapid.Int64Range(1, int64(2*time.Hour)).Draw(t, "latency"))))
	}
	return samples
}

// For any partition of the hits over agents, what they ship as logs and the coordinator merges equals what one recorder measures,
// bit for bit, and so does what a recorder adopts.
func TestMergedLogsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := drawSamples(t)
		agents := rapid.IntRange(1, 3).Draw(t, "agents")
		parts := make([][]measure.Sample, agents)
		for _, s := range samples {
			agent := rapid.IntRange(0, agents-1).Draw(t, "agent")
			parts[agent] = append(parts[agent], s)
		}
		want := record(recorder("a", "b"), samples...)
		adopting := recorder("a", "b")
		var merged *measure.Summary
		for _, part := range parts {
			var log bytes.Buffer
			if err := record(recorder("a", "b"), part...).WriteLog(&log); err != nil {
				t.Fatal(err)
			}
			shipped, err := measure.ReadLog(bytes.NewReader(log.Bytes()), []string{"a", "b"})
			if err != nil {
				t.Fatalf("%v in\n%s", err, log.String())
			}
			if err := adopting.Adopt(shipped); err != nil {
				t.Fatal(err)
			}
			again, err := measure.ReadLog(&log, []string{"a", "b"})
			if err != nil {
				t.Fatal(err)
			}
			if merged == nil {
				merged = again
			} else if err := merged.Merge(again); err != nil {
				t.Fatal(err)
			}
		}
		for _, got := range []*measure.Summary{merged, adopting.Summary()} {
			if diff := cmp.Diff(want, got, cmp.Comparer(sameBits)); diff != "" {
				t.Fatalf("merged differs (-single +merged):\n%s", diff)
			}
		}
	})
}

// sameBits compares the limits, digits and every count of histograms.
func sameBits(a, b *hdr.Histogram) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equals(b)
}

func logOf(t testing.TB) string {
	t.Helper()
	r := recorder("a", "b")
	fault := r.Intern([]byte("SomeException"))
	var out bytes.Buffer
	if err := record(r, ok(0, 0, 0, 5*ms), ok(1, 1, 1500*ms, 7*ms), never(2, 0, time.Second, measure.Timeout, fault)).WriteLog(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The log is one that the library's own reader reads, tags and all.
func TestLogIsAnHdrHistogramLog(t *testing.T) {
	t.Parallel()
	reader := hdr.NewHistogramLogReader(strings.NewReader(logOf(t)))
	tags := map[string]int64{}
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		tags[h.Tag()] = h.Max()
	}
	if len(tags) != 12 || time.Duration(tags["1.ok.latency"]) < 7*ms || time.Duration(tags["1.ok.latency"]) > 7*ms+7*us {
		t.Errorf("histograms %v", tags)
	}
}

func TestLogErrors(t *testing.T) {
	t.Parallel()
	good := logOf(t)
	lines := strings.Split(good, "\n")
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	other := hdr.New(1, int64(time.Hour), 3)
	if err := other.RecordValue(5); err != nil {
		t.Fatal(err)
	}
	packed, err := other.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "unexpected EOF before its end"},
		"title":           {swap("1]", "2]"), "line 1, column 1: expected #[Trent measurements 1]"},
		"cut":             {strings.Join(lines[:5], "\n"), "unexpected EOF before its end"},
		"unknown member":  {swap(`"clamped"`, `"clmped"`), "line 2, column 11: json: unknown field"},
		"other entries":   {swap(`"b"`, `"c"`), "line 2, column 11: measured with another configuration: entries"},
		"width":           {swap(`"width_ns":1000000000`, `"width_ns":3000000000`), "line 2, column 11: blocks of 3s"},
		"no summary":      {lines[0] + "\n" + lines[3], "line 2, column 1: expected the summary"},
		"twice":           {swap(lines[4], lines[4]+"\n"+lines[4]), "line 6, column 5: a second histogram"},
		"unknown tag":     {swap("Tag=0.ok.latency", "Tag=0.ok.latncy"), `unknown histogram "0.ok.latncy"`},
		"no histogram":    {swap("Tag=0.ok.latency,0.000", "Tag=0.ok.latency"), "line 5, column 5: expected a tag"},
		"other limits":    {swap(lines[4], "Tag=0.ok.latency,0.000,1.000,1.0,"+string(packed)), "line 5, column 34: measured with another configuration: a histogram from 1 to"},
		"other digits":    {swap("Tag=0.ok.latency", "Tag=0.failed.latency"), "at 3 digits instead of"},
		"not base64":      {swap("HISTFA", "?ISTFA"), "illegal base64"},
		"more times":      {swap(`"outcomes":[1,0,0,1`, `"outcomes":[0,0,0,1`), "1 times of 0 hits that ended as ok"},
		"other blocks":    {swap(`"outcomes":[1,0,0,1`, `"outcomes":[1,0,1,1`), "blocks of 0 hits, and 1 that ended as failed"},
		"odd bins":        {swap(`"bins":[`, `"bins":[7,`), "a value without its count"},
		"not a bucket":    {swap(`"bins":[5`, `"bins":[4`), "latencies of"},
		"unexpected line": {swap(lines[4], "hello"), "line 5, column 1: unexpected line"},
	} {
		_, err := measure.ReadLog(strings.NewReader(c.text), []string{"a", "b"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		var at *measure.LogError
		if strings.HasPrefix(c.want, "line") && !errors.As(err, &at) {
			t.Errorf("%s: %v says no place", name, err)
		}
	}
}

// Histograms of other limits or digits are refused, and nothing is changed by the attempt.
func TestMergeRefusesOtherLimits(t *testing.T) {
	t.Parallel()
	for _, h := range []*hdr.Histogram{hdr.New(1, int64(measure.Highest), 3), hdr.New(int64(measure.Lowest), int64(time.Minute), 3), hdr.New(int64(measure.Lowest), int64(measure.Highest), 2)} {
		a, b := record(recorder("a"), ok(0, 0, 0, ms)), record(recorder("a"), ok(0, 0, 0, ms))
		b.Entries[0].Outcomes[measure.OK].Latency = h
		if err := a.Merge(b); !errors.Is(err, measure.ErrDiffers) || a.Asked() != 1 || a.Latency(measure.OK).TotalCount() != 1 {
			t.Errorf("merged %v: %v", h, err)
		}
	}
	r := recorder("a")
	if err := r.Adopt(record(recorder("b"))); !errors.Is(err, measure.ErrDiffers) {
		t.Errorf("adopted: %v", err)
	}
}

// Whatever reads as a log writes the same measurements again, in bounded memory, and merges with itself.
func FuzzReadLog(f *testing.F) {
	good := logOf(f)
	f.Add(good)
	f.Add("")
	f.Add(strings.Replace(good, "ok.latency", "ok.service", 1))
	f.Add(strings.Replace(good, `"bins":[`, `"bins":[64,1,`, 1))
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, text string) {
		s, err := measure.ReadLog(strings.NewReader(text), []string{"a", "b"})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := s.WriteLog(&out); err != nil {
			t.Fatal(err)
		}
		again, err := measure.ReadLog(&out, []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, cmp.Comparer(sameBits)); diff != "" {
			t.Fatal(diff)
		}
		if err := again.Merge(s); err != nil || again.Asked() != 2*s.Asked() {
			t.Fatalf("%d hits and %d: %v", s.Asked(), again.Asked(), err)
		}
	})
}
