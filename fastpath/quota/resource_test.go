package quota_test

import (
	"strings"
	"testing"

	"trent/fastpath/quota"
)

// TestDefaults are the service's numbers (AWS KMS Developer Guide, "Resource quotas").
func TestDefaults(t *testing.T) {
	t.Parallel()
	for r, want := range map[quota.Resource]struct{ byDefault, aws int }{
		quota.Keys:              {quota.Unlimited, 100_000},
		quota.AliasesPerKey:     {50, 50},
		quota.GrantsPerKey:      {50_000, 50_000},
		quota.CustomKeyStores:   {10, 10},
		quota.OnDemandRotations: {25, 25},
		quota.TagsPerKey:        {50, 50},
		quota.PolicyBytes:       {32_768, 32_768},
	} {
		if got := quota.Default()[r]; got != want.byDefault {
			t.Errorf("%s: default %d, want %d", r.Row().Name, got, want.byDefault)
		}
		if got := quota.AWS()[r]; got != want.aws {
			t.Errorf("%s: aws %d, want %d", r.Row().Name, got, want.aws)
		}
		if quota.Off()[r] != quota.Unlimited {
			t.Errorf("%s: off is a limit", r.Row().Name)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	with := func(base quota.Resources, r quota.Resource, n int) quota.Resources { base[r] = n; return base }
	for text, want := range map[string]quota.Resources{
		"off":                                  quota.Off(),
		"default":                              quota.Default(),
		"aws":                                  quota.AWS(),
		"keys=5":                               with(quota.Default(), quota.Keys, 5),
		"aws,keys=5":                           with(quota.AWS(), quota.Keys, 5),
		"aws, tags_per_key=off":                with(quota.AWS(), quota.TagsPerKey, quota.Unlimited),
		"off,on_demand_rotations_per_key=1":    with(quota.Off(), quota.OnDemandRotations, 1),
		"default,policy_bytes=10,keys=off":     with(quota.Default(), quota.PolicyBytes, 10),
		"custom_key_stores=3,grants_per_key=9": with(with(quota.Default(), quota.CustomKeyStores, 3), quota.GrantsPerKey, 9),
	} {
		got, err := quota.Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		again, err := quota.Parse(got.String())
		if err != nil || again != got {
			t.Errorf("%q is written as %q: %v, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "on", "aws,off", "keys", "keys=", "keys=0", "keys=-1", "keys=x", "keys=4294967296", "stores=1", "aws,", "keys=1,aws"} {
		if got, err := quota.Parse(text); err == nil || !strings.HasPrefix(err.Error(), "resource quotas: ") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"aws", "off", "default,keys=5", "keys=off", "a=b", ",", "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := quota.Parse(text)
		if err != nil {
			return
		}
		if again, err := quota.Parse(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which is read as %v, %v", text, got.String(), again, err)
		}
	})
}
