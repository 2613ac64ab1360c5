package operator_test

import (
	"testing"

	"trent/hsm/operator"
)

func TestRulesInWords(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"1 operator", "3 operators", "1 host", "2 operators or 1 host", "2 operators and 1 host", "3 operators or 2 operators and 1 host"} {
		r, err := operator.ParseRule(operator.RotateKeys, words)
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		if got := operator.RuleWords(r); got != words {
			t.Errorf("%q became %q", words, got)
		}
	}
	for _, words := range []string{"", "operators", "0 operators", "2 kings", "2 operators and 3 operators", "999 operators", "2 operators or", "-1 host"} {
		if r, err := operator.ParseRule(operator.RotateKeys, words); err == nil {
			t.Errorf("%q was taken for %v", words, r)
		}
	}
}

func TestQuorumRules(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1 operator", 2: "2 operators", 5: "5 operators"} {
		rules := operator.QuorumRules(n)
		if got := operator.RuleWords(rules[operator.ModifyMembers-1]); got != want {
			t.Errorf("%d: %q", n, got)
		}
		if got := operator.RuleWords(rules[operator.RotateKeys-1]); got != want+" or 1 host" {
			t.Errorf("%d: %q", n, got)
		}
	}
	for operators, want := range map[int]string{1: "1 operator", 2: "2 operators", 3: "2 operators", 4: "3 operators", 5: "3 operators"} {
		if got := operator.RuleWords(operator.DefaultRules(operators)[operator.ModifyRules-1]); got != want {
			t.Errorf("%d operators: %q", operators, got)
		}
	}
}
