package keyring_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
)

// policyFor is a key policy like those of the console, about n.
func policyFor(n int) []byte {
	return fmt.Appendf(nil, `{"Version":"2012-10-17","Id":"key-consolepolicy-3","Statement":[
{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"kms:*","Resource":"*"},
{"Sid":"Allow use of the key","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::000000000000:role/worker-%d","arn:aws:iam::111122223333:root"]},
"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",
"Condition":{"StringEquals":{"kms:EncryptionContext:tenant":["%d"]},"Bool":{"aws:SecureTransport":"true"}}},
{"Sid":"Allow attachment of persistent resources","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/worker-%d"},
"Action":["kms:CreateGrant","kms:ListGrants","kms:RevokeGrant"],"Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}]}`, n, n, n)
}

// Keys of the same policy share its compiled form, those with the default policy one an account.
func TestPoliciesAreShared(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	compiled := func(n int, policy []byte) *authz.Compiled {
		key := newKey(n)
		key.Policy = policy
		if n%10 == 9 {
			key.Account = "111122223333"
		}
		id := create(t, k, key)
		s := snapshot(t, k, id)
		if s.Policy == nil || s.Policy.Kind != authz.KindKey {
			t.Fatalf("%+v", s.Policy)
		}
		return s.Policy
	}
	one, two, other := compiled(1, nil), compiled(2, nil), compiled(9, nil)
	if one != two || one == other {
		t.Errorf("default policies %p, %p, of another account %p", one, two, other)
	}
	if explicit := compiled(3, []byte(authz.DefaultPolicy("aws", home.Account))); explicit != one {
		t.Errorf("the same text in a record: %p, %p", explicit, one)
	}
	a, b, c := compiled(4, policyFor(1)), compiled(5, policyFor(1)), compiled(6, policyFor(2))
	if a != b || a == c {
		t.Errorf("the same text: %p, %p; another: %p", a, b, c)
	}
	if s := snapshot(t, k, home.Key(keyID(77))); s.Policy != nil {
		t.Errorf("the policy of no key: %+v", s.Policy)
	}
	// No version writes this: it allows nothing, and can be replaced.
	broken := compiled(7, []byte("{"))
	d := authz.Decide(&authz.Request{
		Action: authz.ActionDescribeKey, Policy: broken, Resource: home.Key(keyID(7)).ARN(), ResourceAccount: home.Account,
		Partition: "aws", Caller: &authz.Caller{Type: authz.CallerAccount, Partition: "aws", Account: home.Account, ARN: "arn:aws:iam::000000000000:root"},
	})
	if d.Allowed {
		t.Errorf("allowed by no policy: %+v", d)
	}
	if err := k.PutPolicy(t.Context(), home.Key(keyID(7)), policyFor(1)); err != nil || snapshot(t, k, home.Key(keyID(7))).Policy != a {
		t.Errorf("replaced: %v", err)
	}
}

