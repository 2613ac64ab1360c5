package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"trent/loadgen/engine"
	"trent/loadgen/workload"
)

const twoGroups = `
name: two
keys:
  - {name: data, count: 5}
  - {name: signing, spec: ECC_NIST_P256}
mix:
  - {operation: Encrypt, keys: data}
  - {operation: Decrypt, keys: data}
  - {operation: Sign, keys: signing}
`

// describing answers DescribeKey by the beginning of the key's name; "off-…" is disabled.
func describing(f *fakeKMS) {
	f.misbehave = func(_ uint64, operation string, w http.ResponseWriter, r *http.Request) bool {
		if operation != "DescribeKey" {
			return false
		}
		data, _ := io.ReadAll(r.Body)
		var in struct{ KeyId string }
		_ = json.Unmarshal(data, &in)
		m := map[string]string{"KeyId": "id-of-" + in.KeyId, "Arn": "arn-of-" + in.KeyId, "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled"}
		switch {
		case strings.HasPrefix(in.KeyId, "ecc"):
			m["KeySpec"], m["KeyUsage"] = "ECC_NIST_P256", "SIGN_VERIFY"
		case strings.HasPrefix(in.KeyId, "mac"):
			m["KeySpec"], m["KeyUsage"] = "HMAC_256", "GENERATE_VERIFY_MAC"
		case strings.HasPrefix(in.KeyId, "off"):
			m["KeyState"] = "Disabled"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"KeyMetadata": m})
		return true
	}
}

func TestGivenKeysAreUsed(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	describing(f)
	w, err := workload.Parse("two.yaml", []byte(twoGroups))
	if err != nil {
		t.Fatal(err)
	}
	target := f.target()
	target.UseKeys = []string{"a", "arn:b", "ecc"}
	p, err := engine.Provision(t.Context(), target, w, engine.ProvisionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{p.KeyID(0, 0), p.KeyID(0, 1), p.KeyID(0, 2), p.KeyID(0, 4), p.KeyID(1, 0)}
	if want := "id-of-a arn-of-arn:b id-of-a id-of-a id-of-ecc"; strings.Join(got, " ") != want {
		t.Errorf("keys %q, want %s", got, want)
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.keys.Load() != 0 || f.count("ScheduleKeyDeletion") != 0 || p.Artifacts(1) == 0 {
		t.Errorf("made %d keys, scheduled %d deletions, %d ciphertexts a key", f.keys.Load(), f.count("ScheduleKeyDeletion"), p.Artifacts(1))
	}
}

func TestGivenKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	describing(f)
	w, err := workload.Parse("two.yaml", []byte(twoGroups))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ keys, want string }{
		{"a", "group signing"},
		{"a ecc mac", "does not use"},
		{"off ecc", "Disabled"},
	} {
		target := f.target()
		target.UseKeys = strings.Fields(c.keys)
		_, err := engine.Provision(t.Context(), target, w, engine.ProvisionOptions{})
		var refused *engine.KeyError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a KeyError with %q", c.keys, err, c.want)
		}
	}
}

func TestCapOnKeys(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	w, err := workload.Parse("two.yaml", []byte(twoGroups))
	if err != nil {
		t.Fatal(err)
	}
	target := f.target()
	target.MaxKeys = 5
	if _, err := engine.Provision(t.Context(), target, w, engine.ProvisionOptions{}); !errors.Is(err, engine.ErrKeyCap) || f.requests.Load() != 0 {
		t.Errorf("%v after %d requests, want ErrKeyCap and none", err, f.requests.Load())
	}
	target.MaxKeys = 6
	if _, err := engine.Provision(t.Context(), target, w, engine.ProvisionOptions{}); err != nil || f.keys.Load() != 6 {
		t.Errorf("%v, %d keys", err, f.keys.Load())
	}
}
