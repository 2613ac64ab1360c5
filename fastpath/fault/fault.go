// Package fault is rules by which operations fail on order, so that programs can be shown errors that the service gives
// on its bad days. It decides which rule hits; that an exception is one of the operation's own, and what a key's name
// means, it asks its caller.
//
// Rules is safe for concurrent use. Where there are no rules, asking costs one atomic load.
package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Rule makes operations fail. What is empty in it fits everything; at least one of Operation, Key and Caller is given.
type Rule struct {
	ID          int     `json:"id" yaml:"-"` // given by Add
	Operation   string  `json:"operation,omitempty" yaml:"operation"`
	Key         string  `json:"key,omitempty" yaml:"key"`       // id, ARN, alias name or alias ARN
	Caller      string  `json:"caller,omitempty" yaml:"caller"` // ARN
	Error       string  `json:"error" yaml:"error"`             // exception
	Message     string  `json:"message,omitempty" yaml:"message"`
	Count       int     `json:"count,omitempty" yaml:"count"`             // how often it hits; 0: for ever
	Probability float64 `json:"probability,omitempty" yaml:"probability"` // of a hit; 0: always
	Seed        uint64  `json:"seed,omitempty" yaml:"seed"`               // of the probability's generator
	Hits        int     `json:"hits" yaml:"-"`                            // so far
}

// Modeled says whether an operation may answer an exception; an empty operation stands for any.
type Modeled func(operation, exception string) bool

// Request is an authorized request that is about to run.
type Request struct {
	Operation, Caller string
	// Names says whether a key's name means one of the request's keys.
	Names func(key string) bool
}

// Rules are the rules in force.
type Rules struct {
	modeled Modeled
	active  atomic.Pointer[[]*rule] // nil: none
	mu      sync.Mutex              // of writers, and of the counts
	last    int
}

type rule struct {
	Rule
	random *rand.Rand
}

// New makes an empty set of rules.
func New(modeled Modeled) *Rules { return &Rules{modeled: modeled} }

// Check finds fault with a rule and says what to do about it.
func (rs *Rules) Check(r Rule) error {
	switch {
	case r.Operation == "" && r.Key == "" && r.Caller == "":
		return errors.New("give at least one of operation, key and caller")
	case r.Error == "":
		return errors.New("give the exception by error, such as KMSInternalException")
	case r.Operation != "" && !rs.modeled(r.Operation, ""):
		return fmt.Errorf("%q is no operation; 'trent ops' lists them", r.Operation)
	case !rs.modeled(r.Operation, r.Error):
		if r.Operation == "" {
			return fmt.Errorf("%q is no exception of any operation", r.Error)
		}
		return fmt.Errorf("%s does not answer %q; choose one of its own exceptions, or a common one such as ThrottlingException", r.Operation, r.Error)
	case r.Caller != "" && !strings.HasPrefix(r.Caller, "arn:"):
		return errors.New("give the caller as an ARN")
	case r.Count < 0:
		return errors.New("count must not be negative; leave it out for a rule without end")
	case r.Probability < 0 || r.Probability > 1 || r.Probability != r.Probability:
		return errors.New("probability must be between 0 and 1")
	}
	return nil
}

// Add checks a rule, puts it behind those in force and returns it with its id.
func (rs *Rules) Add(r Rule) (Rule, error) {
	if err := rs.Check(r); err != nil {
		return r, err
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.last++
	r.ID, r.Hits = rs.last, 0
	all := append(slices.Clone(rs.all()), &rule{Rule: r, random: rand.New(rand.NewPCG(r.Seed, 0))})
	rs.active.Store(&all)
	return r, nil
}

func (rs *Rules) all() []*rule {
	if p := rs.active.Load(); p != nil {
		return *p
	}
	return nil
}

// List returns the rules in force, in their order.
func (rs *Rules) List() []Rule {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	list := []Rule{}
	for _, r := range rs.all() {
		list = append(list, r.Rule)
	}
	return list
}

// Clear removes the rules of these ids, or all where none is given, and returns how many it removed.
func (rs *Rules) Clear(ids ...int) int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var kept []*rule
	for _, r := range rs.all() {
		if len(ids) > 0 && !slices.Contains(ids, r.ID) {
			kept = append(kept, r)
		}
	}
	removed := len(rs.all()) - len(kept)
	rs.keep(kept)
	return removed
}

// keep puts rules in force, under the lock.
func (rs *Rules) keep(kept []*rule) {
	if len(kept) == 0 {
		rs.active.Store(nil)
		return
	}
	rs.active.Store(&kept)
}

// None says that no rule is in force, by one atomic load.
func (rs *Rules) None() bool { return rs.active.Load() == nil }

// Hit finds the first rule that hits the request and counts the hit; a rule that has hit as often as it should is gone.
// A rule without an operation passes over those that do not have its exception.
func (rs *Rules) Hit(q *Request) (Rule, bool) {
	for _, r := range rs.all() {
		if r.Operation != "" && r.Operation != q.Operation || r.Caller != "" && r.Caller != q.Caller ||
			r.Key != "" && !q.Names(r.Key) || r.Operation == "" && !rs.modeled(q.Operation, r.Error) {
			continue
		}
		if hit, ok := rs.take(r); ok {
			return hit, true
		}
	}
	return Rule{}, false
}

// take counts a hit of r, if it is one, and returns it as it then is.
func (rs *Rules) take(r *rule) (Rule, bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !slices.Contains(rs.all(), r) || r.Probability > 0 && r.random.Float64() >= r.Probability {
		return Rule{}, false
	}
	if r.Hits++; r.Count > 0 && r.Hits >= r.Count {
		rs.keep(slices.DeleteFunc(slices.Clone(rs.all()), func(other *rule) bool { return other == r }))
	}
	return r.Rule, true
}
