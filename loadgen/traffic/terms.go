package traffic

import (
	"fmt"
	"time"
)

// term is one stream of calls of a model, before the user's names and day curve are put to it.
type term struct {
	operation string
	rate      float64 // mean, calls a second
	follow    float64 // how far it follows the day: 1 in proportion, 0 not at all
	storm     *Storm
	formula   string
	context   map[string]string
	unbilled  bool
}

// terms collects a model's streams.
type terms struct {
	list        []term
	context     map[string]string
	assumptions []Assumption
	problem     string // what is wrong with the inputs together
}

// call adds calls that follow the day.
func (t *terms) call(operation string, rate float64, formula string, args ...any) *term {
	return t.add(term{operation: operation, rate: rate, follow: 1, formula: fill(formula, args)})
}

// steady adds calls that come alike by day and night.
func (t *terms) steady(operation string, rate float64, formula string, args ...any) *term {
	return t.add(term{operation: operation, rate: rate, formula: fill(formula, args)})
}

// misses adds the calls of holders that keep what they fetched. The more often they use it, the less the calls depend on
// how often: a change of the uses by a small share changes the misses by that ÷ (1 + λ × hold).
func (t *terms) misses(operation string, share, holders, uses, hold float64, formula string, args ...any) {
	rate := share * expiring(holders, uses, hold)
	if rate > 0 {
		t.call(operation, rate, formula, args...).follow = 1 / (1 + uses/holders*hold)
	}
}

// burst adds a storm.
func (t *terms) burst(operation string, s Storm, formula string, args ...any) *term {
	return t.add(term{operation: operation, storm: &s, formula: fill(formula, args)})
}

// maxOverlap bounds the storms that are under way together.
const maxOverlap = 100

// storm adds calls at the inputs at and every.
func (t *terms) storm(operation string, in *inputs, calls float64, within time.Duration, formula string, args ...any) *term {
	if calls == 0 {
		return &term{}
	}
	every := in.d("every")
	if every > 0 && every < time.Second {
		t.fail("every: storms come at most once a second")
	}
	if every > 0 && within > maxOverlap*every {
		t.fail("every: more than %d storms at once", maxOverlap)
	}
	return t.burst(operation, Storm{At: in.d("at"), Within: within, Every: every, Calls: calls}, formula+" within %v s",
		append(args, within.Seconds())...)
}

func (t *terms) add(one term) *term {
	if one.rate == 0 && (one.storm == nil || one.storm.Calls == 0) {
		return &term{}
	}
	one.context = t.context
	t.list = append(t.list, one)
	return &t.list[len(t.list)-1]
}

func (t *terms) assume(about, text string) {
	t.assumptions = append(t.assumptions, Assumption{About: about, Text: text})
}

func (t *terms) fail(format string, args ...any) {
	if t.problem == "" {
		t.problem = fmt.Sprintf(format, args...)
	}
}

// fill puts figures into a formula, one for each %v.
func fill(formula string, args []any) string {
	for i, a := range args {
		if v, ok := a.(float64); ok {
			args[i] = number(v)
		}
	}
	return fmt.Sprintf(formula, args...)
}
