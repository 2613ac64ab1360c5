package fastpath_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/goccy/go-yaml"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

const serviceIdentities = `
accounts:
- id: "111122223333"
  users:
  - {name: alice, policies: [AdministratorAccess]}
  - {name: carol}
service_credentials:
- {access_key_id: AKIAS3, secret_access_key: s3-secret, service: s3.amazonaws.com}
`

// withHeaders puts headers on requests, before they are signed.
func withHeaders(headers map[string]string) func(*kms.Options) {
	return func(o *kms.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("headers", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				for name, value := range headers {
					in.Request.(*smithyhttp.Request).Header.Set(name, value)
				}
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		})
	}
}

// An AWS managed key is used through its service, for callers whom the service acts for, and by nobody directly.
func TestServiceActsForCallers(t *testing.T) {
	t.Parallel()
	var config identity.Config
	if err := yaml.UnmarshalWithOptions([]byte(serviceIdentities), &config, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, servertest.Options{Account: "111122223333", Identities: config})
	as := func(id, secret string, headers map[string]string) *kms.Client {
		return s.KMS(withHeaders(headers), func(o *kms.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, "") })
	}
	const alice, carol = "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/carol"
	for _, c := range []struct {
		name, id, secret string
		headers          map[string]string
		code             string // empty: success
	}{ // in this order: the first use makes the key
		{"through S3 for alice", "AKIAS3", "s3-secret", map[string]string{"X-Trent-On-Behalf-Of": alice}, ""},
		{"through S3 for carol", "AKIAS3", "s3-secret", map[string]string{"X-Trent-On-Behalf-Of": carol}, ""}, // the key's policy lets all of the account
		{"through S3 for nobody", "AKIAS3", "s3-secret", map[string]string{"X-Trent-On-Behalf-Of": "arn:aws:iam::111122223333:user/none"}, "AccessDeniedException"},
		{"through S3 of another", "AKIAS3", "s3-secret", map[string]string{"X-Trent-On-Behalf-Of": "arn:aws:iam::444455556666:root"}, ""}, // whose own key it is,
		{"directly", s.AccessKeyID, s.Secret, nil, "AccessDeniedException"},
		{"directly, with a headers", s.AccessKeyID, s.Secret, map[string]string{"X-Trent-On-Behalf-Of": alice}, "AccessDeniedException"},
	} {
		_, err := as(c.id, c.secret, c.headers).GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: aws.String("alias/aws/s3"), NumberOfBytes: aws.Int32(16)})
		var api smithy.APIError
		got := ""
		if errors.As(err, &api) {
			got = api.ErrorCode()
		}
		if got != c.code || err != nil && got == "" {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
	}
}
