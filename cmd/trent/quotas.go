package main

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"trent/fastpath/quota"
)

// resourceQuotas are the limits that a server holds, as a flag and as a key of the config file. There they are what
// the flag takes, or a map of overrides in which base says what they begin with:
//
//	resource_quotas: aws
//	resource_quotas: {base: aws, keys: 500, tags_per_key: off}
type resourceQuotas struct{ quota.Resources }

var _ pflag.Value = (*resourceQuotas)(nil)

// Set implements pflag.Value.
func (q *resourceQuotas) Set(text string) (err error) {
	q.Resources, err = quota.Parse(text)
	return err
}

// Type implements pflag.Value.
func (q *resourceQuotas) Type() string { return "quotas" }

// UnmarshalYAML implements the config file's two forms.
func (q *resourceQuotas) UnmarshalYAML(decode func(any) error) error {
	var text string
	if decode(&text) == nil {
		return q.Set(text)
	}
	var overrides map[string]any
	if err := decode(&overrides); err != nil {
		return err
	}
	base := "default"
	if v, ok := overrides["base"]; ok {
		base = fmt.Sprint(v)
		delete(overrides, "base")
	}
	if err := q.Set(base); err != nil {
		return err
	}
	var names []string
	for name := range overrides {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several mistakes always the same is told
	for _, name := range names {
		value := fmt.Sprint(overrides[name])
		if overrides[name] == false { // what some write and read for off
			value = "off"
		}
		if err := q.Resources.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// requestQuotas are the request quotas that a server holds, as a flag and as a key of the config file.
type requestQuotas struct{ quota.Requests }

var _ pflag.Value = (*requestQuotas)(nil)

// Set implements pflag.Value.
func (q *requestQuotas) Set(text string) (err error) {
	q.Requests, err = quota.ParseRequests(text)
	return err
}

// Type implements pflag.Value.
func (q *requestQuotas) Type() string { return "quotas" }

// UnmarshalYAML implements the config file's form, which is the flag's. YAML reads a bare off as false.
func (q *requestQuotas) UnmarshalYAML(decode func(any) error) error {
	var off bool
	if decode(&off) == nil && !off {
		return q.Set("off")
	}
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	return q.Set(text)
}
