package fastpath_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"trent/fastpath"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

const (
	alicesARN = "arn:aws:iam::111122223333:user/alice"
	appARN    = "arn:aws:iam::111122223333:role/app"
)

// tell sends a command of the administration, as its socket does.
func tell(t *testing.T, s *servertest.Server, name string, arguments any) any {
	t.Helper()
	body, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Core.Command(t.Context(), name, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func applyTo(t *testing.T, s *servertest.Server, text string) {
	t.Helper()
	c, err := identity.ParseConfig([]byte("accounts:\n- id: \"111122223333\"\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	tell(t, s, "principal-apply", c)
}

func keysAs(s *servertest.Server, id, secret, token string) *kms.Client {
	c := s.Config()
	c.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token)
	c.RetryMaxAttempts = 1
	return kms.NewFromConfig(c)
}

// codeOf is the code of an SDK's error, empty where there is none.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func wantAnswer(t *testing.T, what string, err error, code string) {
	t.Helper()
	if got := codeOf(err); got != code {
		t.Errorf("%s: got %q, want %q", what, got, code)
	}
}

func TestTheNextRequestSeesAChange(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Account: "111122223333"})
	key, err := kms.NewFromConfig(s.Config()).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	const everywhere = `  users: [{name: alice, access_keys: [{access_key_id: AKIAALICE, secret_access_key: one}], policies: [{Statement: {Effect: Allow, Action: "kms:*", Resource: "*"}}]}]`
	alice := keysAs(s, "AKIAALICE", "one", "")
	describe := func() error {
		_, err := alice.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key.KeyMetadata.KeyId})
		return err
	}
	for range 3 {
		wantAnswer(t, "before", describe(), "UnrecognizedClientException")
		applyTo(t, s, everywhere)
		wantAnswer(t, "with a policy", describe(), "")
		applyTo(t, s, `  users: [{name: alice, policies: [{Statement: {Effect: Deny, Action: "kms:*", Resource: "*"}}]}]`)
		wantAnswer(t, "with another", describe(), "AccessDeniedException")
		applyTo(t, s, `  users: [{name: alice, access_keys: [{access_key_id: AKIAALICE, secret_access_key: two}], policies: [AdministratorAccess]}]`)
		wantAnswer(t, "with another secret", describe(), "InvalidSignatureException")
		tell(t, s, "principal-delete", map[string]string{"name": alicesARN})
	}
	wantAnswer(t, "after", describe(), "UnrecognizedClientException")
}

func TestSessionsFollowTheirRole(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Account: "111122223333"})
	const trust = `trust_policy: {Statement: {Effect: Allow, Principal: {AWS: "111122223333"}, Action: "sts:AssumeRole"}}`
	const allowed = `  roles: [{name: app, ` + trust + `, policies: [{Statement: {Effect: Allow, Action: "kms:ListKeys", Resource: "*"}}]}]`
	applyTo(t, s, allowed+"\n"+`  users: [{name: alice, policies: [AdministratorAccess]}]`)
	made := tell(t, s, "principal-key", map[string]string{"name": alicesARN}).(fastpath.PrincipalKey)
	c := s.Config()
	c.Credentials = credentials.NewStaticCredentialsProvider(made.AccessKeyID, made.SecretAccessKey, "")
	assumed, err := sts.NewFromConfig(c).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(appARN), RoleSessionName: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		of := assumed.Credentials
		_, err := keysAs(s, *of.AccessKeyId, *of.SecretAccessKey, *of.SessionToken).ListKeys(t.Context(), &kms.ListKeysInput{})
		return err
	}
	wantAnswer(t, "session", list(), "")
	applyTo(t, s, `  roles: [{name: app, `+trust+`, policies: []}]`)
	wantAnswer(t, "session of a role without policies", list(), "AccessDeniedException")
	applyTo(t, s, allowed)
	wantAnswer(t, "session of a role with its policies again", list(), "")
	s.Restart(t)
	wantAnswer(t, "session after a restart", list(), "")
	tell(t, s, "principal-delete", map[string]string{"name": appARN})
	if err := list(); err == nil {
		t.Error("a session outlives its role")
	}
	applyTo(t, s, allowed)
	if err := list(); err == nil {
		t.Error("a session passes for one of another role of the same name")
	}
}

// Requests go on while principals change, and no answer is of a user who never was.
func TestRequestsDuringChanges(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Account: "111122223333"})
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			alice := keysAs(s, "AKIAALICE", "one", "")
			for ctx.Err() == nil {
				_, err := alice.ListKeys(t.Context(), &kms.ListKeysInput{})
				if code := codeOf(err); code != "" && code != "UnrecognizedClientException" && code != "AccessDeniedException" {
					t.Errorf("got %s", code)
				}
			}
		})
	}
	for range 10 {
		applyTo(t, s, `  users: [{name: alice, access_keys: [{access_key_id: AKIAALICE, secret_access_key: one}], policies: [AdministratorAccess]}]`)
		applyTo(t, s, `  users: [{name: alice, policies: []}]`)
		tell(t, s, "principal-delete", map[string]string{"name": alicesARN})
	}
	stop()
	callers.Wait()
}

func TestOnlyOneCommandTellsASecret(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Account: "111122223333"})
	applyTo(t, s, `  access_keys: [{access_key_id: AKIAROOT, secret_access_key: hidden-root}]
  users: [{name: alice, access_keys: [{access_key_id: AKIAALICE, secret_access_key: hidden-alice}]}]`)
	tell(t, s, "principal-apply", identity.Config{ServiceCredentials: []identity.ServiceCredentialConfig{{ID: "AKIAS3", Secret: "hidden-s3", Service: "s3.amazonaws.com"}}})
	made := tell(t, s, "principal-key", map[string]string{"name": alicesARN}).(fastpath.PrincipalKey)
	answers := []any{tell(t, s, "principal-list", nil), tell(t, s, "principal-export", nil)}
	for _, name := range []string{alicesARN, "arn:aws:iam::111122223333:root", "access-key AKIAS3"} {
		answers = append(answers, tell(t, s, "principal-show", map[string]string{"name": name}))
	}
	for _, answer := range answers {
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hidden") || strings.Contains(string(text), made.SecretAccessKey) {
			t.Errorf("a secret is told: %s", text)
		}
	}
}
