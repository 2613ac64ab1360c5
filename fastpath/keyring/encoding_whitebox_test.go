package keyring

import (
	"bytes"
	"encoding/hex"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/hsm"
)

// The layout of version 1 on disk, byte by byte: what is written today must be readable for ever.
func TestLayoutIsStable(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(0x0102030405).UTC()
	id := ID{"aws", "000000000000", "us-east-1", "1234abcd-12ab-34cd-56ef-1234567890ab"}
	r := Record{
		ID: id, State: PendingDeletion, Spec: hsm.RSA2048, Usage: hsm.SignVerify, Origin: External, Manager: Customer,
		MultiRegion: true, Created: at, Deletion: at.Add(time.Millisecond), WindowDays: 30,
		Description: "d", Current: hsm.MaterialID{0: 0xaa, 31: 0xbb},
	}
	m := r.Current
	for name, c := range map[string]struct{ got, want string }{
		"key": {string(encodeKey(&r, false)), unhex("01 00 04 02 02 02 01 01 0000000102030405 0000000102030406 001e " +
			"aa000000000000000000000000000000000000000000000000000000000000bb 01 00000001 64")},
		"dying key":            {string(encodeKey(&Record{}, true)[:8]), unhex("01 01 00 00 00 00 00 00")},
		"token":                {string(encodeToken([]byte("tok"), []byte("pub"))), unhex("01 00 00000003 746f6b 00000003 707562")},
		"material":             {string(encodeMaterial("1", "ab")), unhex("01 0001 31 0002 6162")},
		"alias":                {string(encodeAlias(Alias{Target: "k", Created: at})), unhex("01 0001 6b 0000000102030405 0000000000000000")},
		"children":             {string(encodeChildren(children{aliases: 50})), unhex("01 00000032")},
		"children with grants": {string(encodeChildren(children{aliases: 50, grants: 258})), unhex("01 00000032 00000102")},
		"grant": {string(encodeGrant(&Grant{Name: "n", Created: at, Issuer: "1", Grantee: "g", RetiringService: "r", SourceARN: "s",
			Operations: []GrantOperation{GrantSign, GrantDecapsulate}, Equals: []Tag{{"k", "v"}}, Subset: []Tag{}})),
			unhex("01 03 0000000102030405 02 07 13 0001 31 0001 6e 0001 67 0000 0000 0001 72 0001 73 0001 0001 6b 0001 76 0000")},
		"tags":   {string(encodeTags([]Tag{{"k", "v"}, {"l", ""}})), unhex("01 0002 0001 6b 0001 76 0001 6c 0000")},
		"policy": {string(encodePolicy([]byte("{}"))), unhex("01 7b7d")},

		"key of a key":      {string(id.storeKey(kindKey)), "key\x00aws\x00000000000000\x00us-east-1\x00" + id.Key},
		"key of a token":    {string(tokenKey(id, m)), "tok\x00aws\x00000000000000\x00us-east-1\x00" + id.Key + "\x00" + string(m[:])},
		"key of a material": {string(materialKey("aws", m)), "mat\x00aws\x00" + string(m[:])},
		"key of an alias":   {string(aliasKey(id.scope(), "alias/a/b")), "ali\x00aws\x00000000000000\x00us-east-1\x00alias/a/b"},
		"key by key":        {string(reverseKey(id, "alias/a")), "rev\x00aws\x00000000000000\x00us-east-1\x00" + id.Key + "\x00alias/a"},
		"key of a task":     {string(dueKey(Due{id, TaskExpire, at})), "due\x00" + unhex("0000000102030405") + "\x00\x02\x00aws\x00000000000000\x00us-east-1\x00" + id.Key},
		"wrapping key":      {string(wrappingKey(id, m)), "imp\x00aws\x00000000000000\x00us-east-1\x00" + id.Key + "\x00" + string(m[:])},
		"usage":             {string(encodeUsage(&Usage{At: at, Operation: "Sign", RequestID: "r", EventID: "e"})), unhex("01 0000000102030405 0004 5369676e 0001 72 0001 65")},
		"key of a grant":    {string(grantKey(id, GrantID(m))), "grt\x00aws\x00000000000000\x00us-east-1\x00" + id.Key + "\x00" + string(m[:])},
		"key of due":        {string(dueKey(Due{id, TaskDelete, at})), "due\x00" + unhex("0000000102030405") + "\x00aws\x00000000000000\x00us-east-1\x00" + id.Key},
	} {
		if c.got != c.want {
			t.Errorf("%s: %x, want %x", name, c.got, c.want)
		}
	}
	back := Record{ID: id}
	if dying, err := decodeKey(encodeKey(&r, false), &back); err != nil || dying {
		t.Error(dying, err)
	}
	if d := cmp.Diff(r, back); d != "" {
		t.Error(d)
	}
	for task := range numTasks {
		if d, ok := parseDueKey(dueKey(Due{id, task, at})); !ok || d.ID != id || d.Task != task || !d.At.Equal(at) {
			t.Error(task, d, ok)
		}
	}
	full := back
	full.Rotation = Rotation{Enabled: true, PeriodDays: 2560, Since: at, Next: at.Add(time.Hour)}
	full.OnDemand, full.ValidTo, full.Store, full.BackingID = 25, at, "cks-1234567890abcdef0", "cluster-abc"
	full.Waiting, full.Lacking = at.Add(time.Minute), true
	full.Primary, full.Resume, full.Settle = "eu-west-1", Disabled, at
	back = Record{ID: id}
	if _, err := decodeKey(encodeKey(&full, false), &back); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(full, back); d != "" {
		t.Error(d)
	}
	if w, err := decodeWrapping([]byte(unhex("01 0000000102030405 00000003 746f6b"))); err != nil || string(w.Token) != "tok" || !w.Ends.Equal(at) {
		t.Error(w, err)
	}
	all := []Material{{ID: m, State: MaterialCurrent, Created: at}, {ID: m, State: MaterialPendingRotation, Import: PendingReimport,
		Expires: Expires, Rotation: OnDemand, Created: at, Rotated: at, ValidTo: at, Description: "second"}}
	if got, err := decodeMaterials(encodeMaterials(all)); err != nil || cmp.Diff(all, got) != "" {
		t.Error(err, cmp.Diff(all, got))
	}
}

