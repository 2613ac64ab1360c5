package attack_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trent/loadgen/attack"
	"trent/loadgen/machine"
	"trent/results"
)

// The server's own metrics come into the record: counters as rates, gauges as they were, runtimes left out.
func TestMetricsOfTheServer(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	m := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE requests_total counter\nrequests_total{result=\"ok\"} %d\n# TYPE queue gauge\nqueue 3\n# TYPE python_gc gauge\npython_gc 1\n# TYPE odd gauge\nodd +Inf\n# TYPE odder_total counter\nodder_total +Inf\n", s.hits.Load())
	}))
	defer m.Close()
	o := options(t, s, "200/s 2500ms")
	o.Workload, o.Metrics = small(t), m.URL+"/metrics"
	r, err := attack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	got := r.ServerMetrics
	if got == nil || got.Scrapes < 4 || got.Failed != 0 || len(got.Series) != 4 || len(got.At) != got.Scrapes {
		t.Fatalf("%+v", got)
	}
	rate, ok := got.Mean("requests_total", `result="ok"`)
	if !ok || rate < 150 || rate > 250 || !got.Find("requests_total")[0].Counter || !math.IsNaN(got.Find("requests_total")[0].Values[0]) {
		t.Errorf("rate %v of %+v", rate, got.Series)
	}
	if queue, _ := got.Mean("queue"); queue != 3 || got.Find("queue")[0].Counter {
		t.Errorf("queue %v", queue)
	}
	checkRenders(t, r)
	var text strings.Builder
	if err := results.RenderTerminal(&text, r); err != nil || !strings.Contains(text.String(), `requests_total{result="ok"}`) {
		t.Errorf("%v:\n%s", err, text.String())
	}
}

// Metrics that are not there are no reason to fail, but the record says so.
func TestMetricsThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	o := options(t, s, "100/s 500ms")
	o.Workload, o.Metrics = small(t), "http://127.0.0.1:1/metrics"
	r, err := attack.Run(t.Context(), o)
	if err != nil || r.ServerMetrics == nil || r.ServerMetrics.Failed == 0 || r.ServerMetrics.Failure == "" {
		t.Errorf("%v, %+v", err, r.ServerMetrics)
	}
	checkRenders(t, r)
}

// The client's own process is in every sample; a server in the same process cannot be told apart.
func TestProcessesInTheRecord(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	if pid, why := attack.ServerProcess(machine.Host{}, s.URL); pid != 0 || why != "" {
		t.Errorf("process %d serves %s (%s), which is this one", pid, s.URL, why)
	}
	for _, endpoint := range []string{"https://192.0.2.1", "https://example.com", "::", "https://kms.us-east-1.amazonaws.com"} {
		if pid, why := attack.ServerProcess(machine.Host{}, endpoint); pid != 0 || why != "" {
			t.Errorf("%s: process %d, %q", endpoint, pid, why)
		}
	}
	if pid, why := attack.ServerProcess(machine.Host{}, "https://localhost:1"); pid != 0 || why == "" {
		t.Errorf("nobody listens: process %d, %q", pid, why)
	}
	o := options(t, s, "100/s 2s")
	o.Workload = small(t)
	r, err := attack.Run(t.Context(), o)
	if err != nil || len(r.Machine) == 0 {
		t.Fatalf("%v, %d samples", err, len(r.Machine))
	}
	if sample := r.Machine[len(r.Machine)-1]; sample.Client.Slices == 0 || sample.Client.Resident == 0 || sample.Server != nil {
		t.Errorf("sample %+v", sample)
	}
}

func TestFiguresWithGaps(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(results.Figures{1, math.NaN(), math.Inf(1), 2.5})
	var back results.Figures
	if err != nil || string(data) != "[1,null,null,2.5]" || json.Unmarshal(data, &back) != nil || len(back) != 4 || !math.IsNaN(back[1]) || back[3] != 2.5 {
		t.Errorf("%s, %v, %v", data, back, err)
	}
}
