package attack_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

func TestExporter(t *testing.T) {
	t.Parallel()
	x, err := attack.NewExporter("127.0.0.1:0", `say "hi"`)
	if err != nil {
		t.Fatal(err)
	}
	p := engine.Progress{Elapsed: 3 * time.Second, Due: 40}
	p.P50 = 2 * time.Millisecond
	p.Entries = []measure.EntryCounts{{Name: "Encrypt"}}
	p.Entries[0].Outcomes[measure.OK], p.Entries[0].Outcomes[measure.Throttled] = 30, 7
	x.Observe(p)
	answer, err := http.Get("http://" + x.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("%v, %v", err, answer.Header)
	}
	for _, want := range []string{`trent_load_run_info{workload="say \"hi\""} 1`, "trent_load_due_total 40", `trent_load_hits_total{entry="Encrypt",outcome="throttled"} 7`,
		`trent_load_latency_seconds{quantile="0.5"} 0.002`} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if !strings.HasSuffix(string(body), "# EOF\n") || strings.Contains(string(body), `quantile="0.99"`) {
		t.Errorf("ends wrongly, or shows a percentile of too few:\n%s", body)
	}
	answer.Body.Close()
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + x.Address() + "/metrics"); err == nil {
		t.Error("it answers after Close")
	}
	var none *attack.Exporter
	none.Observe(p)
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	if _, err := attack.NewExporter("256.0.0.1:x", ""); err == nil {
		t.Error("a strange address was taken")
	}
}
