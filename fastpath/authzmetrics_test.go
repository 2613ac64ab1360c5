package fastpath_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// Metrics count decisions by result and by whose policy decided, and show the last use of keys.
func TestAuthorizationMetrics(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{
		Credentials: []identity.Credential{{AccessKeyID: "AKIAOTHER", Secret: identity.Secret("other"), Principal: identity.Root("aws", "444455556666")}},
	})
	id := newKey(t, s)
	arn := "arn:aws:kms:us-east-1:" + s.Account + ":key/" + id
	if _, err := s.KMS().Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(id), Plaintext: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.As("AKIAOTHER", "other").Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("x")}); err == nil {
		t.Fatal("used without permission")
	}
	var text bytes.Buffer
	s.Core.WriteMetrics(&text)
	for _, want := range []string{
		`(?m)^trent_authorization_decisions_total\{result="allowed",by="resource-based policy"\} [1-9]`,
		`(?m)^trent_authorization_decisions_total\{result="not_visible",by="resource-based policy"\} 1$`,
		`(?m)^trent_key_last_use_timestamp_seconds\{key_arn="` + arn + `",operation="Encrypt"\} \d+$`,
	} {
		if !regexp.MustCompile(want).Match(text.Bytes()) {
			t.Errorf("no line %s in\n%s", want, text.String())
		}
	}
}