func unhex(s string) string {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// What a later version may write is refused, not misread.
func TestNewerRecordsAreRefused(t *testing.T) {
	t.Parallel()
	good := encodeKey(&Record{State: Enabled, Description: "d"}, false)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"version": change(0, 2), "life": change(1, 2), "state": change(2, 200), "flag": change(7, 2),
		"field tag": change(58, 2), "field twice": append(bytes.Clone(good), good[58:]...),
		"short": good[:len(good)-1], "long": append(bytes.Clone(good), 1), "empty": nil,
	} {
		var r Record
		if _, err := decodeKey(b, &r); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := decodeToken([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0}); !errors.Is(err, ErrRecord) {
		t.Errorf("token flags: %v", err)
	}
	if _, err := decodeAlias([]byte{2}); !errors.Is(err, ErrRecord) {
		t.Errorf("alias version: %v", err)
	}
}

// Every decoder takes what its encoder wrote, byte by byte, or refuses.
func FuzzDecode(f *testing.F) {
	f.Add(encodeKey(&Record{State: Enabled, Description: "d", Created: time.UnixMilli(5)}, true))
	f.Add(encodeToken([]byte("t"), []byte("p")))
	f.Add(encodeMaterial("000000000000", "k"))
	f.Add(encodeAlias(Alias{Target: "k"}))
	f.Add(encodeTags([]Tag{{"k", "v"}}))
	f.Add(encodeUsage(&Usage{Operation: "Encrypt", RequestID: "r", EventID: "e"}))
	f.Add(encodeChildren(children{aliases: 1, grants: 2}))
	f.Add(encodeGrant(&Grant{Name: "n", Issuer: "1", Grantee: "g", Operations: []GrantOperation{GrantSign}, Equals: []Tag{{"k", "v"}}, Subset: []Tag{}}))
	f.Add(encodeKeyStore(&KeyStore{Type: CloudHSMStore, State: Connecting, Name: "n", Cluster: "c", TrustAnchor: "t", Attempt: 9, Next: time.UnixMilli(5), Secret: []byte{1}}))
	f.Add(encodeKeyStore(&KeyStore{Type: ExternalStore, State: ConnectionFailed, Failure: "f", Connectivity: PublicEndpoint, Endpoint: "e", Path: "p", AccessKeyID: "a"}))
	f.Add([]byte{1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(kind string, again []byte) {
			if !bytes.Equal(again, b) {
				t.Errorf("%s: %x became %x", kind, b, again)
			}
		}
		var r Record
		if dying, err := decodeKey(b, &r); err == nil && (r.Description != "" || len(b) == 58) {
			same("key", encodeKey(&r, dying))
		}
		var s KeyStore
		if err := decodeKeyStore(b, &s); err == nil {
			same("custom key store", encodeKeyStore(&s))
		}
		if token, public, err := decodeToken(b); err == nil {
			same("token", encodeToken(token, public))
		}
		if account, key, err := decodeMaterial(b); err == nil {
			same("material", encodeMaterial(account, key))
		}
		if a, err := decodeAlias(b); err == nil {
			same("alias", encodeAlias(a))
		}
		if n, err := decodeChildren(b); err == nil {
			same("children", encodeChildren(n))
		}
		if g, err := decodeGrant(b); err == nil {
			same("grant", encodeGrant(&g))
		}
		if u, err := decodeUsage(b); err == nil {
			same("usage", encodeUsage(&u))
		}
		if id, err := decodeGrantID(b); err == nil {
			same("grant id", encodeGrantID(id))
		}
		if _, _, id, ok := parseRetiringKey(b); ok && !bytes.HasSuffix(b, id[:]) {
			t.Errorf("%x holds no %v", b, id)
		}
		if tags, err := decodeTags(b); err == nil {
			same("tags", encodeTags(tags))
		}
		if d, ok := parseDueKey(b); ok {
			same("due", dueKey(d))
		}
		if all, err := decodeMaterials(b); err == nil {
			same("materials", encodeMaterials(all))
		}
		dissect(b)
	})
}

var wellFormed = regexp.MustCompile(`^(([0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})|mrk-[0-9A-Fa-f]{32})$`)

// Every byte value at every place of a key id.
func TestKeyIDBytes(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab"} {
		for at := range len(id) {
			for c := range 256 {
				s := []byte(id)
				s[at] = byte(c)
				var got [16]byte
				_, lower, ok := parseKeyID(s, &got)
				want := wellFormed.Match(s)
				if ok != want || ok && lower != bytes.Equal(s, bytes.ToLower(s)) {
					t.Fatalf("%q: well-formed %v, lower %v", s, ok, lower)
				}
			}
		}
	}
}

