package results_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"trent/results"
)

func agentsRecord(t testing.TB) *results.Record {
	r := attackRecord(t)
	lost := 3 * time.Second
	r.Agents = &results.AgentsResult{Transport: "etcd", Rule: "hit n to agent n modulo the number of agents", OffsetLimit: time.Millisecond,
		Agents: []results.Agent{
			{Number: 1, Host: "host-a", PID: 17, CPUs: 2, Due: 1000, Sent: 1000, OK: 990, CPU: 2 * time.Second, Lag: 300 * time.Microsecond,
				OffsetBefore: time.Hour, OffsetAfter: time.Hour + 200*time.Microsecond, BeforeWithin: 50 * time.Microsecond, AfterWithin: 50 * time.Microsecond},
			{Number: 2, Host: "host-b", PID: 18, Gates: []results.Gate{{Name: "CPU stolen", Void: true}}},
			{Number: 3, Host: "host-<c>", PID: 19, Lost: "the process ended (signal: killed)", LostAfter: &lost},
		},
		Holes: []results.AgentHole{{Agent: 3, Hits: 1000, Share: 1.0 / 3, Which: "n ≡ 2 (mod 3)", To: 10 * time.Second, Reason: "lost after 3s: the process ended (signal: killed)"}}}
	return r
}

func TestAgents(t *testing.T) {
	t.Parallel()
	r := agentsRecord(t)
	var terminal, page, file bytes.Buffer
	if err := results.RenderTerminal(&terminal, r); err != nil {
		t.Fatal(err)
	}
	if err := results.RenderHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 agents over etcd; hit n to agent n modulo the number of agents. Their histograms are merged exactly.", "host-a", "200 µs ± 100 µs",
		"void: CPU stolen", "lost after 3.00 s", "n ≡ 2 (mod 3)", "33.3 %", "0 to 10.0 s", "nothing is said about rates"} {
		if !strings.Contains(terminal.String(), want) || !strings.Contains(page.String(), strings.ReplaceAll(want, "<", "&lt;")) {
			t.Errorf("%q is missing in\n%s", want, terminal.String())
		}
	}
	if strings.Contains(page.String(), "host-<c>") {
		t.Error("a host's name is markup")
	}
	if err := results.Write(&file, r); err != nil {
		t.Fatal(err)
	}
	again, err := results.Read(&file)
	if err != nil || len(again.Agents.Agents) != 3 || again.Agents.Agents[0].Drift() != 200*time.Microsecond || again.Agents.Holes[0] != r.Agents.Holes[0] {
		t.Errorf("read back: %+v, %v", again, err)
	}
}

// Where the load may shrink, or the clocks are known less well than the hits lie apart, the report says so.
func TestAgentsRemarks(t *testing.T) {
	t.Parallel()
	r := agentsRecord(t)
	r.Agents.Shrunk, r.Agents.OffsetLimit = true, 20*time.Microsecond
	var out bytes.Buffer
	if err := results.RenderTerminal(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The limits judge the load that was left.", "Their clocks are known less exactly than the schedule's gap"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
