package plan_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"trent/loadgen/plan"
	"trent/loadgen/quota"
)

const prices = `source: price list
date: 2026-11
currency: EUR
month: 720h
key: 1
rotation: 0.5
free: 0
classes:
  - {name: symmetric, per_10000: 0.02}
  - {name: rsa-2048, per_10000: 0.03}
  - {name: asymmetric, per_10000: 0.15}
  - {name: ecc-key-pair, per_10000: 0.10}
  - {name: rsa-key-pair, per_10000: 12}
`

const profiles = `profiles:
  - name: card
    source: data sheet
    date: 2026-01
    engines: 2
    delay: 3ms
    operations: {aes: 4000}
`

const quotas = `source: case 1234
date: 2026-10-01
region: eu-central-1
quotas:
  symmetric: 50000
  CreateKey: 10
  "GenerateDataKeyPair (RSA_3072) request rate": 0.5
`

func TestDataFiles(t *testing.T) {
	t.Parallel()
	p, err := plan.ParsePrices("p", []byte(prices))
	if err != nil || p.Currency != "EUR" || len(p.Classes) != 5 || p.Classes[0].Per10000 != 0.02 {
		t.Errorf("%+v, %v", p, err)
	}
	hsms, err := plan.ParseProfiles("h", []byte(profiles))
	if err != nil || len(hsms) != 1 || hsms[0].Title != "card" || hsms[0].Operations["aes"] != 4000 {
		t.Errorf("%+v, %v", hsms, err)
	}
	table, origin, err := plan.ParseQuotas("q", []byte(quotas), quota.Defaults("eu-central-1"))
	if err != nil || origin.Source != "case 1234" || origin.Date != "2026-10-01" {
		t.Fatal(origin, err)
	}
	for name, want := range map[string]float64{quota.Symmetric: 50_000, "CreateKey request rate": 10, quota.PairName("RSA_3072"): 0.5, quota.RSA: 1000} {
		if q, _ := table.Named(name); q.PerSecond != want {
			t.Errorf("%s: %g, want %g", name, q.PerSecond, want)
		}
	}
	if d := plan.DefaultProfiles(); len(d) < 5 || d[0].Source == "" || plan.DefaultPrices().Source == "" {
		t.Error("the built-in data lack sources")
	}
}

// Mistakes name their place.
func TestDataMistakes(t *testing.T) {
	t.Parallel()
	readPrices := func(text string) error { _, err := plan.ParsePrices("f", []byte(text)); return err }
	readProfiles := func(text string) error { _, err := plan.ParseProfiles("f", []byte(text)); return err }
	readQuotas := func(text string) error {
		_, _, err := plan.ParseQuotas("f", []byte(text), quota.Defaults("eu-central-1"))
		return err
	}
	for _, c := range []struct {
		read func(string) error
		text string
		want string
	}{
		{readPrices, strings.Replace(prices, "key:", "kee:", 1), "f:5:1:"},
		{readPrices, strings.Replace(prices, "0.02", "-1", 1), "f:9:34: a price must be 0 or more"},
		{readPrices, strings.Replace(prices, "rsa-2048", "rsa", 1), `f:10:12: unknown class "rsa"`},
		{readPrices, strings.Replace(prices, "  - {name: rsa-2048, per_10000: 0.03}\n", "", 1), `class "rsa-2048" has no price`},
		{readPrices, strings.Replace(prices, "rsa-2048", "symmetric", 1), "appears twice"},
		{readPrices, strings.Replace(prices, "2026-11", "lately", 1), "f:2:7:"},
		{readPrices, strings.Replace(prices, "source: price list\n", "", 1), "say where the prices are from"},
		{readPrices, strings.Replace(prices, "720h", "soon", 1), "is no duration"},
		{readPrices, strings.Replace(prices, "720h", "8000h", 1), "f:4:8:"},
		{readPrices, strings.Repeat("#", 2<<20), "larger than"},
		{readProfiles, strings.Replace(profiles, "engines: 2", "engines: 0", 1), "f:5:14: engines"},
		{readProfiles, strings.Replace(profiles, "aes", "coffee", 1), "unknown kind of operation"},
		{readProfiles, strings.Replace(profiles, "4000", "0", 1), "above 0"},
		{readProfiles, strings.Replace(profiles, "    source: data sheet\n", "", 1), "needs a source"},
		{readProfiles, "profiles: []\n", "1 to 256"},
		{readProfiles, profiles + strings.TrimPrefix(profiles, "profiles:\n"), "appears twice"},
		{readQuotas, strings.Replace(quotas, "CreateKey", "BrewCoffee", 1), `unknown quota "BrewCoffee"`},
		{readQuotas, strings.Replace(quotas, "50000", "0", 1), "a rate must be from"},
		{readQuotas, strings.Replace(quotas, "eu-central-1", "us-east-1", 1), "f:3:9: the quotas are of us-east-1"},
		{readQuotas, "quotas: {}\n", "missing or empty"},
		{readQuotas, "quotas: {ecc: 5, \"" + quota.ECC + "\": 6}\n", "appears twice"},
		{readQuotas, "quotas: [1]\n", "f:1:"},
	} {
		err := c.read(c.text)
		var at *plan.FileError
		if err == nil || !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q in it", err, c.want)
		}
	}
	if _, err := plan.ReadFile(t.TempDir() + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func FuzzDataFiles(f *testing.F) {
	for _, seed := range []string{prices, profiles, quotas, "", "quotas: {symmetric: .nan}", "a: &a [*a]", "profiles: [{name: x, operations: {aes: .inf}}]", "\x00", "classes: {}"} {
		f.Add([]byte(seed))
	}
	table := quota.Defaults("eu-central-1")
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := plan.ParsePrices("f", data); err == nil {
			for _, c := range p.Classes {
				if !(c.Per10000 >= 0) || math.IsInf(c.Per10000, 0) {
					t.Errorf("price %v", c)
				}
			}
		}
		if all, err := plan.ParseProfiles("f", data); err == nil {
			for _, p := range all {
				for kind, rate := range p.Operations {
					if !(rate > 0) || math.IsInf(rate, 0) || p.Engines < 1 {
						t.Errorf("%s: %g", kind, rate)
					}
				}
			}
		}
		if q, _, err := plan.ParseQuotas("f", data, table); err == nil {
			for _, one := range q.All() {
				if !(one.PerSecond > 0) || math.IsInf(one.PerSecond, 0) {
					t.Errorf("%+v", one)
				}
			}
		}
	})
}