func FuzzKeyID(f *testing.F) {
	f.Add("1234abcd-12ab-34cd-56ef-1234567890ab")
	f.Add("mrk-1234abcd12ab34cd56ef1234567890ab")
	f.Add("1234ABCD-12ab-34cd-56ef-1234567890ab")
	f.Fuzz(func(t *testing.T, s string) {
		var a, b [16]byte
		mrk, lower, ok := parseKeyID(s, &a)
		if mrk2, lower2, ok2 := parseKeyID([]byte(s), &b); mrk != mrk2 || lower != lower2 || ok != ok2 || a != b {
			t.Error("string and bytes differ")
		}
		if ok != wellFormed.MatchString(s) {
			t.Errorf("%q: well-formed %v", s, ok)
		}
		if !ok {
			return
		}
		folded := string(bytes.ToLower([]byte(s)))
		if got := formatKeyID(&a, mrk); got != folded || lower != (folded == s) {
			t.Errorf("%q: %q, lower %v", s, got, lower)
		}
	})
}

// A key with a newer material is found by its older ones too, each with its own token.
func TestOlderMaterial(t *testing.T) {
	t.Parallel()
	older := hsm.MaterialID{1}
	newer := hsm.MaterialID{2}
	id := ID{"aws", "000000000000", "us-east-1", "1234abcd-12ab-34cd-56ef-1234567890ab"}
	s := fixed{}
	s.put(id.storeKey(kindKey), encodeKey(&Record{State: Enabled, Spec: hsm.SymmetricDefault, Current: newer}, false))
	for m, token := range map[hsm.MaterialID]string{older: "old", newer: "new"} {
		s.put(tokenKey(id, m), encodeToken([]byte(token), nil))
		s.put(materialKey("aws", m), encodeMaterial(id.Account, id.Key))
	}
	gone := hsm.MaterialID{3}
	s.put(materialKey("aws", gone), encodeMaterial(id.Account, id.Key))
	k, err := Open(s, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for m, want := range map[hsm.MaterialID]string{older: "old", newer: "new"} {
		snap, key, err := k.ByMaterial(t.Context(), id.scope(), m)
		if err != nil || snap.Current.Material != newer || string(key.Token) != want || key.Material != m {
			t.Errorf("%v: %+v, %+v, %v", m, snap, key, err)
		}
	}
	if snap, key, err := k.ByMaterial(t.Context(), id.scope(), gone); err != nil || snap.Missing || key != nil {
		t.Errorf("material without token: %+v, %+v, %v", snap, key, err)
	}
}

// Damage is reported, not cached as absence.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	id := ID{"aws", "000000000000", "us-east-1", "1234abcd-12ab-34cd-56ef-1234567890ab"}
	s := fixed{}
	s.put(id.storeKey(kindKey), []byte{9})
	s.put(aliasKey(id.scope(), "alias/bad"), []byte{1, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	s.put(materialKey("aws", hsm.MaterialID{1}), encodeMaterial("x", id.Key))
	lost := id
	lost.Key = "2234abcd-12ab-34cd-56ef-1234567890ab"
	s.put(lost.storeKey(kindKey), encodeKey(&Record{State: Enabled, Current: hsm.MaterialID{7}}, false))
	k, err := Open(s, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for range 2 {
		if _, err := k.ByID(t.Context(), id); !errors.Is(err, ErrRecord) {
			t.Errorf("key: %v", err)
		}
		if _, err := k.ByID(t.Context(), lost); !errors.Is(err, ErrRecord) {
			t.Errorf("key without its token: %v", err)
		}
		if _, err := k.Resolve(t.Context(), id.scope(), []byte("alias/bad")); !errors.Is(err, ErrRecord) {
			t.Errorf("alias: %v", err)
		}
		if _, _, err := k.ByMaterial(t.Context(), id.scope(), hsm.MaterialID{1}); !errors.Is(err, ErrRecord) {
			t.Errorf("material: %v", err)
		}
	}
}
