package authz

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes the statement as policies have it: what stood there, in one order and form.
func (s *Statement) MarshalJSON() ([]byte, error) {
	effect := "Deny"
	if s.Allow {
		effect = "Allow"
	}
	conditions := map[string]map[string]oneOrMore{}
	for _, c := range s.Conditions {
		if conditions[c.Operator] == nil {
			conditions[c.Operator] = map[string]oneOrMore{}
		}
		conditions[c.Operator][c.Key] = append(conditions[c.Operator][c.Key], c.Values...)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Sid          string `json:",omitempty"`
		Effect       string
		Principal    any                             `json:",omitempty"`
		NotPrincipal any                             `json:",omitempty"`
		Action       oneOrMore                       `json:",omitempty"`
		NotAction    oneOrMore                       `json:",omitempty"`
		Resource     oneOrMore                       `json:",omitempty"`
		NotResource  oneOrMore                       `json:",omitempty"`
		Condition    map[string]map[string]oneOrMore `json:",omitempty"`
	}{s.Sid, effect, principalsJSON(s.Principals), principalsJSON(s.NotPrincipals), s.Actions, s.NotActions, s.Resources, s.NotResources, conditions})
	return bytes.TrimSpace(out.Bytes()), err
}

// principalsJSON is nil for none.
func principalsJSON(list []Principal) any {
	if len(list) == 0 {
		return nil
	}
	named := map[string]oneOrMore{}
	for _, p := range list {
		if p.Kind == Anyone {
			return p.Name
		}
		for word, kind := range principalKinds {
			if kind == p.Kind {
				named[word] = append(named[word], p.Name)
			}
		}
	}
	return named
}

// oneOrMore is a list, of which a single text is written without brackets.
type oneOrMore []string

func (l oneOrMore) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	var v any = []string(l)
	if len(l) == 1 {
		v = l[0]
	}
	err := enc.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}
