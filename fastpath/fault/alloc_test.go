//go:build !race

package fault_test

import (
	"testing"

	"trent/fastpath/fault"
)

func TestNoRulesCostNothing(t *testing.T) {
	rules := fault.New(modeled)
	if n := testing.AllocsPerRun(100, func() { _ = rules.None() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNone(b *testing.B) {
	rules := fault.New(modeled)
	for b.Loop() {
		if !rules.None() {
			b.Fatal("rules")
		}
	}
}
