package quota_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/quota"
)

func TestNames(t *testing.T) {
	t.Parallel()
	table := quota.Defaults("cn-north-1")
	for _, c := range []struct {
		call quota.Call
		want []string
	}{
		{quota.Call{Operation: "Encrypt", KeySpec: "SYMMETRIC_DEFAULT"}, []string{quota.Symmetric}},
		{quota.Call{Operation: "Encrypt", KeySpec: "RSA_4096"}, []string{quota.RSA}},
		{quota.Call{Operation: "Decrypt", KeySpec: "SM2"}, []string{quota.ECC}},
		{quota.Call{Operation: "VerifyMac", KeySpec: "HMAC_256"}, []string{quota.Symmetric}},
		{quota.Call{Operation: "GenerateRandom"}, []string{quota.Symmetric}},
		{quota.Call{Operation: "Sign", KeySpec: "ML_DSA_65"}, []string{quota.MLDSA}},
		{quota.Call{Operation: "Sign", KeySpec: "ECC_NIST_EDWARDS25519"}, []string{quota.ECC}},
		{quota.Call{Operation: "ReEncrypt", KeySpec: "SYMMETRIC_DEFAULT", Destination: "RSA_2048"}, []string{quota.Symmetric, quota.RSA}},
		{quota.Call{Operation: "ReEncrypt", KeySpec: "SYMMETRIC_DEFAULT"}, []string{quota.Symmetric}},
		{quota.Call{Operation: "Decrypt", KeySpec: "SYMMETRIC_DEFAULT", KeyStore: true}, []string{quota.Symmetric, quota.KeyStore}},
		{quota.Call{Operation: "GenerateDataKeyPairWithoutPlaintext", KeySpec: "SM2"}, []string{quota.PairName("SM2")}},
		{quota.Call{Operation: "CreateKey"}, []string{"CreateKey request rate"}},
		{quota.Call{Operation: "MakeCoffee"}, nil},
	} {
		got := table.Names(c.call)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.call, diff)
		}
		for _, name := range got {
			if q, ok := table.Named(name); !ok || q.PerSecond <= 0 || q.Scope == "" {
				t.Errorf("%+v counts in %q, which is %+v", c.call, name, q)
			}
		}
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	for region, want := range map[string][2]float64{"us-east-1": {100_000, 1}, "eu-central-1": {20_000, 1}, "sa-east-1": {10_000, 1}, "cn-north-1": {10_000, 0.1}} {
		table := quota.Defaults(region)
		symmetric, _ := table.Named(quota.Symmetric)
		pair, _ := table.Named(quota.PairName("RSA_4096"))
		if symmetric.PerSecond != want[0] || pair.PerSecond != want[1] {
			t.Errorf("%s: symmetric %g, RSA_4096 pairs %g, want %v", region, symmetric.PerSecond, pair.PerSecond, want)
		}
	}
	changed, err := quota.Defaults("us-east-1").With(map[string]float64{quota.RSA: 2500})
	if q, _ := changed.Named(quota.RSA); err != nil || q.PerSecond != 2500 {
		t.Errorf("%+v, %v", q, err)
	}
	if _, err := changed.With(map[string]float64{"Coffee": 1}); err == nil {
		t.Error("an unknown quota was taken")
	}
	if _, err := changed.With(map[string]float64{quota.RSA: 0}); err == nil {
		t.Error("a rate of 0 was taken")
	}
}
