package results

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The shape that CI systems read: a suite with a case for each thing judged.
type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"` // seconds
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
	Output    string      `xml:"system-out,omitempty"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitReason `xml:"failure,omitempty"`
	Error   *junitReason `xml:"error,omitempty"`
	Skipped *junitReason `xml:"skipped,omitempty"`
}

type junitReason struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the record as JUnit XML: a case for each verdict, each gate that is known, and the run as a whole. A missed limit
// or a regression is a failure, a void run or one that the harness failed an error, an inconclusive verdict is skipped.
func WriteJUnit(w io.Writer, r *Record) error {
	class := "trent." + string(r.Kind)
	suite := junitSuite{Name: class, Time: fmt.Sprintf("%.3f", r.Elapsed.Seconds()), Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
	add := func(name, outcome, message string) {
		c := junitCase{Class: class, Name: name, Time: "0"}
		reason := &junitReason{Message: message, Text: message}
		switch outcome {
		case "pass":
		case "inconclusive":
			c.Skipped = reason
			suite.Skipped++
		case "fail", "regression":
			c.Failure = reason
			suite.Failures++
		default:
			c.Error = reason
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		message := fmt.Sprintf("%s, 95 %% interval %s, limit %s", v.FigureText(), v.IntervalText(), v.LimitText())
		if why := v.ReasonText(); why != "" {
			message += ": " + why
		}
		add(v.Metric+" of "+v.PopulationText()+" "+v.LimitText(), v.Outcome, message)
	}
	for _, g := range r.Gates {
		switch {
		case g.Void:
			add("condition: "+g.Name, "void", fmt.Sprintf("%s, limit %s: %s", g.Figure, g.Limit, g.Advice))
		case g.Known:
			add("condition: "+g.Name, "pass", "")
		}
	}
	if r.Soak != nil {
		for _, c := range r.Soak.Checks {
			add("soak: "+c.Name, c.Outcome, strings.TrimPrefix(c.Figure+": "+c.Why, ": "))
		}
	}
	whole := r.Outcome
	if r.Interrupted {
		whole = "interrupted"
	}
	add("run", whole, strings.TrimSpace(r.Title()+". "+strings.Join(r.Notes, " ")))
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// Title is the record in a line.
func (r *Record) Title() string {
	if title := titleOf(chapters(r)); title != "" {
		return title
	}
	if r.Capacity != nil {
		return r.Headline()
	}
	return fmt.Sprintf("%s of %s at %s", r.Engine.Name, r.Workload.Name, r.Schedule.Spec)
}
