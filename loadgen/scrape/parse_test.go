package scrape_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"trent/loadgen/scrape"
)

// The example of the Prometheus documentation, "Exposition formats: Text format example", abridged.
const example = `# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
`

func TestParse(t *testing.T) {
	t.Parallel()
	samples, err := scrape.Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]scrape.Sample{}
	for _, s := range samples {
		got[s.ID()] = s
	}
	for _, c := range []struct {
		id    string
		kind  scrape.Kind
		value float64
	}{
		{`http_requests_total{code="200",method="post"}`, scrape.Counter, 1027},
		{`msdos_file_access_time_seconds{error="Cannot find file:\n\"FILE.TXT\"",path="C:\\DIR\\FILE.TXT"}`, scrape.Untyped, 1.458255915e9},
		{`metric_without_timestamp_and_labels`, scrape.Untyped, 12.47},
		{`something_weird{problem="division by zero"}`, scrape.Untyped, math.Inf(1)},
		{`http_request_duration_seconds_bucket{le="+Inf"}`, scrape.Counter, 144320},
		{`http_request_duration_seconds_sum`, scrape.Counter, 53423},
		{`rpc_duration_seconds{quantile="0.01"}`, scrape.Gauge, 3102},
		{`rpc_duration_seconds_count`, scrape.Counter, 2693},
	} {
		s, ok := got[c.id]
		if !ok || s.Kind != c.kind || s.Value != c.value {
			t.Errorf("%s: %+v, want kind %d and %v", c.id, s, c.kind, c.value)
		}
	}
	if len(samples) != 12 {
		t.Errorf("%d samples, want 12", len(samples))
	}
	if s := got[`http_requests_total{code="200",method="post"}`]; s.Label("code") != "200" || s.Label("none") != "" {
		t.Errorf("labels %+v", s.Labels)
	}
}

func TestParseOpenMetrics(t *testing.T) {
	t.Parallel()
	samples, err := scrape.Parse([]byte("# TYPE acme_http_requests counter\n# UNIT acme_http_requests requests\n" +
		"acme_http_requests_total{path=\"/\"} 17 1520879607.789 # {trace_id=\"a\"} 0.67 1520879607.789\nacme_http_requests_created{path=\"/\"} 1.5e9\n# EOF\n"))
	if err != nil || len(samples) != 2 || samples[0].Kind != scrape.Counter || samples[1].Kind != scrape.Gauge {
		t.Errorf("%+v, %v", samples, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<html>":           "metrics:1:1: wants the name",
		"\n{a=\"b\"} 1":    "metrics:2:1: wants the name",
		"a":                "metrics:1:2: wants a blank",
		"a x":              `metrics:1:3: "x" is not a number`,
		"a 0x10":           "is not a number",
		"a 1_000":          "is not a number",
		"a 1 2 3":          "metrics:1:7: text after the sample",
		`a{b="c} 1`:        "metrics:1:5: the quotes do not end",
		`a{b="\t"} 1`:      "metrics:1:7: after \\ wants",
		`a{b=c} 1`:         "metrics:1:5: wants a value in quotes",
		`a{b="c" d="e"} 1`: "metrics:1:9: wants , or }",
		`a{b="c",b="d"} 1`: "metrics:1:9: label b comes twice",
		`a{1="c"} 1`:       "metrics:1:3: wants the name of a label",
		"a{b=\"\xff\"} 1":  "not UTF-8",
		"a 1\na 2":         "metrics:2:2: a comes twice",
		"a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1": "comes twice",
		"# TYPE a":                         "metrics:1:1: TYPE wants",
		"# TYPE a chart":                   `metrics:1:10: unknown type "chart"`,
		"# TYPE a gauge\n# TYPE a counter": "metrics:2:1: a has two types",
		"# EOF\na 1":                       "metrics:2:1: text after # EOF",
	} {
		_, err := scrape.Parse([]byte(text))
		var parse *scrape.ParseError
		if !errors.As(err, &parse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := scrape.Parse(make([]byte, scrape.MaxBytes+1)); err == nil {
		t.Error("an answer without bounds was taken")
	}
}

// Whatever is accepted can be written again and means the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{example, "", "a 1", `a{b="c",} NaN`, "# EOF", "a{} 1e309", "# TYPE a counter\na_total 1 # {} 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		samples, err := scrape.Parse(text)
		if err != nil {
			return
		}
		for _, s := range samples {
			again, err := scrape.Parse([]byte(s.ID() + " 1\n"))
			if err != nil || len(again) != 1 || again[0].ID() != s.ID() {
				t.Fatalf("%q became %+v, %v", s.ID(), again, err)
			}
		}
	})
}
