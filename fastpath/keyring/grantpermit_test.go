package keyring_test

import (
	"fmt"
	"strings"
	"testing"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// pairsOf reads "a=1 b=2"; nil for "-", empty for "".
func pairsOf(text string) []keyring.Tag {
	if text == "-" {
		return nil
	}
	pairs := []keyring.Tag{}
	for _, f := range strings.Fields(text) {
		k, v, _ := strings.Cut(f, "=")
		pairs = append(pairs, keyring.Tag{Key: k, Value: v})
	}
	return pairs
}

func contextOf(text string) []hsm.ContextPair {
	var pairs []hsm.ContextPair
	for _, p := range pairsOf(text) {
		pairs = append(pairs, hsm.ContextPair{Key: []byte(p.Key), Value: []byte(p.Value)})
	}
	return pairs
}

// AWS KMS Developer Guide, "Using grant constraints".
func TestGrantConstraints(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		equals, subset, context string
		want                    bool
	}{
		{"-", "-", "", true},
		{"-", "-", "a=1", true},
		{"a=1", "-", "a=1", true},
		{"a=1 b=2", "-", "b=2 a=1", true},
		{"a=1", "-", "a=1 b=2", false},
		{"a=1 b=2", "-", "a=1", false},
		{"a=1", "-", "A=1", false},
		{"a=b", "-", "a=B", false},
		{"a=1", "-", "a=2", false},
		{"a=1", "-", "", false},
		{"", "-", "", true},
		{"", "-", "a=1", false},
		{"-", "a=1", "a=1", true},
		{"-", "a=1", "b=2 a=1 c=3", true},
		{"-", "a=1 b=2", "c=3 b=2 a=1", true},
		{"-", "a=1 b=2", "b=2", false},
		{"-", "a=1 b=2", "a=1", false},
		{"-", "a=1", "A=1", false},
		{"-", "a=b", "a=B", false},
		{"-", "a=1", "", false},
		{"-", "", "a=1", true},
		{"a=1 b=" + long, "-", "b=" + long + " a=1", true},
		{"a=1 b=" + long, "-", "b=" + long + "y a=1", false},
		{"a=1 b=" + long, "-", "b=" + long + " a=1 c=1", false},
		{"-", "a=1 b=" + long, "c=1 b=" + long + " a=1", true},
		{"-", "a=1 b=" + long, "c=1 b=" + long, false},
		{"-", "j=1", "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1", true},
		{"a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1", "-", "h=1 g=1 f=1 e=1 d=1 c=1 b=1 a=1", true},
	} {
		k := open(t, newMemory(), keyring.Options{})
		id := create(t, k, newKey(1))
		g := newGrant(id, 1)
		g.Equals, g.Subset = pairsOf(c.equals), pairsOf(c.subset)
		grantTo(t, k, g)
		key := snapshot(t, k, id)
		q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{bob, "", alice}, Context: contextOf(c.context)}
		for _, cached := range []bool{false, true} {
			if got, ok, err := k.PermitByGrant(t.Context(), key, &q); err != nil || ok != c.want || ok && got != g.ID {
				t.Errorf("equals %q subset %q context %q: %v, want %v (cached %v, %v)", c.equals, c.subset, c.context, ok, c.want, cached, err)
			}
		}
		q.NoContext = true
		if _, ok, err := k.PermitByGrant(t.Context(), key, &q); err != nil || !ok {
			t.Errorf("equals %q subset %q without a context: %v, %v", c.equals, c.subset, ok, err)
		}
		for _, refused := range []keyring.GrantQuery{
			{Operation: keyring.GrantDecrypt, Grantees: []string{alice}, NoContext: true},
			{Operation: keyring.GrantNothing, Grantees: []string{alice}, NoContext: true},
			{Operation: keyring.NumGrantOperations, Grantees: []string{alice}, NoContext: true},
			{Operation: keyring.GrantEncrypt, Grantees: []string{bob, ""}, NoContext: true, Tokens: []keyring.GrantID{g.ID}},
			{Operation: keyring.GrantEncrypt, NoContext: true},
		} {
			if _, ok, err := k.PermitByGrant(t.Context(), key, &refused); err != nil || ok {
				t.Errorf("%+v: %v, %v", refused, ok, err)
			}
		}
	}
}

func snapshot(t testing.TB, k *keyring.Keyring, id keyring.ID) *keyring.Snapshot {
	t.Helper()
	s, err := k.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGrantSources(t *testing.T) {
	t.Parallel()
	const service = "s3.amazonaws.com"
	k := open(t, newMemory(), keyring.Options{})
	id := create(t, k, newKey(1))
	for i, source := range []string{"arn:aws:s3:::one", "arn:aws:s3:::lots-*", "arn:aws:s3:*:000000000000:job/?"} {
		g := newGrant(id, i)
		g.Grantee, g.GranteeService, g.SourceARN = "", service, source
		grantTo(t, k, g)
		g = newGrant(id, 100+i)
		g.SourceARN = source
		grantTo(t, k, g)
	}
	for _, c := range []struct {
		grantee, source   string
		byService, permit bool
	}{
		{service, "arn:aws:s3:::one", true, true},
		{service, "arn:aws:s3:::one/x", true, false},
		{service, "arn:aws:s3:::lots-of", true, true},
		{service, "arn:aws:s3:us-east-1:000000000000:job/7", true, true},
		{service, "arn:aws:s3:us-east-1:000000000000:job/77", true, false},
		{service, "arn:aws:s3:us:east:000000000000:job/7", true, false}, // a wildcard stays within its part
		{service, "", true, false},
		{alice, "arn:aws:s3:::one", true, true},
		{alice, "arn:aws:s3:::two", true, false},
		{alice, "", true, false},
		{alice, "", false, true}, // nobody's service: the constraint does not count
	} {
		q := keyring.GrantQuery{
			Operation: keyring.GrantEncrypt, Grantees: []string{c.grantee}, ByService: c.byService, SourceARN: c.source,
			Context: contextOf("a=1"),
		}
		if _, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, id), &q); err != nil || ok != c.permit {
			t.Errorf("%+v: %v, %v", c, ok, err)
		}
	}
}

