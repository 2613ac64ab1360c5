package operation_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/hsm"
	"trent/store"
	"trent/store/pebblestore"
)

// rigWith is newRig with options of the keyring, over what wrap makes of the store.
func rigWith(t *testing.T, o keyring.Options, wrap func(store.Store) store.Store) rig {
	t.Helper()
	dir := t.TempDir()
	module, err := hsm.Open(hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := pebblestore.Open(filepath.Join(dir, "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(wrap(kept), module, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{keys.Close(), kept.Close(), module.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return rig{operation.New(operation.Options{Keyring: keys, Module: module}), keys, module}
}

const rootARN = "arn:aws:iam::000000000000:root"

func grantBody(id, more string) string {
	return `{"KeyId":"` + id + `","GranteePrincipal":"` + rootARN + `","Operations":["Encrypt"]` + more + `}`
}

// TestGrantLimit: the quota's text at the limit and past it, for a dry run too; names that are known pass.
func TestGrantLimit(t *testing.T) {
	t.Parallel()
	r := rigWith(t, keyring.Options{GrantsPerKey: 2}, func(s store.Store) store.Store { return s })
	id := r.create(t, `{}`)
	for i, body := range []string{grantBody(id, `,"Name":"a"`), grantBody(id, ""), grantBody(id, `,"Name":"a"`)} {
		var c operation.Call
		if got := refusal(r.run(t, &c, "CreateGrant", body)); got != "" {
			t.Errorf("grant %d: %s", i, got)
		}
	}
	const full = "LimitExceededException: Grants per key quota for this account in this region is 2, current usage is 2."
	for _, more := range []string{"", `,"Name":"b"`, `,"DryRun":true`} {
		var c operation.Call
		if got := refusal(r.run(t, &c, "CreateGrant", grantBody(id, more))); got != full {
			t.Errorf("one too many: %s", got)
		}
	}
}

// TestGrantTransientStates are those that no request can bring about (AWS KMS Developer Guide, "Key states of AWS KMS
// keys").
func TestGrantTransientStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	arn := scope.Key(id).ARN()
	for state, want := range map[keyring.State]string{
		keyring.Unavailable: "", keyring.Updating: "", keyring.Creating: "KMSInvalidStateException: " + arn + " is creating.",
		keyring.PendingReplicaDeletion: "KMSInvalidStateException: " + arn + " is pending replica deletion.",
	} {
		if _, err := r.keys.Update(t.Context(), scope.Key(id), func(k *keyring.Record) error {
			k.State, k.Deletion, k.WindowDays = state, time.Time{}, 0
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string]string{
			"CreateGrant": grantBody(id, ""), "ListGrants": `{"KeyId":"` + id + `"}`, "GetKeyLastUsage": `{"KeyId":"` + id + `"}`,
			"PutKeyPolicy": `{"KeyId":"` + id + `","Policy":"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}}"}`,
		} {
			expected := ""
			if name == "CreateGrant" {
				expected = want
			}
			var c operation.Call
			if got := refusal(r.run(t, &c, name, body)); got != expected {
				t.Errorf("%v, %s: %q, want %q", state, name, got, expected)
			}
		}
	}
}

// TestGrantConstraintProperty: of random constraints exactly those are taken that the rules allow, and what was taken
// is listed as it was given.
func TestGrantConstraintProperty(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sym, mac := r.create(t, `{}`), r.create(t, `{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`)
	const seed = 20240411
	d := rand.New(rand.NewPCG(seed, 1))
	drawPairs := func() (map[string]string, string) {
		if d.IntN(3) == 0 {
			return nil, ""
		}
		pairs, text := map[string]string{}, []string{}
		for i := range d.IntN(11) {
			key := fmt.Sprintf("k%d", i)
			pairs[key] = strings.Repeat([]string{"x", "ü", "💡"}[d.IntN(3)], []int{0, 1, 383, 384, 385}[min(d.IntN(40), 4)/1%5])
			text = append(text, `"`+key+`":"`+pairs[key]+`"`)
		}
		return pairs, "{" + strings.Join(text, ",") + "}"
	}
	fits := func(pairs map[string]string) bool {
		for _, v := range pairs {
			if len([]rune(v)) > 384 {
				return false
			}
		}
		return len(pairs) <= 8
	}
	taken := 0
	for range 400 {
		equals, equalsText := drawPairs()
		subset, subsetText := drawPairs()
		if d.IntN(3) > 0 {
			subset, subsetText = nil, ""
		}
		source := []string{"", "arn:aws:s3:::a-bucket", "arn:aws:s3:us-east-1:bucket"}[d.IntN(3)]
		key, op := sym, "Encrypt"
		if d.IntN(4) == 0 {
			key, op = mac, "GenerateMac"
		}
		var members []string
		for name, text := range map[string]string{"EncryptionContextEquals": equalsText, "EncryptionContextSubset": subsetText} {
			if text != "" {
				members = append(members, `"`+name+`":`+text)
			}
		}
		if source != "" {
			members = append(members, `"SourceArn":"`+source+`"`)
		}
		body := `{"KeyId":"` + key + `","GranteePrincipal":"` + rootARN + `","Operations":["` + op + `"],"Constraints":{` + strings.Join(members, ",") + `}}`
		want := fits(equals) && fits(subset) && (len(equals) == 0 || len(subset) == 0) && (key == sym || len(equals)+len(subset) == 0) && !strings.HasSuffix(source, ":bucket")
		var c operation.Call
		err := r.run(t, &c, "CreateGrant", body)
		if (err == nil) != want || err != nil && !strings.HasPrefix(refusal(err), "ValidationException: ") {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		if err != nil {
			continue
		}
		taken++
		made := c.Response.(*wire.CreateGrantResponse)
		var l operation.Call
		if err := r.run(t, &l, "ListGrants", `{"KeyId":"`+key+`","GrantId":"`+made.GrantId+`"}`); err != nil {
			t.Fatal(err)
		}
		k := l.Response.(*wire.ListGrantsResponse).Grants[0].Constraints
		if len(equals)+len(subset) == 0 && source == "" {
			if k != nil {
				t.Errorf("seed %d: constraints %+v of none", seed, k)
			}
			continue
		}
		if !samePairs(k.EncryptionContextEquals, equals) || !samePairs(k.EncryptionContextSubset, subset) || k.SourceArn != source {
			t.Errorf("seed %d: %s is listed as %+v", seed, body, k)
		}
	}
	if taken < 20 {
		t.Errorf("only %d grants were made", taken)
	}
}

func samePairs(got []wire.ResponsePair, want map[string]string) bool {
	if (got == nil) != (len(want) == 0) || len(got) != len(want) {
		return false
	}
	return !slices.ContainsFunc(got, func(p wire.ResponsePair) bool { return want[p.Key] != p.Value })
}

// TestManyGrants: a token among many grants is found without the others being read. It counts allocations, and is
// therefore not parallel.
func TestManyGrants(t *testing.T) {
	r := newRig(t)
	id := r.create(t, `{}`)
	var token string
	for range 300 {
		var c operation.Call
		if err := r.run(t, &c, "CreateGrant", grantBody(id, "")); err != nil {
			t.Fatal(err)
		}
		token = c.Response.(*wire.CreateGrantResponse).GrantToken
	}
	body := `{"KeyId":"` + id + `","Plaintext":"eA==","GrantTokens":["` + token + `"]}`
	var c operation.Call
	run := func() {
		c.Reset()
		if err := r.run(t, &c, "Encrypt", body); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n > 200 {
		t.Errorf("%v allocations for a token of one in 300 grants", n)
	}
}
