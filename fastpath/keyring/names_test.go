package keyring_test

import (
	"errors"
	"strings"
	"testing"

	"trent/fastpath/keyring"
)

const (
	mrkID    = "mrk-1234abcd12ab34cd56ef1234567890ab"
	arnStart = "arn:aws:kms:us-east-1:000000000000:"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	id := create(t, k, newKey(0xabc))
	multi := newKey(2)
	multi.ID.Key, multi.MultiRegion = mrkID, true
	create(t, k, multi)
	foreign := newKey(3)
	foreign.Account = "111122223333"
	create(t, k, foreign)
	for name, target := range map[string]keyring.ID{"alias/a": id, "alias/team/app_1-x": multi.ID} {
		if err := k.CreateAlias(t.Context(), home, name, target); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = "9999abcd-12ab-34cd-56ef-1234567890ab"
	upper := strings.ToUpper(id.Key)
	bad := func(kind keyring.NameErrorKind, text string) *keyring.NameError {
		return &keyring.NameError{Kind: kind, Text: text}
	}
	for _, c := range []struct {
		name    string
		form    keyring.Form
		arn     string // of the snapshot
		missing bool
		alias   string
		err     *keyring.NameError
	}{
		{name: id.Key, form: keyring.KeyIDForm, arn: arnStart + "key/" + id.Key},
		{name: mrkID, form: keyring.KeyIDForm, arn: arnStart + "key/" + mrkID},
		{name: arnStart + "key/" + id.Key, form: keyring.KeyARNForm, arn: arnStart + "key/" + id.Key},
		{name: foreign.ARN(), form: keyring.KeyARNForm, arn: foreign.ARN()},
		{name: foreign.ID.Key, form: keyring.KeyIDForm, arn: arnStart + "key/" + foreign.ID.Key, missing: true},
		{name: "alias/a", form: keyring.AliasNameForm, arn: id.ARN(), alias: "alias/a"},
		{name: arnStart + "alias/team/app_1-x", form: keyring.AliasARNForm, arn: multi.ARN(), alias: "alias/team/app_1-x"},
		{name: nobody, form: keyring.KeyIDForm, arn: arnStart + "key/" + nobody, missing: true},
		{name: upper, form: keyring.KeyIDForm, arn: arnStart + "key/" + upper, missing: true},
		{name: arnStart + "key/" + upper, form: keyring.KeyARNForm, arn: arnStart + "key/" + upper, missing: true},

		{name: "", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "")},
		{name: "foo", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "foo")},
		{name: "mrk-fake-key-id", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "mrk-fake-key-id")},
		{name: "134f2428cec14b25a1ae9048164dba47", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "134f2428cec14b25a1ae9048164dba47")},
		{name: "9999abcd-12ab-34cd-56ef-1234567890ag", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "9999abcd-12ab-34cd-56ef-1234567890ag")},
		{name: "9999abcd-12ab-34cd-56ef01234567890ab", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "9999abcd-12ab-34cd-56ef01234567890ab")},
		{name: "mrk_1234abcd12ab34cd56ef1234567890ab", form: keyring.KeyIDForm, err: bad(keyring.InvalidID, "mrk_1234abcd12ab34cd56ef1234567890ab")},
		{name: arnStart + "key/foo", form: keyring.KeyARNForm, err: bad(keyring.InvalidARNID, "foo")},
		{name: arnStart + "key/", form: keyring.KeyARNForm, err: bad(keyring.InvalidARNID, "")},
		{name: strings.Replace(id.ARN(), "us-east-1", "us-west-2", 1), form: keyring.KeyARNForm, err: bad(keyring.OtherRegion, "us-west-2")},
		{name: "arn:aws:kms:us-west-2:000000000000:alias/a", form: keyring.AliasARNForm, err: bad(keyring.OtherRegion, "us-west-2")},
		{name: "alias/b", form: keyring.AliasNameForm, err: bad(keyring.NoAlias, arnStart+"alias/b")},
		{name: "alias/", form: keyring.AliasNameForm, err: bad(keyring.NoAlias, arnStart+"alias/")},
		{name: "alias/A", form: keyring.AliasNameForm, err: bad(keyring.NoAlias, arnStart+"alias/A")},
		{name: "alias/a\x00b", form: keyring.AliasNameForm, err: bad(keyring.NoAlias, arnStart+"alias/a\x00b")},
		{name: "arn:aws:kms:us-east-1:111122223333:alias/a", form: keyring.AliasARNForm, err: bad(keyring.NoAlias, "arn:aws:kms:us-east-1:111122223333:alias/a")},
		{name: "arn:", form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, "arn:")},
		{name: "arn:aws:s3:us-east-1:000000000000:key/" + nobody, form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, "arn:aws:s3:us-east-1:000000000000:key/"+nobody)},
		{name: "arn:aws-cn:kms:us-east-1:000000000000:key/" + nobody, form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, "arn:aws-cn:kms:us-east-1:000000000000:key/"+nobody)},
		{name: "arn:aws:kms:us-east-1:0000:key/" + nobody, form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, "arn:aws:kms:us-east-1:0000:key/"+nobody)},
		{name: "arn:aws:kms:us-east-1:00000000000a:key/" + nobody, form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, "arn:aws:kms:us-east-1:00000000000a:key/"+nobody)},
		{name: arnStart + "grant/x", form: keyring.KeyARNForm, err: bad(keyring.MalformedARN, arnStart+"grant/x")},
	} {
		for range 2 { // the second time from the cache
			if got := keyring.Classify([]byte(c.name)); got != c.form {
				t.Errorf("Classify(%q) = %d, want %d", c.name, got, c.form)
			}
			r, err := k.Resolve(t.Context(), home, []byte(c.name))
			if c.err != nil {
				var ne *keyring.NameError
				if !errors.As(err, &ne) || *ne != *c.err {
					t.Errorf("Resolve(%q): %v, want %v", c.name, err, c.err)
				}
				continue
			}
			if err != nil {
				t.Errorf("Resolve(%q): %v", c.name, err)
				continue
			}
			s := r.Snapshot
			if s.ARN != c.arn || s.Missing != c.missing || string(r.Alias) != c.alias || r.Form != c.form || s.ID.ARN() != s.ARN {
				t.Errorf("Resolve(%q) = %+v (alias %q, form %d)", c.name, s, r.Alias, r.Form)
			}
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{
		"", "a", "alias/", "alias/a", "arn:", "arn:aws:kms:us-east-1:000000000000:key/" + mrkID, mrkID, keyID(1),
		"arn:aws:kms:us-east-1:000000000000:alias/x", "arn:aws:kms:eu-west-1:000000000000:key/1", "arn:::::::", keyID(1)[:35],
	} {
		f.Add([]byte(s))
	}
	k := open(f, newMemory(), keyring.Options{CacheBytes: 1 << 20})
	create(f, k, newKey(1))
	if err := k.CreateAlias(f.Context(), home, "alias/x", newKey(1).ID); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		kept := string(name)
		r, err := k.Resolve(t.Context(), home, name)
		if string(name) != kept {
			t.Fatal("the name was changed")
		}
		form := keyring.Classify(name)
		var ne *keyring.NameError
		switch {
		case err != nil && !errors.As(err, &ne):
			t.Fatalf("%q: %v", name, err)
		case err != nil && r.Snapshot != nil:
			t.Fatalf("%q: both a snapshot and %v", name, err)
		case err == nil && r.Form != form:
			t.Fatalf("%q: resolved as form %d, classified as %d", name, r.Form, form)
		case err == nil && form.IsAlias() != (r.Alias != nil):
			t.Fatalf("%q: alias %q", name, r.Alias)
		case err == nil && form == keyring.KeyIDForm && r.Snapshot.ARN != arnStart+"key/"+kept:
			t.Fatalf("%q: %s", name, r.Snapshot.ARN)
		case err == nil && form == keyring.KeyARNForm && r.Snapshot.ARN != kept:
			t.Fatalf("%q: %s", name, r.Snapshot.ARN)
		}
	})
}
