package sts

import (
	"context"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"trent/fastpath/identity"
)

func directoryOf(t *testing.T, text string, generation uint64) *identity.Directory {
	t.Helper()
	var c identity.Config
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	d, err := identity.Open(context.Background(), identity.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	d.Current().Generation = generation
	return d
}

// A change of the directory counts for live sessions: their policies are those of now, and who is gone has none.
func TestSessionsFollowTheDirectory(t *testing.T) {
	t.Parallel()
	const policy = `{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}`
	const account = "accounts:\n- id: '111122223333'\n"
	first := directoryOf(t, account+"  roles: [{name: app, policies: ["+policy+"]}]", 1)
	role := first.Role("aws", "111122223333", "app")
	s := New(Options{Directory: first})
	token := []byte("a token")
	held := &Session{token: string(token), hash: s.table.hash(token), claims: &claims{
		Partition: "aws", Account: "111122223333", Of: role.ARN, UniqueID: role.UniqueID, Name: "work",
		Expires: time.Now().Add(time.Hour).Unix(), PolicyARNs: []string{"arn:aws:iam::111122223333:policy/shared"},
	}}
	held.Credential.AccessKeyID, held.Credential.Expires = "ASIATEST", held.claims.expires()
	s.table.keep(held, time.Now())
	for i, c := range []struct {
		config          string
		found           bool
		policies, named int
	}{
		{account + "  roles: [{name: app, policies: [" + policy + "]}]", true, 1, 0},
		{"policies: {shared: " + policy + "}\n" + account + "  roles: [{name: app, policies: [" + policy + "," + policy + "]}]", true, 2, 1},
		{account + "  roles: [{name: app}]", true, 0, 0},
		{account + "  roles: [{name: app, unique_id: AROAOTHEROTHEROTHER12}]", false, 0, 0},
		{account + "  roles: [{name: app, path: /new/}]", false, 0, 0},
		{account, false, 0, 0},
		{account + "  roles: [{name: app, policies: [" + policy + "]}]", true, 1, 0},
	} {
		s.directory = directoryOf(t, c.config, uint64(i+2))
		got, err := s.Lookup([]byte("ASIATEST"), token)
		if err != nil || (got != nil) != c.found {
			t.Errorf("%s\nfound %v, %v", c.config, got != nil, err)
			continue
		}
		if got == nil {
			continue
		}
		p := got.Principal.(*identity.Credential).Principal.Policies
		if len(p.Identity) != c.policies || p.Session == nil || len(p.Session) != c.named {
			t.Errorf("%s\n%d policies, %d of the session, want %d, %d", c.config, len(p.Identity), len(p.Session), c.policies, c.named)
		}
	}
}