// AWS KMS Developer Guide, "Granting CreateGrant permission".
func TestStricterOrEqual(t *testing.T) {
	t.Parallel()
	const all = "encrypt decrypt create"
	for i, c := range []struct {
		parentOperations, parentEquals, parentSubset, parentSource string
		childOperations, childEquals, childSubset, childSource     string
		want                                                       bool
	}{
		{all, "-", "-", "", "encrypt", "-", "-", "", true},
		{all, "-", "-", "", all, "-", "-", "", true},
		{"encrypt create", "-", "-", "", "encrypt decrypt", "-", "-", "", false},
		{all, "-", "-", "", all, "a=1", "-", "", true},
		{all, "-", "-", "", all, "-", "a=1", "", true},
		{all, "a=1", "-", "", all, "-", "-", "", false},
		{all, "a=1", "-", "", all, "a=1", "-", "", true},
		{all, "a=1 b=2", "-", "", all, "b=2 a=1", "-", "", true},
		{all, "a=1", "-", "", all, "a=1 b=2", "-", "", false},
		{all, "a=1 b=2", "-", "", all, "a=1", "-", "", false},
		{all, "a=1", "-", "", all, "-", "a=1", "", false},
		{all, "a=1", "-", "", all, "-", "a=1 b=2", "", false},
		{all, "-", "a=1", "", all, "-", "-", "", false},
		{all, "-", "a=1", "", all, "-", "a=1", "", true},
		{all, "-", "a=1", "", all, "-", "a=1 b=2", "", true},
		{all, "-", "a=1 b=2", "", all, "-", "a=1", "", false},
		{all, "-", "a=1", "", all, "a=1", "-", "", true},
		{all, "-", "a=1", "", all, "a=1 b=2", "-", "", true},
		{all, "-", "a=1", "", all, "a=2", "-", "", false},
		{all, "-", "a=1", "", all, "A=1", "-", "", false},
		{all, "", "-", "", all, "", "-", "", true},
		{all, "", "-", "", all, "-", "-", "", false},
		{all, "-", "", "", all, "-", "-", "", true},
		{all, "-", "-", "arn:aws:s3:::x", all, "-", "-", "", false},
		{all, "-", "-", "arn:aws:s3:::x", all, "-", "-", "arn:aws:s3:::x", true},
		{all, "-", "-", "arn:aws:s3:::x", all, "-", "-", "arn:aws:s3:::*", false},
		{all, "-", "-", "arn:aws:s3:::x*", all, "-", "-", "arn:aws:s3:::xy", true},
		{all, "-", "-", "", all, "-", "-", "arn:aws:s3:::xy", true},
	} {
		k := open(t, newMemory(), keyring.Options{})
		id := create(t, k, newKey(1))
		make := func(n int, operations, equals, subset, source string) keyring.Grant {
			g := newGrant(id, n)
			g.Operations = nil
			for _, name := range strings.Fields(operations) {
				g.Operations = append(g.Operations, map[string]keyring.GrantOperation{
					"encrypt": keyring.GrantEncrypt, "decrypt": keyring.GrantDecrypt, "create": keyring.GrantCreateGrant,
				}[name])
			}
			g.Equals, g.Subset, g.SourceARN = pairsOf(equals), pairsOf(subset), source
			return g
		}
		parent := make(1, c.parentOperations, c.parentEquals, c.parentSubset, c.parentSource)
		child := make(2, c.childOperations, c.childEquals, c.childSubset, c.childSource)
		if got := keyring.StricterOrEqual(&parent, &child); got != c.want {
			t.Errorf("%d %+v: %v", i, c, got)
		}
		grantTo(t, k, parent)
		q := keyring.GrantQuery{Operation: keyring.GrantCreateGrant, Grantees: []string{alice}, Child: &child}
		if id, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, id), &q); err != nil || ok != c.want || ok && id != parent.ID {
			t.Errorf("%d %+v: permitted: %v, %v", i, c, ok, err)
		}
	}
}

// Grants end before their end is answered, and those on a key with the key.
func TestGrantsEnd(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id := scheduled(t, k, 1)
	permitted := func() bool {
		t.Helper()
		q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}}
		_, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, id), &q)
		if err != nil {
			t.Fatal(err)
		}
		has, err := k.HasGrants(t.Context(), snapshot(t, k, id))
		if err != nil || ok && !has {
			t.Fatalf("has grants: %v, %v", has, err)
		}
		return ok
	}
	for n := range 30 {
		if permitted() {
			t.Fatalf("%d: permitted by no grant", n)
		}
		grantTo(t, k, newGrant(id, n))
		if !permitted() {
			t.Fatalf("%d: a new grant allows nothing", n)
		}
		if n%3 == 0 && !permitted() {
			t.Fatalf("%d: nothing from the cache", n)
		}
		if err := k.DeleteGrant(t.Context(), id, newGrant(id, n).ID); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 10 {
		grantTo(t, k, newGrant(id, 100+n))
	}
	if !permitted() {
		t.Error("no grant allows anything")
	}
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if permitted() {
		t.Error("a grant on a deleted key")
	}
	if s := fmt.Sprint(m.keys()); strings.Contains(s, "gee|") {
		t.Error(s)
	}
}
