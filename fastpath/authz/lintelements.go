package authz

import (
	"slices"
	"strings"
)

// narrows are the keys whose conditions limit who may use a statement that is for everybody.
var narrows = []Key{
	KeyPrincipalArn, KeyPrincipalAccount, KeyPrincipalOrgID, KeyPrincipalOrgPaths, KeyPrincipalTag, KeyPrincipalServiceName,
	KeyPrincipalServiceNamesList, KeyUserid, KeyUsername, KeyKMSCallerAccount, KeySourceVpc, KeySourceVpcArn, KeySourceVpce, KeySourceIp, KeyVpceAccount,
	KeyVpceOrgID, KeyVpceOrgPaths, KeySourceArn, KeySourceAccount, KeySourceOrgID, KeySourceOrgPaths, KeySTSExternalId,
}

func (l *linter) principals(s *linted) {
	at := s.place("Principal", "NotPrincipal")
	resourceBased := l.kind == KindKey || l.kind == KindTrust
	switch {
	case s.NotPrincipals != nil && s.Allow:
		l.add(at, Warning, "broad-principal", "an Allow with NotPrincipal is for everybody else, callers of other accounts too: name those meant in Principal")
	case s.NotPrincipals != nil:
		l.add(at, Suggestion, "not-principal", "a Deny with NotPrincipal must spare session, role and account together: write Principal \"*\" and the condition ArnNotLike of aws:PrincipalArn")
	case resourceBased && s.Allow && everybody(s.Principals) && !l.narrowed(s):
		l.add(at, Warning, "broad-principal", "everybody, in every account, is allowed: name principals, or add a condition of who calls, such as kms:CallerAccount or aws:PrincipalOrgID")
	}
	for _, p := range slices.Concat(s.Principals, s.NotPrincipals) {
		if p.Kind == AWSPrincipal && uniqueID(p.Name) {
			l.add(at, Warning, "deleted-principal", "%s is the id of a principal that was deleted: one made anew with its name is not meant; name it by its ARN", p.Name)
		}
	}
}

func (l *linter) narrowed(s *linted) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		key, _ := KeyNamed(c.Key)
		op, _ := operatorNamed(c.Operator)
		return slices.Contains(narrows, key) && !op.negated && !op.ifExists && op.quantifier != forAllValues && op.comparison != testNull
	})
}

func (l *linter) actionNames(s *linted, element string) {
	for _, v := range s.values(element) {
		service, name, found := strings.Cut(v.text, ":")
		service = strings.ToLower(service)
		switch {
		case v.text == "*":
		case !found:
			l.add(v.at, Failure, "unknown-action", "%q names no service: write %q", v.text, "kms:"+v.text)
		case strings.ContainsAny(service, "*?"):
			l.add(v.at, Failure, "unknown-action", "%q has a wildcard in the name of the service: write it out, such as \"kms:*\"", v.text)
		case service != "kms" && service != "sts":
			if l.kind == KindKey || l.kind == KindTrust {
				l.add(v.at, Warning, "no-effect", "%q has no effect in %s: only actions of its resource's service count", v.text, grammars[l.kind].name)
			}
		case l.kind == KindKey && service != "kms", l.kind == KindTrust && service != "sts":
			l.add(v.at, Warning, "no-effect", "%q has no effect in %s", v.text, grammars[l.kind].name)
		case strings.ContainsAny(name, "*?"):
			if actionsOf([]string{v.text}, false) == (actionSet{}) {
				l.add(v.at, Warning, "unknown-action", "%q matches no action", v.text)
			}
		case ActionNamed(v.text) != ActionNone:
		case actionsOf([]string{v.text + "*"}, false) != (actionSet{}):
			l.add(v.at, Failure, "unknown-action", "there is no action %q: did you mean %q?", v.text, v.text+"*")
		default:
			l.add(v.at, Failure, "unknown-action", "there is no action %q: did you mean %q?", v.text, nearest(service+":"+name, actionNames[1:]))
		}
	}
	if element == "NotAction" && s.NotActions != nil && s.Allow {
		l.add(s.place(element), Warning, "broad-action", "an Allow with NotAction allows every other action, those that come later too: name those meant in Action")
	}
}

