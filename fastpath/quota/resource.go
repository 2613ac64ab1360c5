// Package quota is the service's quotas as data: what each is called, what the service allows by default, and
// where the number stands that a server is to hold. It words no refusals: package operation does.
//
// Resource quotas bound what an account or a key may have. They hold exactly, also between concurrent requests; package
// keyring counts what is durable. Request quotas bound how often an account may call in a Region; a Limiter counts.
// Values are read-only once a server has them; the package owns no goroutines.
package quota

import (
	"fmt"
	"strconv"
	"strings"
)

// Resource is one resource quota.
type Resource uint8

// Resource quotas (AWS KMS Developer Guide, "Resource quotas").
const (
	Keys              Resource = iota // customer managed keys of an account and Region, in any state
	AliasesPerKey                     // made by customers
	GrantsPerKey                      //
	CustomKeyStores                   // of an account and Region, of both types together
	OnDemandRotations                 // of a key, for ever
	TagsPerKey                        //
	PolicyBytes                       // of one key policy document
	NumResources
)

// Unlimited is the limit that nothing reaches.
const Unlimited = -1

// Row is what is known of one resource quota.
type Row struct {
	Name       string // in settings
	Default    int    // the service's
	OnRequest  bool   // held only where asked for: it would be in the way of load tests
	Adjustable bool   // by a request to the service; here all can be set
}

var table = [NumResources]Row{
	Keys:              {Name: "keys", Default: 100_000, OnRequest: true, Adjustable: true},
	AliasesPerKey:     {Name: "aliases_per_key", Default: 50, Adjustable: true},
	GrantsPerKey:      {Name: "grants_per_key", Default: 50_000, Adjustable: true},
	CustomKeyStores:   {Name: "custom_key_stores", Default: 10, Adjustable: true},
	OnDemandRotations: {Name: "on_demand_rotations_per_key", Default: 25},
	TagsPerKey:        {Name: "tags_per_key", Default: 50},
	PolicyBytes:       {Name: "policy_bytes", Default: 32 << 10},
}

// Row returns what is known of r.
func (r Resource) Row() Row { return table[r] }

// Resources are the limits that a server holds, by Resource; Unlimited for none. The zero value allows nothing:
// begin with Default, AWS or Off.
type Resources [NumResources]int

// Default is the service's limits, but for the number of keys, which is unlimited.
func Default() Resources {
	all := AWS()
	for r := range all {
		if table[r].OnRequest {
			all[r] = Unlimited
		}
	}
	return all
}

// AWS is all of the service's limits.
func AWS() Resources {
	var all Resources
	for r := range all {
		all[r] = table[r].Default
	}
	return all
}

// Off is no limits but those of the formats in which things are kept.
func Off() Resources {
	var all Resources
	for r := range all {
		all[r] = Unlimited
	}
	return all
}

// Parse reads limits as settings have them: off, default or aws, and after it any number of overrides, separated by
// commas: "aws,keys=500". Overrides alone begin with the default.
func Parse(text string) (Resources, error) {
	all := Default()
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		name, value, override := strings.Cut(part, "=")
		switch {
		case override:
			if err := all.Set(name, value); err != nil {
				return all, err
			}
		case i > 0 || !all.mode(part):
			return all, fmt.Errorf("resource quotas: %q is none of off, default, aws, NAME=NUMBER", part)
		}
	}
	return all, nil
}

func (a *Resources) mode(name string) bool {
	switch name {
	case "off":
		*a = Off()
	case "default":
		*a = Default()
	case "aws":
		*a = AWS()
	default:
		return false
	}
	return true
}

// Set overrides one limit; value is a number from 1 or "off".
func (a *Resources) Set(name, value string) error {
	for r := range table {
		if table[r].Name != name {
			continue
		}
		if value == "off" {
			a[r] = Unlimited
			return nil
		}
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("resource quotas: %s is a number from 1, or off", name)
		}
		a[r] = int(n)
		return nil
	}
	return fmt.Errorf("resource quotas: there is no quota %q; they are %s", name, strings.Join(names(), ", "))
}

func names() []string {
	all := make([]string, len(table))
	for r := range table {
		all[r] = table[r].Name
	}
	return all
}

// String is the limits as Parse reads them.
func (a Resources) String() string {
	base, words := Default(), []string{"default"}
	switch a {
	case AWS():
		return "aws"
	case Off():
		return "off"
	}
	for r := range a {
		switch {
		case a[r] == base[r]:
		case a[r] == Unlimited:
			words = append(words, table[r].Name+"=off")
		default:
			words = append(words, table[r].Name+"="+strconv.Itoa(a[r]))
		}
	}
	return strings.Join(words, ",")
}
