package sts_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/goccy/go-yaml"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// stsIdentities: alice may assume app and, through it, next; bob is of another account.
const stsIdentities = `
policies:
  use-keys: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}
  describe-only: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:DescribeKey", Resource: "*"}]}
accounts:
- id: "111122223333"
  users:
  - name: alice
    tags: {team: red}
    policies:
    - {Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["sts:*"], Resource: "*"}]}
    - use-keys
    access_keys: [{access_key_id: AKIAALICE, secret_access_key: alice-secret}]
  - name: carol
    access_keys: [{access_key_id: AKIACAROL, secret_access_key: carol-secret}]
  roles:
  - name: app
    path: /team/
    max_session_duration: 7200
    tags: {stage: prod}
    trust_policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "111122223333"}, Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]}
    policies:
    - use-keys
    - {Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], Resource: "*"}]}
  - name: next
    trust_policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:role/team/app"}, Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]}
    policies: [use-keys]
  - name: partner
    trust_policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "444455556666"}, Action: "sts:AssumeRole", Condition: {StringEquals: {"sts:ExternalId": "right-one"}}}]}
    policies: [use-keys]
  - name: locked
- id: "444455556666"
  access_keys: [{access_key_id: AKIAROOT4, secret_access_key: root-secret}]
  users:
  - name: bob
    policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}]
    access_keys: [{access_key_id: AKIABOB, secret_access_key: bob-secret}]
`

func identities(t *testing.T, text string) identity.Config {
	t.Helper()
	var c identity.Config
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func startSTS(t *testing.T, o servertest.Options) *servertest.Server {
	t.Helper()
	o.Identities = identities(t, stsIdentities)
	return servertest.Start(t, o)
}

// stsAs is an STS client with a key pair.
func stsAs(s *servertest.Server, id, secret string) *sts.Client {
	c := s.Config()
	c.Credentials = credentials.NewStaticCredentialsProvider(id, secret, "")
	return sts.NewFromConfig(c)
}

func alice(s *servertest.Server) *sts.Client { return stsAs(s, "AKIAALICE", "alice-secret") }

// session is the configuration of temporary credentials.
func session(s *servertest.Server, c *ststypes.Credentials) aws.Config {
	o := s.Config()
	o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return o
}

func assume(t *testing.T, c *sts.Client, role string, edit func(*sts.AssumeRoleInput)) *sts.AssumeRoleOutput {
	t.Helper()
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/" + role), RoleSessionName: aws.String("work")}
	if edit != nil {
		edit(in)
	}
	out, err := c.AssumeRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("got %v, want %s: …%s…", err, code, text)
	}
}

// profiles writes shared files and loads a profile of them, for one endpoint for all services.
func profiles(t *testing.T, s *servertest.Server, configText, credentialsText, profile string) aws.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config": configText, "credentials": credentialsText} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.LoadDefaultConfig(t.Context(),
		config.WithSharedConfigFiles([]string{filepath.Join(dir, "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(dir, "credentials")}),
		config.WithSharedConfigProfile(profile), config.WithBaseEndpoint(s.URL),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
			tr.TLSClientConfig = &tls.Config{RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
		})),
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An SDK's profile with role_arn and source_profile works as it is, and its sessions use keys.
func TestProfileWithARole(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	c := profiles(t, s, `
[profile base]
region = us-east-1
[profile role]
region = eu-west-1
role_arn = arn:aws:iam::111122223333:role/team/app
role_session_name = from-profile
source_profile = base
[profile chained]
region = us-east-1
role_arn = arn:aws:iam::111122223333:role/next
role_session_name = further
source_profile = role
`, "[base]\naws_access_key_id = AKIAALICE\naws_secret_access_key = alice-secret\n", "chained")
	who, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != "arn:aws:sts::111122223333:assumed-role/next/further" || *who.Account != "111122223333" || !strings.HasSuffix(*who.UserId, ":further") || !strings.HasPrefix(*who.UserId, "AROA") {
		t.Errorf("the session is %s, %s, %s", *who.Arn, *who.UserId, *who.Account)
	}
	client := kms.NewFromConfig(c)
	key, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *key.KeyMetadata.AWSAccountId; got != "111122223333" {
		t.Errorf("the key is of account %s", got)
	}
	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("text")})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || string(opened.Plaintext) != "text" {
		t.Errorf("decrypting what was encrypted: %v", err)
	}
}

func TestWhoMayAssume(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	for _, c := range []struct {
		id, secret, role, externalID string
		want                         string // empty: allowed
	}{
		{"AKIAALICE", "alice-secret", "team/app", "", ""},
		{"AKIAALICE", "alice-secret", "app", "", "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/app"},
		{"AKIAALICE", "alice-secret", "none", "", "on resource: arn:aws:iam::111122223333:role/none"},
		{"AKIAALICE", "alice-secret", "locked", "", "because no role trust policy allows the sts:AssumeRole action"},
		{"AKIAALICE", "alice-secret", "next", "", "because no role trust policy allows the sts:AssumeRole action"},
		{"AKIACAROL", "carol-secret", "team/app", "", "because no identity-based policy allows the sts:AssumeRole action"},
		{"AKIABOB", "bob-secret", "partner", "right-one", ""},
		{"AKIABOB", "bob-secret", "partner", "wrong", "User: arn:aws:iam::444455556666:user/bob is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/partner"},
		{"AKIABOB", "bob-secret", "partner", "", "is not authorized"},
		{"AKIABOB", "bob-secret", "team/app", "", "is not authorized"},
		{"AKIAROOT4", "root-secret", "partner", "right-one", "Roles may not be assumed by root accounts."},
	} {
		in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/" + c.role), RoleSessionName: aws.String("work")}
		if c.externalID != "" {
			in.ExternalId = &c.externalID
		}
		_, err := stsAs(s, c.id, c.secret).AssumeRole(t.Context(), in)
		if c.want == "" && err != nil {
			t.Errorf("%s, %s: %v", c.id, c.role, err)
		} else if c.want != "" {
			wantCode(t, err, "AccessDenied", c.want)
		}
	}
}