// Policies, tags and aliases are seen as they are: by who changed them at once, by others with the watch.
func TestAttributesFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		here, there := open(t, m, keyring.Options{AliasesPerKey: 3}), open(t, m, keyring.Options{AliasesPerKey: 3})
		one, two := create(t, here, newKey(1)), create(t, here, newKey(2))
		ctx := t.Context()
		see := func(id keyring.ID, want keyring.Attributes) {
			t.Helper()
			for _, k := range []*keyring.Keyring{here, there} {
				for range 2 {
					got, err := k.Attributes(ctx, snapshot(t, k, id))
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(want, *got); d != "" {
						t.Error(d)
					}
				}
				synctest.Wait()
			}
		}
		for _, c := range []struct {
			do       func() error
			one, two keyring.Attributes
		}{
			{func() error { return nil }, keyring.Attributes{}, keyring.Attributes{}},
			{func() error { return here.CreateAlias(ctx, home, "alias/a", one) }, keyring.Attributes{Aliases: []string{"alias/a"}}, keyring.Attributes{}},
			{func() error { return here.CreateAlias(ctx, home, "alias/b", one) }, keyring.Attributes{Aliases: []string{"alias/a", "alias/b"}}, keyring.Attributes{}},
			{func() error { return here.UpdateAlias(ctx, home, "alias/a", two) }, keyring.Attributes{Aliases: []string{"alias/b"}}, keyring.Attributes{Aliases: []string{"alias/a"}}},
			{func() error { return here.DeleteAlias(ctx, home, "alias/b") }, keyring.Attributes{}, keyring.Attributes{Aliases: []string{"alias/a"}}},
			{func() error {
				return here.EditTags(ctx, two, func([]keyring.Tag) ([]keyring.Tag, error) {
					return []keyring.Tag{{Key: "z", Value: "1"}, {Key: "a", Value: "2"}}, nil
				})
			}, keyring.Attributes{}, keyring.Attributes{Aliases: []string{"alias/a"}, Tags: []keyring.Tag{{Key: "a", Value: "2"}, {Key: "z", Value: "1"}}}},
			{func() error {
				return here.EditTags(ctx, two, func([]keyring.Tag) ([]keyring.Tag, error) { return nil, nil })
			}, keyring.Attributes{}, keyring.Attributes{Aliases: []string{"alias/a"}}},
		} {
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			see(one, c.one)
			see(two, c.two)
		}
		for n := range 4 {
			policy := policyFor(n)
			if err := here.PutPolicy(ctx, one, policy); err != nil {
				t.Fatal(err)
			}
			if s := snapshot(t, here, one); s.Policy.Source == nil || s.Policy.Source.Statements[1].Principals[0].Name != alice[:len("arn:aws:iam::000000000000:role/")]+fmt.Sprint("worker-", n) {
				t.Errorf("%d: %+v", n, s.Policy.Source)
			}
			synctest.Wait()
			if here, there := snapshot(t, here, one), snapshot(t, there, one); here.Policy.Hash != there.Policy.Hash {
				t.Errorf("%d: others see another policy", n)
			}
		}
	})
}

// More aliases than the quota allows, as after it was lowered, can be told.
func TestManyAliases(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	for n := range 5 {
		if err := k.CreateAlias(t.Context(), home, fmt.Sprint("alias/", n), id); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]bool{-1: false, 3: true, 4: true, 5: false, 6: false} {
		k := open(t, m, keyring.Options{AliasesPerKey: limit})
		a, err := k.Attributes(t.Context(), snapshot(t, k, id))
		if err != nil || a.ManyAliases != want || !want && len(a.Aliases) != 5 || want && len(a.Aliases) != limit {
			t.Errorf("limit %d: %+v, %v", limit, a, err)
		}
	}
}

// Policies and attributes count against the bound of the cache as what they take.
func TestMemoryPerPolicy(t *testing.T) { // not parallel: it measures the heap
	const keys = 1000
	m := newMemory()
	k := open(t, m, keyring.Options{})
	shared := policyFor(-1)
	for i := range 2 * keys {
		key := newKey(i)
		if key.Policy = shared; i < keys {
			key.Policy = policyFor(i)
		} else {
			key.Tags = []keyring.Tag{{Key: strings.Repeat("k", 60), Value: strings.Repeat("v", 100)}, {Key: "b", Value: ""}}
		}
		create(t, k, key)
	}
	k = open(t, m, keyring.Options{})
	read := func(from, to int, attributes bool) (used, counted int64) {
		h, b := heap(), k.Stats().Bytes
		for i := from; i < to; i++ {
			s := snapshot(t, k, home.Key(keyID(i)))
			if !attributes {
				continue
			}
			if a, err := k.Attributes(t.Context(), s); err != nil || len(a.Tags) != 2 {
				t.Fatal(a, err)
			}
		}
		return heap() - h, k.Stats().Bytes - b
	}
	for _, c := range []struct {
		name       string
		from, to   int
		attributes bool
	}{{"policies", 0, keys, false}, {"one policy", keys, 2 * keys, false}, {"attributes", keys, 2 * keys, true}} {
		used, counted := read(c.from, c.to, c.attributes)
		t.Logf("%s: %d bytes a key on the heap, %d by the cache's own count", c.name, used/keys, counted/keys)
		if off := float64(counted) / float64(used); off < 0.7 || off > 1.4 {
			t.Errorf("%s: counted %d bytes, the heap grew by %d", c.name, counted, used)
		}
	}
	runtime.KeepAlive(k)
}
