package results

import (
	"fmt"
	"time"
)

// AgentsResult is the agents of a distributed run. The run's own figures are of all of them, merged exactly.
type AgentsResult struct {
	Transport   string        `json:"transport"`        // pipes (children on one machine) or etcd
	Rule        string        `json:"rule"`             // which hit belongs to which agent
	OffsetLimit time.Duration `json:"offset_limit_ns"`  // largest drift of an agent's clock during the run
	Shrunk      bool          `json:"shrunk,omitempty"` // agents were lost, and the limits judge the load that was left
	Agents      []Agent       `json:"agents"`           // by number
	Holes       []AgentHole   `json:"holes,omitempty"`  // hits that nobody measured
}

// Agent is one process that sent a share of the hits.
type Agent struct {
	Number int           `json:"number"` // from 1
	Host   string        `json:"host"`
	PID    int           `json:"pid"`
	CPUs   int           `json:"cpus"` // that it could use
	Due    uint64        `json:"due"`
	Sent   uint64        `json:"sent"`
	OK     uint64        `json:"ok"`
	CPU    time.Duration `json:"cpu_ns"`
	Lag    time.Duration `json:"client_lag_p99_ns"`
	// The agent's monotonic clock minus the coordinator's, before and after the run, and how far each may be wrong. The zero of a
	// clock is the start of its process, so that only the difference of the two says anything: the drift during the run.
	OffsetBefore time.Duration `json:"offset_before_ns"`
	BeforeWithin time.Duration `json:"offset_before_within_ns"`
	OffsetAfter  time.Duration `json:"offset_after_ns"`
	AfterWithin  time.Duration `json:"offset_after_within_ns"`
	Interrupted  bool          `json:"interrupted,omitempty"` // it ended early
	// Lost says why nothing of the agent counts; its figures are absent then.
	Lost      string         `json:"lost,omitempty"`
	LostAfter *time.Duration `json:"lost_after_ns,omitempty"`
	Gates     []Gate         `json:"gates,omitempty"`
}

// Drift is how far the agent's clock moved against the coordinator's during the run.
func (a *Agent) Drift() time.Duration { return a.OffsetAfter - a.OffsetBefore }

// AgentHole is hits due that nobody measured.
type AgentHole struct {
	Agent  int           `json:"agent"` // number
	Hits   uint64        `json:"hits"`
	Share  float64       `json:"share"` // of the hits due in the run
	Which  string        `json:"which"` // numbers of the hits, as a rule
	From   time.Duration `json:"from_ns"`
	To     time.Duration `json:"to_ns"`
	Reason string        `json:"reason"`
}

func agentsChapter(r *Record) (chapter, bool) {
	if r.Agents == nil {
		return chapter{}, false
	}
	c := chapter{Sections: []section{agentsSection(r.Agents)}}
	if len(r.Agents.Holes) > 0 {
		c.Sections = append(c.Sections, holesSection(r.Agents))
	}
	return c, true
}

func agentsSection(a *AgentsResult) section {
	s := section{Title: "Agents", Align: "rlrrrrrrl",
		Text: fmt.Sprintf("%d agents over %s; %s. Their histograms are merged exactly.", len(a.Agents), a.Transport, a.Rule),
		Rows: [][]string{{"agent", "host", "process", "due", "ok", "CPU", "lag p99", "clock drift", "state"}}}
	within := time.Duration(0)
	for i := range a.Agents {
		agent := &a.Agents[i]
		row := []string{fmt.Sprint(agent.Number), agent.Host, fmt.Sprint(agent.PID)}
		within = max(within, agent.BeforeWithin, agent.AfterWithin)
		if agent.Lost != "" {
			after := ""
			if agent.LostAfter != nil {
				after = " after " + formatDuration(*agent.LostAfter)
			}
			s.Rows = append(s.Rows, append(row, "–", "–", "–", "–", "–", "lost"+after))
			continue
		}
		s.Rows = append(s.Rows, append(row, formatCount(agent.Due), formatCount(agent.OK), formatDuration(agent.CPU), formatDuration(agent.Lag),
			fmt.Sprintf("%s ± %s", formatDuration(agent.Drift()), formatDuration(agent.BeforeWithin+agent.AfterWithin)), agent.state()))
	}
	if within > a.OffsetLimit {
		s.Text += " Their clocks are known less exactly than the schedule's gap, so which of two neighbouring hits went first is not."
	}
	return s
}

func (a *Agent) state() string {
	for _, g := range a.Gates {
		if g.Void {
			return "void: " + g.Name
		}
	}
	if a.Interrupted {
		return "interrupted"
	}
	return "done"
}

func holesSection(a *AgentsResult) section {
	s := section{Title: "Holes", Align: "rrrlll", Text: "Hits due that nobody measured. The load was less than asked by their share, so no limit is passed and nothing is said about rates.",
		Rows: [][]string{{"agent", "hits", "share", "which", "due in", "why"}}}
	if a.Shrunk {
		s.Text = "Hits due that nobody measured. The limits judge the load that was left."
	}
	for _, h := range a.Holes {
		s.Rows = append(s.Rows, []string{fmt.Sprint(h.Agent), formatCount(h.Hits), fmt.Sprintf("%.1f %%", h.Share*100), h.Which,
			formatDuration(h.From) + " to " + formatDuration(h.To), h.Reason})
	}
	return s
}
