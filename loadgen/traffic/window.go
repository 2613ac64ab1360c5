package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"

	"trent/loadgen/schedule"
)

// Window is what part of the modelled time a run goes through, and how.
type Window struct {
	From   time.Duration // modelled time at which the run starts
	Length time.Duration // of the run
	Speed  float64       // modelled seconds a second of the run; 0: 1. The calls come as much closer together.
	Scale  float64       // share of the calls that is sent; 0: 1. Above 1 there are more.
	Seed   uint64
}

func (w Window) complete() Window {
	if w.Speed == 0 {
		w.Speed = 1
	}
	if w.Scale == 0 {
		w.Scale = 1
	}
	return w
}

// modelled is the length of modelled time that passes.
func (w Window) modelled() time.Duration {
	return time.Duration(math.Min(float64(w.Length)*w.Speed, maxDuration*float64(time.Second)))
}

// Schedule is when the calls are due and which entry of the workload each belongs to: at random as by NewSource, with day
// curves and storms. Errors: a window without calls, or with more than schedules bear.
func (c *Compiled) Schedule(w Window) (schedule.Schedule, error) {
	w = w.complete()
	switch {
	case !(w.Speed > 0 && w.Scale > 0) || math.IsInf(w.Speed, 0) || math.IsInf(w.Scale, 0):
		return nil, errors.New("speed and scale must be above 0")
	case w.From < 0 || w.Length <= 0 || w.Length > schedule.MaxDuration:
		return nil, fmt.Errorf("a run lasts more than 0 and at most %v, from 00:00 or later", schedule.MaxDuration)
	case float64(w.Length)*w.Speed > maxDuration*float64(time.Second):
		return nil, fmt.Errorf("%v at %g times the speed are more than ten years", w.Length, w.Speed)
	}
	s := timed{compiled: c, window: w, flows: Scale(c.Flows, w.Scale)}
	s.calls = Calls(s.flows, w.From, w.From+w.modelled())
	switch _, peak := Peak(s.flows); {
	case s.calls <= 0:
		return nil, fmt.Errorf("no calls are expected between %s and %s of the modelled time", clockTime(w.From), clockTime(w.From+w.modelled()))
	case s.MeanRate() > schedule.MaxRate || peak*w.Speed > schedule.MaxRate:
		return nil, fmt.Errorf("more than %d calls a second (mean %.4g, at the peak %.4g): lower the scale or the speed", schedule.MaxRate, s.MeanRate(), peak*w.Speed)
	}
	return s, nil
}

// clockTime writes a modelled time, with the day after the first.
func clockTime(t time.Duration) string {
	day, t := t/Day, t%Day
	text := fmt.Sprintf("%02d:%02d:%02d", int(t.Hours()), int(t.Minutes())%60, int(t.Seconds())%60)
	if day > 0 {
		text = fmt.Sprintf("day %d, %s", day+1, text)
	}
	return text
}

// timed is the schedule of a window.
type timed struct {
	compiled *Compiled
	window   Window
	flows    []Flow // scaled
	calls    float64
}

// Duration is the length of the run.
func (s timed) Duration() time.Duration { return s.window.Length }

// MeanRate is the expected rate of the run.
func (s timed) MeanRate() float64 { return s.calls / s.window.Length.Seconds() }

// String says what part of which causes it is; no specification stands for it.
func (s timed) String() string {
	text := "arrivals of its causes from " + clockTime(s.window.From)
	if s.window.Speed != 1 {
		text += fmt.Sprintf(", speed ×%g", s.window.Speed)
	}
	if s.window.Scale != 1 {
		text += fmt.Sprintf(", scale ×%g", s.window.Scale)
	}
	return text + ", " + s.window.Length.String()
}

// Iterator starts at the first hit.
func (s timed) Iterator() schedule.Iterator {
	w := s.window
	return &timedIterator{source: NewSource(s.flows, w.From, w.From+w.modelled(), w.Seed), schedule: s}
}

// IteratorAt starts at the first hit that is due at a moment or after it.
func (s timed) IteratorAt(from time.Duration) schedule.Iterator {
	i := &timedIterator{source: NewSource(s.flows, s.window.From, s.window.From+s.window.modelled(), s.window.Seed), schedule: s}
	// The hits before it must be counted, as each has its number in the whole.
	for {
		hit, ok := i.Next()
		if !ok {
			return i
		}
		if hit.Due >= from {
			i.first, i.held = hit, true
			return i
		}
	}
}

type timedIterator struct {
	schedule timed
	source   *Source
	next     uint64
	first    schedule.Hit // looked at already
	held     bool
}

// Next is the next hit with its entry.
func (i *timedIterator) Next() (schedule.Hit, bool) {
	if i.held {
		i.held = false
		return i.first, true
	}
	at, flow, ok := i.source.Next()
	if !ok {
		return schedule.Hit{}, false
	}
	w := &i.schedule.window
	due := min(time.Duration(float64(at-w.From)/w.Speed), w.Length-1)
	hit := schedule.Hit{N: i.next, Due: due, Entry: i.schedule.compiled.entries[flow]}
	i.next++
	return hit, true
}
