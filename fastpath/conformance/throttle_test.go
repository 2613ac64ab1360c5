package conformance_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"trent/fastpath/quota"
	"trent/fastpath/servertest"
)

// throttling is a server whose quotas admit one request in a long time, so that the second is refused on any machine.
func throttling(t *testing.T, groups string) *servertest.Server {
	t.Helper()
	q, err := quota.ParseRequests("aws," + groups)
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Start(t, servertest.Options{Requests: q})
}

// Of two calls in a row the first is admitted and the second is not.
func throttledSecond(t *testing.T, call func() error) {
	t.Helper()
	if err := call(); err != nil {
		t.Fatalf("the first call: %v", err)
	}
	err := call()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "ThrottlingException" {
		t.Fatalf("the second call: %v", err)
	}
	const text = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	if api.ErrorMessage() != text {
		t.Errorf("text %q", api.ErrorMessage())
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	s := throttling(t, "ListKeys=0.001,rsa=0.001") // one request in 1,000 seconds
	c := s.KMS()
	throttledSecond(t, func() error {
		_, err := c.ListKeys(t.Context(), &kms.ListKeysInput{})
		return err
	})
	// Another Region has a quota of its own, and so has another operation.
	if _, err := s.In("eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
		t.Error(err)
	}
	made, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	throttledSecond(t, func() error {
		_, err := c.Sign(t.Context(), &kms.SignInput{KeyId: made.KeyMetadata.KeyId, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256})
		return err
	})
}

// A request counts though it fails, and is refused for its rate before the key is found missing or the tokens are read,
// but after its aliases and constraints were checked.
func TestThrottlingHasItsPlace(t *testing.T) {
	t.Parallel()
	s := throttling(t, "EnableKey=0.001,symmetric=0.001")
	c := s.KMS()
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	code := func(err error) string {
		var api smithy.APIError
		if errors.As(err, &api) {
			return api.ErrorCode()
		}
		return ""
	}
	for _, want := range []string{"NotFoundException", "ThrottlingException"} {
		_, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String(absent)})
		if code(err) != want {
			t.Errorf("an absent key: %v, want %s", err, want)
		}
	}
	for _, want := range []string{"InvalidGrantTokenException", "ThrottlingException"} {
		_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(absent), Plaintext: []byte("x"), GrantTokens: []string{"none"}})
		if code(err) != want {
			t.Errorf("a token that is none: %v, want %s", err, want)
		}
	}
	_, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("alias/x")})
	if code(err) != "InvalidArnException" {
		t.Errorf("an alias where none may stand: %v", err)
	}
	_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(""), Plaintext: []byte("x")})
	if code(err) != "ValidationException" {
		t.Errorf("a constraint: %v", err)
	}
}
