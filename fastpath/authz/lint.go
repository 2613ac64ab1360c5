package authz

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Severity is how bad a finding is.
type Severity uint8

// Severities. An error is refused, or can do nothing of what it says; a warning is likely not what was meant; a suggestion
// says how to write the same better.
const (
	Suggestion Severity = iota
	Warning
	Failure
)

// String is the word of the severity: suggestion, warning or error.
func (s Severity) String() string { return [...]string{"suggestion", "warning", "error"}[s] }

// Finding is something that Lint would have changed.
type Finding struct {
	Line, Column int // from 1; the column counts bytes
	Severity     Severity
	Code         string // a word for programs, such as "unknown-action"
	Message      string // what is wrong and what to do
}

// LintOptions say where a policy is to be used.
type LintOptions struct {
	Account string // that owns the resource or the principal, 12 digits; empty: not known
}

// maxSizes are the most that a document of a kind may have: bytes of key policies (AWS KMS Developer Guide, "Quotas"), of
// the others the documented characters, where what is the larger of several quotas is taken.
var maxSizes = [numKinds]int{
	KindKey: 32768, KindIdentity: 10240, KindBoundary: 6144, KindSession: 2048, KindServiceControl: 10240,
	KindResourceControl: 5120, KindEndpoint: 20480, KindTrust: 8192,
}

// Lint reads a policy document of a kind and says what is wrong with it, in the order of the document. Of a document that
// breaks the grammar only the first such place is found. It panics for a kind that has no documents.
func Lint(kind Kind, doc []byte, o LintOptions) []Finding {
	l := linter{doc: doc, kind: kind, account: o.Account}
	l.document()
	policy, err := Parse(kind, doc)
	if broken := (*Error)(nil); errors.As(err, &broken) {
		l.out = append(l.out, Finding{broken.Line, broken.Column, Failure, "grammar", broken.Reason})
	} else {
		root, _ := tree(doc) // which Parse has just read
		l.policy(&root, policy)
	}
	slices.SortStableFunc(l.out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(b.Severity, a.Severity))
	})
	return l.out
}

type linter struct {
	doc       []byte
	kind      Kind
	account   string
	variables bool // the Version has policy variables
	out       []Finding
}

func (l *linter) add(at int, s Severity, code, format string, args ...any) {
	where := errorAt(l.doc, at, "")
	l.out = append(l.out, Finding{where.Line, where.Column, s, code, fmt.Sprintf(format, args...)})
}

// document checks the text as such.
func (l *linter) document() {
	if limit := maxSizes[l.kind]; len(l.doc) > limit {
		severity := Warning
		if l.kind == KindKey {
			severity = Failure
		}
		l.add(0, severity, "size", "the document has %d bytes and may have %d: join statements or leave out white space", len(l.doc), limit)
	}
	for at, r := range string(l.doc) {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xff || r == utf8.RuneError {
			continue
		}
		l.add(at, Failure, "character", "the character %U is not allowed: use tab, line feed, carriage return and U+0020 to U+00FF", r)
		return
	}
}

// linted is a statement with its places.
type linted struct {
	*Statement
	at      int
	element map[string]*member
	actions actionSet
}

// values is the values of an element with their places.
func (s *linted) values(name string) []node {
	m := s.element[name]
	switch {
	case m == nil:
		return nil
	case m.value.kind == '[':
		return m.value.items
	}
	return []node{m.value}
}

// place is where the first of the elements that the statement has begins, or the statement.
func (s *linted) place(names ...string) int {
	for _, name := range names {
		if m := s.element[name]; m != nil {
			return m.at
		}
	}
	return s.at
}

// everybody tells whether principals name everybody.
func everybody(list []Principal) bool {
	return slices.ContainsFunc(list, func(p Principal) bool { return p.Name == "*" && p.Kind <= AWSPrincipal })
}

