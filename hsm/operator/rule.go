package operator

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// RuleWords says what a rule takes, such as "2 operators or 1 host".
func RuleWords(r hsm.DomainRule) string { return r.Words() }

var requirement = regexp.MustCompile(`^([1-9][0-9]{0,2}) (operator|host)s?$`)

// ParseRule reads what RuleWords writes. Whether a domain may have the rule, a module decides.
func ParseRule(kind CommandKind, words string) (hsm.DomainRule, error) {
	rule := hsm.DomainRule{Command: kind}
	for _, alternative := range strings.Split(words, " or ") {
		var all []domain.Requirement
		for _, one := range strings.Split(alternative, " and ") {
			m := requirement.FindStringSubmatch(strings.TrimSpace(one))
			if m == nil {
				return rule, fmt.Errorf("%q is not a number of operators or hosts", strings.TrimSpace(one))
			}
			n, err := strconv.ParseUint(m[1], 10, 8)
			if err != nil {
				return rule, fmt.Errorf("%s is more than 255", m[1])
			}
			role := Operator
			if m[2] == ServiceHost.String() {
				role = ServiceHost
			}
			if slices.ContainsFunc(all, func(r domain.Requirement) bool { return r.Role == role }) {
				return rule, fmt.Errorf("%q names %ss twice", strings.TrimSpace(alternative), role)
			}
			all = append(all, domain.Requirement{Role: role, N: uint8(n)})
		}
		rule.Any = append(rule.Any, all)
	}
	return rule, nil
}
