package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// parse reads a configuration as the config file's is read.
func parse(text string) (identity.Config, error) {
	var c identity.Config
	err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict())
	return c, err
}

func open(t *testing.T, text string) *identity.Directory {
	t.Helper()
	c, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.Open(context.Background(), identity.Options{Config: c, Started: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const everything = `
policies:
  use:
    Version: 2012-10-17
    Statement:
    - {Effect: Allow, Action: [kms:Encrypt, kms:Decrypt], Resource: "*"}
accounts:
- id: "111122223333"
  organization:
    id: o-a1b2c3d4e5
    paths: [o-a1b2c3d4e5/r-ab12/ou-ab12-11111111]
  service_control_policies: [[FullAWSAccess], [FullAWSAccess]]
  resource_control_policies: [[RCPFullAWSAccess]]
  access_keys: [{access_key_id: AKIAROOT, secret_access_key: hidden-root}]
  groups:
  - {name: admins, policies: [AdministratorAccess]}
  users:
  - name: alice
    path: /eng/
    tags: {team: blue, cost-center: 7}
    groups: [admins]
    policies: [use, '{"Statement":{"Effect":"Deny","Action":"kms:ScheduleKeyDeletion","Resource":"*"}}']
    permissions_boundary: AdministratorAccess
    access_keys: [{access_key_id: AKIAALICE, secret_access_key: hidden-alice}]
  roles:
  - name: app
    path: /svc/
    unique_id: AROA1234567890EXAMPLE
    tags: {team: red}
    trust_policy:
      Statement:
        Effect: Allow
        Principal: {AWS: 111122223333}
        Action: sts:AssumeRole
    policies: [arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser]
    max_session_duration: 2h
  - {name: AWSServiceRoleForX, path: /aws-service-role/x.amazonaws.com/}
  oidc_providers:
  - url: https://token.example.com/path
    client_ids: [sts.amazonaws.com]
    keys: {keys: [{kty: EC, kid: one}]}
- id: "000000000000"
credentials:
- {access_key_id: AKIDBOB, secret_access_key: hidden-bob, arn: "arn:aws:iam::444455556666:user/team/bob"}
- {access_key_id: ASIASESSION, secret_access_key: hidden-session, session_token: hidden-token, arn: "arn:aws:sts::444455556666:assumed-role/ops/s1", policies: [use]}
- {access_key_id: ASIAAPP, secret_access_key: hidden-app, session_token: hidden-token, arn: "arn:aws:sts::111122223333:assumed-role/app/s2"}
- {access_key_id: AKIDCN, secret_access_key: hidden-cn, account: "222233334444", partition: aws-cn}
service_credentials:
- {access_key_id: AKIAS3, secret_access_key: hidden-s3, service: s3.amazonaws.com}
`

func TestCallersOfAConfiguration(t *testing.T) {
	t.Parallel()
	d := open(t, everything)
	if d.HasBuiltIn() {
		t.Error("the built-in credential is active beside declared ones")
	}
	for _, c := range []struct {
		key, kind, arn, id, userIdentity string
		identity                         int
	}{
		{"AKIAROOT", "Account", "arn:aws:iam::111122223333:root", "111122223333",
			`{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":"AKIAROOT"}`, 0},
		{"AKIAALICE", "User", "arn:aws:iam::111122223333:user/eng/alice", "AIDA",
			`{"type":"IAMUser","principalId":"ID","arn":"arn:aws:iam::111122223333:user/eng/alice","accountId":"111122223333","accessKeyId":"AKIAALICE","userName":"alice"}`, 3},
		{"AKIDBOB", "User", "arn:aws:iam::444455556666:user/team/bob", "AIDA",
			`{"type":"IAMUser","principalId":"ID","arn":"arn:aws:iam::444455556666:user/team/bob","accountId":"444455556666","accessKeyId":"AKIDBOB","userName":"bob"}`, 1},
		{"ASIAAPP", "AssumedRole", "arn:aws:sts::111122223333:assumed-role/app/s2", "AROA1234567890EXAMPLE:s2",
			`{"type":"AssumedRole","principalId":"AROA1234567890EXAMPLE:s2","arn":"arn:aws:sts::111122223333:assumed-role/app/s2","accountId":"111122223333","accessKeyId":"ASIAAPP",` +
				`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1234567890EXAMPLE","arn":"arn:aws:iam::111122223333:role/svc/app","accountId":"111122223333","userName":"app"},` +
				`"attributes":{"creationDate":"2023-11-14T22:13:20Z","mfaAuthenticated":"false"}}}`, 1},
		{"AKIDCN", "Account", "arn:aws-cn:iam::222233334444:root", "222233334444",
			`{"type":"Root","principalId":"222233334444","arn":"arn:aws-cn:iam::222233334444:root","accountId":"222233334444","accessKeyId":"AKIDCN"}`, 0},
		{"AKIAS3", "Service", "s3.amazonaws.com", "s3.amazonaws.com", `{"type":"AWSService","invokedBy":"s3.amazonaws.com"}`, 0},
	} {
		found := d.Lookup([]byte(c.key))
		if found == nil {
			t.Errorf("%s is not there", c.key)
			continue
		}
		p := &found.Principal
		if p.Type.String() != c.kind || p.ARN != c.arn || !strings.HasPrefix(p.ID, c.id) || len(p.Policies.Identity) != c.identity {
			t.Errorf("%s: %s %s, id %s, %d identity policies", c.key, p.Type, p.ARN, p.ID, len(p.Policies.Identity))
		}
		if got := string(p.UserIdentity); got != strings.ReplaceAll(c.userIdentity, `"ID"`, `"`+p.ID+`"`) {
			t.Errorf("%s: user identity\n%s, want\n%s", c.key, got, c.userIdentity)
		}
	}
	alice := d.Lookup([]byte("AKIAALICE")).Principal
	if got := fmt.Sprint(alice.Tags); got != "[{cost-center 7} {team blue}]" {
		t.Errorf("alice's tags: %s", got)
	}
	if alice.Policies.Boundary == nil || len(alice.Policies.ServiceControl) != 2 || alice.OrgID != "o-a1b2c3d4e5" || alice.OrgPaths[0] != "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/" {
		t.Errorf("alice: %+v", alice.Caller)
	}
	if len(alice.UniqueID) != 21 || alice.UniqueID != open(t, everything).User("aws", "111122223333", "alice").UniqueID {
		t.Errorf("alice's id %s is not hers for ever", alice.UniqueID)
	}
	app := d.Role("aws", "111122223333", "app")
	if app.Trust == nil || app.MaxSession != 2*time.Hour {
		t.Errorf("role app: %+v", app)
	}
	linked := d.Role("aws", "111122223333", "AWSServiceRoleForX").Session(&identity.Session{Name: "s"})
	if linked.Policies.ServiceControl != nil {
		t.Error("service control policies hold for a service-linked role")
	}
	if p := d.Account("aws", "111122223333").Provider("https://token.example.com/path"); p == nil || string(p.Keys) != `{"keys":[{"kty":"EC","kid":"one"}]}` {
		t.Errorf("provider: %+v", p)
	}
	if d.ResourceControl("aws", "111122223333") == nil || d.ResourceControl("aws", "000000000000") != nil {
		t.Error("resource control policies of the wrong account")
	}
}

func TestKnownPrincipals(t *testing.T) {
	t.Parallel()
	d := open(t, everything)
	alice := d.User("aws", "111122223333", "alice")
	for name, want := range map[string]bool{
		"*": true, "111122223333": true, "444455556666": true, "999999999999": false,
		"arn:aws:iam::111122223333:root": true, "arn:aws:iam::999999999999:root": false,
		"arn:aws:iam::111122223333:user/eng/alice": true, "arn:aws:iam::111122223333:user/alice": false,
		"arn:aws:iam::111122223333:role/svc/app": true, "arn:aws:iam::111122223333:role/none": false,
		"arn:aws:sts::111122223333:assumed-role/app/any": true, "arn:aws:sts::111122223333:assumed-role/none/any": false,
		"arn:aws:iam::444455556666:user/team/bob": true, "arn:aws:iam::444455556666:role/ops": true,
		"arn:aws:sts::444455556666:assumed-role/ops/other": true,
		"arn:aws:sts::111122223333:federated-user/f":       true,
		"arn:aws-cn:iam::111122223333:root":                false,
		"arn:aws:iam::111122223333:group/admins":           false,
		alice.UniqueID:                                     true, "AIDAAAAAAAAAAAAAAAAAA": false,
	} {
		if got := d.Known("aws", authz.Principal{Kind: authz.AWSPrincipal, Name: name}); got != want {
			t.Errorf("%s known: %v", name, got)
		}
	}
	for name, want := range map[string]bool{"s3.amazonaws.com": true, "s3.example.com": false} {
		if got := d.Known("aws", authz.Principal{Kind: authz.ServicePrincipal, Name: name}); got != want {
			t.Errorf("%s known: %v", name, got)
		}
	}
	if arn, ok := d.PrincipalByUniqueID(alice.UniqueID); !ok || arn != alice.ARN {
		t.Errorf("%s is %s", alice.UniqueID, arn)
	}
	if id, ok := d.UniqueID(alice.ARN); !ok || id != alice.UniqueID {
		t.Errorf("%s has id %s", alice.ARN, id)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	t.Parallel()
	const account = "accounts:\n- id: '111122223333'\n"
	for text, want := range map[string]string{
		"accounts:\n- id: 12":                              `accounts[0].id: an account id has 12 digits, not "12"`,
		account + "  users: [{name: a}, {name: A}]":        "accounts[0].users[1]: is declared twice, here and at accounts[0].users[0]",
		account + "  users: [{name: a/b}]":                 "accounts[0].users[0].name: the name of a user",
		account + "  users: [{name: a, path: x}]":          "accounts[0].users[0].path: a path begins",
		account + "  users: [{name: a, groups: [g]}]":      `accounts[0].users[0].groups[0]: there is no group "g"`,
		account + "  users: [{name: a, policies: [None]}]": `[3:32] accounts[0].users[0].policies[0]: there is no policy "None"`,
		account + "  users:\n  - name: a\n    policies:\n    - Statement:\n      - {Effect: Alow, Action: '*', Resource: '*'}": `[7:18] accounts[0].users[0].policies[0]: Effect is "Allow" or "Deny", not "Alow"`,
		account + "  roles: [{name: a, max_session_duration: 60}]":                                                             "max_session_duration: a role's sessions last",
		account + "  roles: [{name: a, trust_policy: '{'}]":                                                                    "[3:35] accounts[0].roles[0].trust_policy: policy line 1 column",
		account + "  service_control_policies: [[FullAWSAccess]]":                                                              "an account without organization",
		account + "  access_keys: [{access_key_id: A, secret_access_key: ''}]":                                                 "access_keys[0].secret_access_key: the secret access key is empty",
		account + "  oidc_providers: [{url: 'http://x', keys: {keys: []}}]":                                                    "oidc_providers[0].url",
		account + "  organization: {id: o-a1b2c3d4e5, paths: [o-other12345/r-ab12/]}":                                          "organization.paths[0]: a path is o-a1b2c3d4e5/r-",
		"policies: {x: y}": "policies.x: a shared policy is a document",
		"service_credentials: [{access_key_id: A, secret_access_key: s, service: s3}]":                                              "service_credentials[0].service",
		"credentials: [{access_key_id: A, secret_access_key: s, policies: [AdministratorAccess]}]":                                  "the root user has all rights, and no policies",
		"credentials: [{access_key_id: A, secret_access_key: s, arn: 'arn:aws:iam::111122223333:role/r'}]":                          "is not the ARN of a user",
		"credentials: [{access_key_id: A, secret_access_key: s, account: '1'}]":                                                     "credentials[0].account: an account id",
		"credentials: [{access_key_id: A, secret_access_key: s}, {access_key_id: A, secret_access_key: t}]":                         "credentials[1]: the access key id A is given twice",
		"credentials: [{access_key_id: A, secret_access_key: s, account: '444455556666', arn: 'arn:aws:iam::111122223333:user/u'}]": "the arn is of account 111122223333",
	} {
		c, err := parse(text)
		if err != nil {
			t.Errorf("%s\ndoes not parse: %v", text, err)
			continue
		}
		err = c.Check()
		var wrong *identity.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %s", text, err, want)
		}
	}
}
