// Package quota is the service's published request quotas as data: which quota a call counts in, and how many calls a
// second each admits.
//
// Planning and quota verification read it. It limits nothing, and it is the harness's own table: the server's limits
// are the server's, so that one can be checked against the other.
//
// A Table is immutable once made and safe for concurrent use.
package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Scope is what one counter of a quota stands for.
type Scope string

// Scopes.
const (
	PerRegion   Scope = "account and Region"
	PerKeyStore Scope = "custom key store"
)

// Quota is one request quota.
type Quota struct {
	Name       string   `yaml:"name" json:"name"` // as Service Quotas calls it
	Operations []string `yaml:"operations" json:"operations"`
	PerSecond  float64  `yaml:"per_second" json:"per_second"` // may be below 1
	Scope      Scope    `yaml:"scope" json:"scope"`
	Adjustable bool     `yaml:"adjustable" json:"adjustable"`
}

// Names of the quotas that several operations share.
const (
	Symmetric = "Cryptographic operations (symmetric) request rate"
	RSA       = "Cryptographic operations (RSA) request rate"
	ECC       = "Cryptographic operations (ECC) request rate"
	MLDSA     = "Cryptographic operations (ML-DSA) request rate"
	KeyStore  = "Custom key store request quota"
)

// Table is the quotas of an account in one Region.
type Table struct {
	Region string
	quotas map[string]Quota
}

// Defaults are the published defaults of a Region. For the ML-KEM operations none is published; they count as symmetric.
func Defaults(region string) *Table {
	t := &Table{Region: region, quotas: map[string]Quota{}}
	t.add(Quota{Name: Symmetric, PerSecond: symmetricRate(region), Adjustable: true, Operations: []string{"Decrypt", "Encrypt", "GenerateDataKey",
		"GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom", "ReEncrypt", "VerifyMac"}})
	t.add(Quota{Name: RSA, PerSecond: 1000, Adjustable: true, Operations: []string{"Decrypt", "Encrypt", "ReEncrypt", "Sign", "Verify"}})
	t.add(Quota{Name: ECC, PerSecond: 1000, Adjustable: true, Operations: []string{"DeriveSharedSecret", "Sign", "Verify"}})
	t.add(Quota{Name: MLDSA, PerSecond: 1000, Adjustable: true, Operations: []string{"Sign", "Verify"}})
	t.add(Quota{Name: KeyStore, PerSecond: 1800, Scope: PerKeyStore, Operations: []string{"Decrypt", "DeriveSharedSecret", "Encrypt", "GenerateDataKey",
		"GenerateDataKeyWithoutPlaintext", "GenerateRandom", "ReEncrypt"}})
	for spec, rate := range pairRates(region) {
		t.add(Quota{Name: PairName(spec), PerSecond: rate, Adjustable: true, Operations: []string{"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}})
	}
	for rate, operations := range management {
		for _, op := range operations {
			t.add(Quota{Name: op + " request rate", PerSecond: rate, Adjustable: true, Operations: []string{op}})
		}
	}
	return t
}

func (t *Table) add(q Quota) {
	if q.Scope == "" {
		q.Scope = PerRegion
	}
	t.quotas[q.Name] = q
}

// With is the table with some quotas at other rates. Error: a name that is no quota, or a rate that is not above 0.
func (t *Table) With(rates map[string]float64) (*Table, error) {
	out := &Table{Region: t.Region, quotas: maps.Clone(t.quotas)}
	for name, rate := range rates {
		q, ok := out.quotas[name]
		if !ok {
			return nil, fmt.Errorf("unknown quota %q", name)
		}
		if !(rate > 0) {
			return nil, fmt.Errorf("quota %q: rate %g is not above 0", name, rate)
		}
		q.PerSecond = rate
		out.quotas[name] = q
	}
	return out, nil
}

// All lists the quotas by name.
func (t *Table) All() []Quota {
	var out []Quota
	for _, name := range slices.Sorted(maps.Keys(t.quotas)) {
		out = append(out, t.quotas[name])
	}
	return out
}

// Named returns a quota by its name.
func (t *Table) Named(name string) (q Quota, ok bool) {
	q, ok = t.quotas[name]
	return q, ok
}

// Call is what decides the quotas that a request counts in.
type Call struct {
	Operation   string
	KeySpec     string // of the key; for GenerateDataKeyPair of the pair; "" where no key is named
	Destination string // ReEncrypt: spec of the destination key; "": as the source
	KeyStore    bool   // the key is in a custom key store
}

// Names lists the quotas that a call counts in: usually one. Empty: an operation that the service does not have.
func (t *Table) Names(c Call) []string {
	if strings.HasPrefix(c.Operation, "GenerateDataKeyPair") {
		return []string{PairName(c.KeySpec)}
	}
	if !cryptographic[c.Operation] {
		if _, ok := t.quotas[c.Operation+" request rate"]; !ok {
			return nil
		}
		return []string{c.Operation + " request rate"}
	}
	names := []string{family(c.KeySpec)}
	if c.Destination != "" && family(c.Destination) != names[0] {
		names = append(names, family(c.Destination))
	}
	if c.KeyStore {
		names = append(names, KeyStore)
	}
	return names
}

// PairName is the quota of GenerateDataKeyPair for a spec.
func PairName(spec string) string { return "GenerateDataKeyPair (" + spec + ") request rate" }

// family is the shared quota of a key spec.
func family(spec string) string {
	switch {
	case strings.HasPrefix(spec, "RSA_"):
		return RSA
	case strings.HasPrefix(spec, "ECC_"), spec == "SM2":
		return ECC
	case strings.HasPrefix(spec, "ML_DSA_"):
		return MLDSA
	}
	return Symmetric
}
