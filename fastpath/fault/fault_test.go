package fault_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"trent/fastpath/fault"
)

// modeled is an API of two operations.
func modeled(operation, exception string) bool {
	errors := map[string][]string{"Encrypt": {"KMSInternalException", "KeyUnavailableException"}, "ListKeys": {"KMSInternalException"}}
	if operation == "" {
		return modeled("Encrypt", exception) || modeled("ListKeys", exception)
	}
	all, ok := errors[operation]
	return ok && (exception == "" || exception == "ThrottlingException" || slices.Contains(all, exception))
}

func request(operation, caller string, keys ...string) *fault.Request {
	return &fault.Request{Operation: operation, Caller: caller, Names: func(key string) bool { return slices.Contains(keys, key) }}
}

func TestRulesMatch(t *testing.T) {
	t.Parallel()
	const me, you = "arn:aws:iam::1:root", "arn:aws:iam::2:root"
	for name, c := range map[string]struct {
		rule fault.Rule
		hits []*fault.Request
		not  []*fault.Request
	}{
		"operation": {fault.Rule{Operation: "Encrypt", Error: "ThrottlingException"},
			[]*fault.Request{request("Encrypt", me), request("Encrypt", you, "k")}, []*fault.Request{request("ListKeys", me)}},
		"key": {fault.Rule{Key: "k", Error: "KeyUnavailableException"},
			[]*fault.Request{request("Encrypt", me, "j", "k")}, []*fault.Request{request("Encrypt", me, "j"), request("Encrypt", me), request("ListKeys", me, "k")}},
		"caller": {fault.Rule{Caller: me, Error: "KMSInternalException"},
			[]*fault.Request{request("Encrypt", me), request("ListKeys", me)}, []*fault.Request{request("Encrypt", you)}},
		"all": {fault.Rule{Operation: "Encrypt", Key: "k", Caller: me, Error: "KMSInternalException"},
			[]*fault.Request{request("Encrypt", me, "k")}, []*fault.Request{request("Encrypt", you, "k"), request("Encrypt", me)}},
	} {
		rules := fault.New(modeled)
		if !rules.None() {
			t.Error("rules without rules")
		}
		if _, err := rules.Add(c.rule); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, q := range c.hits {
			if r, ok := rules.Hit(q); !ok || r.Error != c.rule.Error || r.Hits != i+1 {
				t.Errorf("%s: request %d: %+v, %v", name, i, r, ok)
			}
		}
		for i, q := range c.not {
			if r, ok := rules.Hit(q); ok {
				t.Errorf("%s: request %d was hit by %+v", name, i, r)
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	rules := fault.New(modeled)
	for want, r := range map[string]fault.Rule{
		"at least one of":       {Error: "KMSInternalException"},
		"give the exception":    {Operation: "Encrypt"},
		"'trent ops' lists":     {Operation: "encrypt", Error: "KMSInternalException"},
		"does not answer":       {Operation: "ListKeys", Error: "KeyUnavailableException"},
		"no exception of any":   {Key: "k", Error: "Nonsense"},
		"as an ARN":             {Caller: "root", Error: "KMSInternalException"},
		"count must not":        {Operation: "Encrypt", Error: "KMSInternalException", Count: -1},
		"between 0 and 1":       {Operation: "Encrypt", Error: "KMSInternalException", Probability: 1.5},
		"must be between 0 and": {Operation: "Encrypt", Error: "KMSInternalException", Probability: -0.5},
	} {
		if _, err := rules.Add(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if !rules.None() {
		t.Error("a refused rule is in force")
	}
}

// A count holds exactly, whoever asks.
func TestCount(t *testing.T) {
	t.Parallel()
	rules := fault.New(modeled)
	if _, err := rules.Add(fault.Rule{Operation: "Encrypt", Error: "KMSInternalException", Count: 100}); err != nil {
		t.Fatal(err)
	}
	var hits atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				if _, ok := rules.Hit(request("Encrypt", "")); ok {
					hits.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if hits.Load() != 100 || !rules.None() {
		t.Errorf("%d hits, none left %v", hits.Load(), rules.None())
	}
}

// The same seed hits the same requests; other seeds others.
func TestProbability(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern string) {
		rules := fault.New(modeled)
		if _, err := rules.Add(fault.Rule{Operation: "Encrypt", Error: "KMSInternalException", Probability: 0.25, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			_, ok := rules.Hit(request("Encrypt", ""))
			pattern += map[bool]string{true: "x", false: "."}[ok]
		}
		return pattern
	}
	first := run(1)
	if first != run(1) || first == run(2) {
		t.Error("the seed does not decide")
	}
	if n := strings.Count(first, "x"); n < 200 || n > 300 { // 250 ± 3.7 standard deviations, and the seed is fixed
		t.Errorf("%d of 1000", n)
	}
}

func TestListAndClear(t *testing.T) {
	t.Parallel()
	rules := fault.New(modeled)
	for range 3 {
		if _, err := rules.Add(fault.Rule{Operation: "Encrypt", Error: "KMSInternalException"}); err != nil {
			t.Fatal(err)
		}
	}
	rules.Hit(request("Encrypt", ""))
	if list := rules.List(); len(list) != 3 || list[0].ID != 1 || list[0].Hits != 1 || list[1].Hits != 0 || list[2].ID != 3 {
		t.Errorf("%+v", list)
	}
	if n := rules.Clear(2, 7); n != 1 || len(rules.List()) != 2 {
		t.Errorf("%d cleared, %d left", n, len(rules.List()))
	}
	if n := rules.Clear(); n != 2 || !rules.None() || len(rules.List()) != 0 {
		t.Errorf("%d cleared", n)
	}
}
