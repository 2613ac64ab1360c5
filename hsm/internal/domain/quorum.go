package domain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DefaultRules are those of a domain with this many operators: rotation by one service host or the operators' quorum, all
// else by the quorum. The quorum is more than half, at least two where there are two.
func DefaultRules(operators int) []Rule {
	quorum := []Requirement{{Operator, uint8(max(min(2, operators), operators/2+1))}}
	rules := make([]Rule, 0, lastCommandKind)
	for kind := CreateDomain; kind <= lastCommandKind; kind++ {
		rule := Rule{Command: kind, Any: [][]Requirement{quorum}}
		if kind.byHost() {
			rule.Any = append(rule.Any, []Requirement{{ServiceHost, 1}})
		}
		rules = append(rules, rule)
	}
	return rules
}

// byHost is whether a service host alone may be allowed to have this done.
func (k CommandKind) byHost() bool { return k == RotateKeys || k == ActivateKey || k == DropKey }

// checkRuleForm checks what a list of rules must be beside anybody's signers; none are in order.
func checkRuleForm(rules []Rule) error {
	if len(rules) == 0 {
		return nil
	}
	if len(rules) != int(lastCommandKind) {
		return fmt.Errorf("there must be one rule for each of the %d commands, not %d", lastCommandKind, len(rules))
	}
	for i, rule := range rules {
		if rule.Command != CommandKind(i+1) {
			return errors.New("the rules are not sorted, or one command has two")
		}
		if len(rule.Any) == 0 || len(rule.Any) > maxAlternatives {
			return fmt.Errorf("the rule for %s has %d alternatives, not 1 to %d", rule.Command, len(rule.Any), maxAlternatives)
		}
		for j, alternative := range rule.Any {
			if j > 0 && compareAlternatives(rule.Any[j-1], alternative) >= 0 {
				return fmt.Errorf("the alternatives for %s are not sorted, or one stands there twice", rule.Command)
			}
			if !validAlternative(alternative) {
				return fmt.Errorf("an alternative for %s is not a number of operators, hosts or both", rule.Command)
			}
		}
	}
	return nil
}

// validAlternative asks for one to both roles, each once, each with a number.
func validAlternative(a []Requirement) bool {
	for i, r := range a {
		if r.Role != Operator && r.Role != ServiceHost || r.N == 0 || i > 0 && a[i-1].Role >= r.Role {
			return false
		}
	}
	return len(a) > 0
}

// checkRules holds rules against those who are to sign: each command must stay possible, and no single operator may be
// enough where there are two.
func checkRules(rules []Rule, signers []Principal) error {
	operators := countRole(signers, Operator)
	if operators == 0 {
		return errors.New("a domain has at least one operator")
	}
	atLeast := min(2, operators)
	for _, rule := range rules {
		possible := false
		for _, a := range rule.Any {
			possible = possible || satisfied(a, signers)
			if number(a, Operator) < atLeast && (!rule.Command.byHost() || number(a, ServiceHost) == 0) {
				return fmt.Errorf("%s could be had by %s: a single operator must not change a protection, nor a host anything but the rotation", rule.Command, alternativeWords(a))
			}
		}
		if !possible {
			return fmt.Errorf("nobody could have %s done: the rule asks for %s, the domain would list %s", rule.Command, rule.Words(), listedWords(signers))
		}
	}
	return nil
}

// number is how many signers of a role an alternative asks for.
func number(a []Requirement, role Role) int {
	for _, r := range a {
		if r.Role == role {
			return int(r.N)
		}
	}
	return 0
}

func countRole(signers []Principal, role Role) int {
	n := 0
	for _, p := range signers {
		if p.Role == role {
			n++
		}
	}
	return n
}

func satisfied(a []Requirement, signers []Principal) bool {
	return !slices.ContainsFunc(a, func(r Requirement) bool { return countRole(signers, r.Role) < int(r.N) })
}

// quorum asks whether these signers, all distinct and listed, may have a command of this kind done.
func quorum(kind CommandKind, rules []Rule, signed []Principal) error {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Command == kind })
	if i < 0 {
		return fmt.Errorf("%w: there is no rule for %s", ErrQuorum, kind)
	}
	if slices.ContainsFunc(rules[i].Any, func(a []Requirement) bool { return satisfied(a, signed) }) {
		return nil
	}
	return fmt.Errorf("%w: %s needs %s, it is signed by %s: collect more signatures", ErrQuorum, kind, rules[i].Words(), listedWords(signed))
}

// Words says a rule, such as "2 operators or 1 host".
func (r *Rule) Words() string {
	all := make([]string, len(r.Any))
	for i, a := range r.Any {
		all[i] = alternativeWords(a)
	}
	return strings.Join(all, " or ")
}

func alternativeWords(a []Requirement) string {
	all := make([]string, len(a))
	for i, r := range a {
		all[i] = counted(int(r.N), r.Role.String())
	}
	return strings.Join(all, " and ")
}

func listedWords(signers []Principal) string {
	return counted(countRole(signers, Operator), Operator.String()) + " and " + counted(countRole(signers, ServiceHost), ServiceHost.String())
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
