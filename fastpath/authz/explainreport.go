package authz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// words is the reason in words.
func (d *Decision) words(action string) string {
	switch {
	case d.Reason == AllowedByGrant:
		return "allowed by grant " + d.Grant
	case d.Allowed && d.Policy == nil:
		return "allowed: the root user needs no policy"
	case d.Allowed && d.Also != nil:
		return "allowed by the " + d.Kind.String() + ", " + d.Policy.place(d.Statement) + ", with an identity-based policy, " + d.Also.place(d.AlsoStatement)
	case d.Allowed:
		return "allowed by the " + d.Kind.String() + ", " + d.Policy.place(d.Statement)
	case d.Policy != nil:
		return "denied explicitly by " + article(d.Kind) + " " + d.Kind.String() + ", " + d.Policy.place(d.Statement)
	}
	return "denied: no " + d.Kind.String() + " allows " + action
}

// place names a statement as a JSON path does, with its Sid.
func (c *Compiled) place(statement int) string {
	text := fmt.Sprintf("Statement[%d]", statement)
	if sid := c.Source.Statements[statement].Sid; sid != "" {
		text += fmt.Sprintf(" %q", sid)
	}
	return text
}

// Report is the explanation for people, in lines: the decision, the steps to it, and each policy with its statements.
func (e *Explanation) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  caller    %s\n  action    %s\n  resource  %s\n\nSteps\n", e.Reason, e.Caller, e.Action, e.Resource)
	for _, s := range e.Steps {
		fmt.Fprintf(&b, "  %-24s %s\n", s.Step, s.Outcome)
	}
	if len(e.Policies) > 0 {
		b.WriteString("\nPolicies\n")
	}
	for i := range e.Policies {
		p := &e.Policies[i]
		fmt.Fprintf(&b, "  %s", p.Kind)
		if p.Level > 0 {
			fmt.Fprintf(&b, " of level %d", p.Level)
		}
		fmt.Fprintf(&b, ", sha256 %s: %s\n", p.Hash[:12], p.Outcome)
		for j := range p.Statements {
			b.WriteString(p.Statements[j].line())
		}
	}
	return b.String()
}

// line is a statement's line of a report.
func (s *ExplainedStatement) line() string {
	text := fmt.Sprintf("    Statement[%d] %s", s.Index, s.Effect)
	if s.Sid != "" {
		text += fmt.Sprintf(" %q", s.Sid)
	}
	switch {
	case s.Deciding:
		text += ": applies, and decides"
	case s.Applies:
		text += ": applies"
	default:
		return text + ": " + s.Failed + ": " + s.Why + "\n"
	}
	if s.Names == coverAccount.String() || s.Names == coverEntity.String() {
		text += " (names the " + s.Names + ")"
	}
	text += "\n"
	var indented bytes.Buffer
	if s.Deciding && json.Indent(&indented, s.Text, "      ", "  ") == nil {
		text += "      " + indented.String() + "\n"
	}
	return text
}
