package main

import (
	"fmt"
	"maps"
	"slices"
)

// difference is one place where the SDK and the model differ.
type difference struct {
	Where string `json:"where"` // such as "Encrypt input KeyId"
	Model string `json:"model"` // empty: not there
	SDK   string `json:"sdk"`
}

func (d difference) String() string {
	switch {
	case d.Model == "":
		return fmt.Sprintf("+ %s: %s", d.Where, d.SDK)
	case d.SDK == "":
		return fmt.Sprintf("- %s: %s", d.Where, d.Model)
	}
	return fmt.Sprintf("~ %s: %s → %s", d.Where, d.Model, d.SDK)
}

// compare lists what differs, in order of its places.
func compare(model, sdk *api) []difference {
	var all []difference
	for _, name := range union(model.Operations, sdk.Operations) {
		m, inModel := model.Operations[name]
		s, inSDK := sdk.Operations[name]
		if d, both := presence("operation "+name, "operation", inModel, inSDK); !both {
			all = append(all, d...)
			continue
		}
		all = append(all, compareStructures(name+" input", m.Input, s.Input)...)
		all = append(all, compareStructures(name+" output", m.Output, s.Output)...)
	}
	for _, name := range union(model.Structures, sdk.Structures) {
		m, inModel := model.Structures[name]
		s, inSDK := sdk.Structures[name]
		if d, both := presence("structure "+name, "structure", inModel, inSDK); !both {
			all = append(all, d...)
			continue
		}
		all = append(all, compareStructures(name, m, s)...)
	}
	for _, name := range union(model.Enums, sdk.Enums) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(model.Enums[name], sdk.Enums[name])))) {
			d, _ := presence("enum "+name+" "+value, "value", slices.Contains(model.Enums[name], value), slices.Contains(sdk.Enums[name], value))
			all = append(all, d...)
		}
	}
	for _, name := range union(model.Errors, sdk.Errors) {
		all = append(all, changed("error "+name, fault(model.Errors[name]), fault(sdk.Errors[name]))...)
	}
	return all
}

func fault(whose string) string {
	if whose == "" {
		return ""
	}
	return whose + " fault"
}

func compareStructures(where string, m, s structure) []difference {
	var all []difference
	for _, name := range union(m, s) {
		all = append(all, changed(where+" "+name, m[name].String(), s[name].String())...)
	}
	return all
}

// String is the type with what else is compared; empty for a member that is not there.
func (t typed) String() string {
	if t.Required {
		return t.Type + ", required"
	}
	return t.Type
}

func changed(where, model, sdk string) []difference {
	if model == sdk {
		return nil
	}
	return []difference{{where, model, sdk}}
}

// presence tells whether something is on both sides, and the difference where it is on one.
func presence(where, what string, inModel, inSDK bool) (d []difference, both bool) {
	switch {
	case inModel && inSDK:
		return nil, true
	case inModel:
		return []difference{{Where: where, Model: what}}, false
	}
	return []difference{{Where: where, SDK: what}}, false
}

func union[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}
