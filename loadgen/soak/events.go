package soak

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How an event of the list came about.
const (
	Real       = "real"      // it fell inside
	Simulated  = "simulated" // by the harness
	Absent     = "absent"    // neither
	LeftOut    = "left out"  // by the user
	NotOffered = "not offered by this endpoint"
	Pointless  = "does not apply"
	Failed     = "failed"
)

// Event is one of the things that a soak must have lived through.
type Event struct {
	Name, How, Detail string
}

// EventNames are the events, in the order of the report.
var EventNames = []string{"midnight", "re-signing", "session-token", "certificate", "key-rotation", "domain-rotation", "clock-step", "disk-full", "day-curve"}

// lived is what the list is made of.
type lived struct {
	from, to   time.Time // of the load
	length     time.Duration
	actions    []taken
	spawned    bool
	curve      string // the schedule's specification
	period     time.Duration
	midnight   error // of the client's part of a change of date, simulated
	clockSteps time.Duration
	without    []string
}

// list says of every event how it came about.
func (l *lived) list() []Event {
	var all []Event
	for _, name := range EventNames {
		e := Event{Name: name}
		e.How, e.Detail = l.of(name)
		if e.How == Absent && slices.Contains(l.without, name) {
			e.How = LeftOut
		}
		all = append(all, e)
	}
	return all
}

func (l *lived) of(name string) (how, detail string) {
	switch name {
	case "midnight":
		return l.atMidnight()
	case "re-signing":
		return Real, "every request is signed as it is sent; none is older than its way to the server"
	case "session-token":
		return NotOffered, "no temporary credentials: the run signs with long-term ones"
	case "certificate":
		how, detail := l.action([]string{Restart, Kill, DiskFull}, Real, "started again with a new certificate, which the load's new connections took")
		return how, detail
	case "key-rotation":
		return l.action([]string{Rotate}, Real, "")
	case "domain-rotation":
		if !l.spawned {
			return NotOffered, "no rotation of the HSMs' domain through the API; a server that the harness starts is told to"
		}
		return l.action([]string{RotateDomain}, Real, "")
	case "clock-step":
		how, detail := l.action([]string{ClockStep}, Simulated, "")
		if l.clockSteps.Abs() > 100*time.Millisecond {
			detail = strings.TrimPrefix(detail+fmt.Sprintf("; the wall clock stepped by %v", l.clockSteps), "; ")
		}
		return how, detail
	case "disk-full":
		return l.action([]string{DiskFull}, Simulated, "")
	}
	return l.dayCurve()
}

func (l *lived) atMidnight() (how, detail string) {
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	switch {
	case day(l.from) != day(l.to):
		return Real, fmt.Sprintf("the date changed to %s under load", day(l.to))
	case l.midnight != nil:
		return Failed, l.midnight.Error()
	}
	return Simulated, "the client's part only: its kept signing key changes with the date; the server saw one date"
}

// action finds one of some kinds among what was done.
func (l *lived) action(wanted []string, how, detail string) (string, string) {
	n, last := 0, ""
	for i := range l.actions {
		a := &l.actions[i]
		if !slices.Contains(wanted, a.Kind) {
			continue
		}
		if a.Outcome == "failed" {
			return Failed, a.Kind + ": " + a.Detail
		}
		if a.Outcome == "skipped" {
			return Pointless, a.Detail
		}
		if a.Outcome == "done" {
			n++
			last = a.Detail
		}
	}
	switch {
	case n == 0 && !l.spawned && slices.ContainsFunc(wanted, func(k string) bool { return kinds[k].server || kinds[k].ours }):
		return Absent, "only a server that the harness starts can be made to"
	case n == 0:
		return Absent, "did not happen"
	case detail == "":
		detail = last
	}
	if n > 1 {
		detail = fmt.Sprintf("%d times; %s", n, detail)
	}
	return how, detail
}

func (l *lived) dayCurve() (how, detail string) {
	const day = 24 * time.Hour
	switch {
	case l.period == 0:
		return Absent, "the schedule " + l.curve + " has no curve"
	case l.period >= day && l.length >= day:
		return Real, l.curve
	case l.length >= l.period:
		return Simulated, fmt.Sprintf("a day in %v: %s", l.period, l.curve)
	}
	return Absent, fmt.Sprintf("the load lasted %v of a curve of %v", l.length.Round(time.Second), l.period)
}