// Actions that are not of a key: those of aliases are of alias and key, the others have no resource but "*".
var (
	aliasActions = actionsOf([]string{"kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"}, false)
	loneActions  = actionsOf([]string{"kms:CreateKey", "kms:ListKeys", "kms:ListAliases", "kms:GenerateRandom", "kms:*CustomKeyStore*"}, false)
)

func (l *linter) resources(s *linted, element string) {
	for _, v := range s.values(element) {
		l.variablesOf(v)
		var part [6]string
		switch {
		case v.text == "*":
			continue
		case !splitARN(v.text, l.variables, &part):
			if !strings.Contains(v.text, "*") {
				l.add(v.at, Failure, "resource", "%q matches nothing: write \"*\" or an ARN of six parts, such as arn:aws:kms:us-east-1:111122223333:key/KEY-ID", v.text)
			}
			continue
		case part[0] != "arn":
			l.add(v.at, Failure, "resource", "%q matches nothing: an ARN begins with \"arn:\"", v.text)
			continue
		case part[2] != "kms":
			if l.kind == KindKey {
				l.add(v.at, Warning, "resource", "%q never matches a key: write \"*\", which is this key", v.text)
			}
			continue
		}
		if l.account != "" && l.kind == KindKey && !strings.ContainsAny(part[4], "*?$") && part[4] != l.account {
			l.add(v.at, Warning, "resource", "%q is of account %s, the key is of %s, so that this never matches: write \"*\", which is this key", v.text, part[4], l.account)
		}
		var overAlias, overLone, over actionSet
		for i := range over {
			overAlias[i], overLone[i] = s.actions[i]&aliasActions[i], s.actions[i]&loneActions[i]
			over[i] = s.actions[i] &^ loneActions[i]
		}
		switch {
		case strings.HasPrefix(part[5], "alias/") && overAlias == (actionSet{}) || strings.HasPrefix(part[5], "alias/") && l.kind == KindKey:
			l.add(v.at, Warning, "resource", "%q matches no operation on a key, not even by that alias: name the key's ARN, or use the conditions kms:RequestAlias and kms:ResourceAliases", v.text)
		case element == "Resource" && !strings.HasPrefix(part[5], "*") && over == (actionSet{}) && overLone != (actionSet{}):
			l.add(v.at, Warning, "resource", "%q never matches: these actions have no resource; write \"*\"", v.text)
		}
	}
}

// variablesOf checks the policy variables of a text.
func (l *linter) variablesOf(v node) {
	rest := v.text
	for {
		_, after, found := strings.Cut(rest, "${")
		if !found {
			return
		}
		if !l.variables {
			l.add(v.at, Warning, "variable", "%q is taken as it stands: policy variables need the Version %q", v.text, Version2012)
			return
		}
		name, end, closed := strings.Cut(after, "}")
		if !closed {
			l.add(v.at, Failure, "variable", "%q has a policy variable without an end: close it with }", v.text)
			return
		}
		rest = end
		name, _, _ = strings.Cut(name, ",")
		name = strings.TrimSpace(name)
		if name == "*" || name == "?" || name == "$" {
			continue
		}
		switch key, _ := KeyNamed(name); {
		case key == KeyOther && ours(name) || key == KeyNone:
			l.add(v.at, Failure, "variable", "there is no policy variable %q, so that nothing matches: did you mean %q?", name, nearestKey(name))
		case key.Row().Multi:
			l.add(v.at, Failure, "variable", "%s has several values and is no policy variable, so that nothing matches", key.Row().Name)
		}
	}
}

// ours tells whether a condition key is of a service all of whose keys are known.
func ours(key string) bool {
	service, _, _ := strings.Cut(strings.ToLower(key), ":")
	return service == "aws" || service == "kms" || service == "sts"
}

// nearest is the name that the fewest changes of letters lead to, whatever their case.
func nearest(name string, names []string) string {
	best, least := "", 1<<30
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

func nearestKey(name string) string {
	var names []string
	for k := KeyNone + 1; k < KeyOther; k++ {
		row := k.Row()
		n := row.Name
		if row.Named {
			n += string(row.separator()) + "NAME"
		}
		names = append(names, n)
	}
	return nearest(name, names)
}

// distance is how many letters must be put in, left out or replaced. Names are cut at 100 bytes.
func distance(a, b string) int {
	a, b = a[:min(len(a), 100)], b[:min(len(b), 100)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