// unlimited tells whether the statement is for everybody, everything and always.
func (s *linted) unlimited() bool {
	return (s.Principals == nil && s.NotPrincipals == nil || everybody(s.Principals)) && len(s.Conditions) == 0 &&
		(slices.Contains(s.Resources, "*") || s.Resources == nil && s.NotResources == nil)
}

func (l *linter) policy(root *node, p *Policy) {
	l.variables = p.Version == Version2012
	elements := map[string]*member{}
	for i := range root.members {
		elements[root.members[i].name] = &root.members[i]
	}
	if !l.variables {
		at := root.at
		if m := elements["Version"]; m != nil {
			at = m.at
		}
		l.add(at, Suggestion, "version", "write \"Version\": %q: the older version, which also holds where none is given, has no policy variables", Version2012)
	}
	nodes := (&linted{element: elements}).values("Statement")
	statements := make([]linted, len(p.Statements))
	sids := map[string]bool{}
	for i := range p.Statements {
		s := linted{Statement: &p.Statements[i], at: nodes[i].at, element: map[string]*member{}}
		for j := range nodes[i].members {
			s.element[nodes[i].members[j].name] = &nodes[i].members[j]
		}
		if s.Actions != nil {
			s.actions = actionsOf(s.Actions, false)
		} else if s.NotActions != nil {
			s.actions = actionsOf(s.NotActions, true)
		}
		if s.Sid != "" && sids[s.Sid] {
			l.add(s.place("Sid"), Warning, "duplicate-sid", "the Sid %q is given twice: IAM refuses that, and records and explanations cannot tell the statements apart", s.Sid)
		}
		sids[s.Sid] = true
		l.statement(&s)
		statements[i] = s
	}
	l.reach(statements)
	if l.kind == KindKey {
		l.lockout(root.at, statements)
	}
}

func (l *linter) statement(s *linted) {
	l.principals(s)
	l.actionNames(s, "Action")
	l.actionNames(s, "NotAction")
	l.resources(s, "Resource")
	l.resources(s, "NotResource")
	if m := s.element["Condition"]; m != nil {
		l.conditions(s, &m.value)
	}
	if l.kind != KindKey {
		return
	}
	if s.Actions == nil && s.NotActions == nil {
		l.add(s.at, Warning, "no-effect", "the statement has no Action and so no effect: name actions, such as \"kms:Decrypt\"")
	}
	if s.Resources == nil && s.NotResources == nil {
		l.add(s.at, Warning, "no-effect", "the statement has no Resource and so no effect: write \"Resource\": \"*\", which is this key")
	}
}

// reach finds what a Deny without conditions makes useless.
func (l *linter) reach(statements []linted) {
	var denied actionSet
	for i := range statements {
		if s := &statements[i]; !s.Allow && s.unlimited() {
			denied.join(&s.actions)
		}
	}
	for i := range statements {
		s := &statements[i]
		left := false
		for w := range s.actions {
			left = left || s.actions[w]&^denied[w] != 0
		}
		if s.Allow && !left && s.actions != (actionSet{}) {
			l.add(s.at, Warning, "unreachable", "the statement allows nothing: a Deny of this policy for everybody covers all its actions; give that Deny a condition or remove one of both")
		}
	}
}

// lockout finds key policies that nobody can change afterwards.
func (l *linter) lockout(at int, statements []linted) {
	changeable := false
	for i := range statements {
		s := &statements[i]
		if !s.actions.has(ActionPutKeyPolicy) || s.Resources == nil && s.NotResources == nil {
			continue
		}
		if s.Allow {
			changeable = true
		} else if s.unlimited() {
			l.add(s.at, Failure, "lockout", "the statement denies kms:PutKeyPolicy to everybody: nobody could change this policy any more; add a condition or leave the action out")
		}
	}
	if !changeable {
		l.add(at, Failure, "lockout", "no statement allows kms:PutKeyPolicy: nobody could change this policy any more; allow it to the account, \"arn:aws:iam::ACCOUNT:root\", or to administrators")
	}
}
