package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"trent/loadgen/retry"
)

// Policy is how a client tries again after a throttled answer.
type Policy struct {
	Name     string
	Attempts int     // at most, the first included
	Base     float64 // seconds before the second attempt, doubled for each further one; 0: at once
	Fixed    bool    // the wait is not doubled
	Most     float64 // longest wait before jitter
	Jitter   bool    // the wait is uniform between 0 and what it would be
	// Tokens is the retry quota of a client; a retry costs Cost, given back by its success; a call that needed none gives
	// Gain. 0: no quota.
	Tokens, Cost, Gain float64
}

// others are what applications do instead of an SDK's retries.
var others = []Policy{
	{Name: "jitter", Attempts: 8, Base: 0.1, Most: 20, Jitter: true},
	{Name: "backoff", Attempts: 8, Base: 0.1, Most: 20},
	{Name: "fixed", Attempts: 5, Base: 0.1, Fixed: true, Most: 0.1},
	{Name: "immediate", Attempts: 5},
}

// modes are the SDKs' whose clients do not limit their own rate, which is not simulated.
var modes = []retry.Mode{retry.None, retry.Standard, retry.GoStandard, retry.Standard2026, retry.Legacy}

// PolicyNames lists the policies: the modes of loadgen/retry, then what applications do by themselves.
func PolicyNames() []string {
	var names []string
	for _, m := range modes {
		names = append(names, string(m))
	}
	for _, p := range others {
		names = append(names, p.Name)
	}
	return names
}

// PolicyNamed returns a policy. Error: no such name.
func PolicyNamed(name string) (Policy, error) {
	for _, p := range others {
		if p.Name == name {
			return p, nil
		}
	}
	if !slices.Contains(modes, retry.Mode(name)) {
		return Policy{}, fmt.Errorf("unknown retry policy %q: expected one of %s", name, strings.Join(PolicyNames(), ", "))
	}
	r, err := retry.ByName(name)
	if err != nil {
		return Policy{}, err
	}
	return Policy{Name: name, Attempts: r.MaxAttempts, Base: r.ThrottleBase.Seconds(), Most: r.Cap.Seconds(), Jitter: true,
		Tokens: r.Tokens, Cost: r.ThrottleCost, Gain: r.Income}, nil
}

// Longest is the wait in seconds after so many attempts, before jitter.
func (p *Policy) Longest(attempts int) float64 {
	wait := p.Base
	if !p.Fixed {
		for range attempts - 1 {
			wait *= 2
			if wait >= p.Most {
				break
			}
		}
	}
	return min(wait, p.Most)
}

// Wait is the time in seconds between the answer of attempt n (from 1) and the next attempt.
func (p *Policy) Wait(n int, random *rand.Rand) float64 {
	wait := p.Longest(n)
	if p.Jitter {
		wait *= random.Float64()
	}
	return wait
}

// credit is what a good answer to attempt n gives back to the retry quota.
func (p *Policy) credit(n int) float64 {
	switch {
	case p.Tokens <= 0:
		return 0
	case n > 1:
		return p.Cost
	}
	return p.Gain
}
