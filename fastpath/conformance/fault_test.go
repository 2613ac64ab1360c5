package conformance_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/fault"
	"trent/fastpath/model"
	"trent/fastpath/servertest"
)

// TestFaultRules: the order of a rule against the steps around it, its count, its key in all forms.
func TestFaultRules(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{Faults: []fault.Rule{{Operation: "ListKeys", Error: "DependencyTimeoutException", Count: 1}}})
	client := s.KMS()
	_, err := client.ListKeys(ctx, &kms.ListKeysInput{})
	wantStatus(t, err, 500, "DependencyTimeoutException", "The system timed out while trying to fulfill the request. You can retry the request.")
	if _, err := client.ListKeys(ctx, &kms.ListKeysInput{}); err != nil {
		t.Error(err)
	}
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	key, alias := made.KeyMetadata, "alias/faulty"
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	add := func(r fault.Rule) {
		t.Helper()
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Core.Command(ctx, "fault-add", body); err != nil {
			t.Fatal(err)
		}
	}
	encrypt := func(id *string, n int) error {
		_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte(long(n))})
		return err
	}
	aliasARN := strings.Replace(*key.Arn, "key/"+*key.KeyId, alias, 1)
	for _, name := range []string{*key.KeyId, *key.Arn, alias, aliasARN} {
		add(fault.Rule{Operation: "Encrypt", Key: name, Error: "KeyUnavailableException", Count: 4})
		if err := encrypt(other.KeyMetadata.KeyId, 1); err != nil {
			t.Errorf("another key: %v", err)
		}
		for _, used := range []string{*key.KeyId, *key.Arn, alias, aliasARN} {
			wantStatus(t, encrypt(&used, 1), 500, "KeyUnavailableException", "The key is not available right now. You can retry the request.")
		}
		if err := encrypt(key.KeyId, 1); err != nil {
			t.Errorf("after its count: %v", err)
		}
	}
	add(fault.Rule{Operation: "Encrypt", Error: "KMSInternalException"})
	absent := absentID
	wantError(t, encrypt(&absent, 1), "NotFoundException", "Key '"+strings.Replace(*key.Arn, *key.KeyId, absentID, 1)+"' does not exist")
	wantError(t, encrypt(key.KeyId, 4097), "ValidationException", validation("", "plaintext", "have length less than or equal to 4096"))
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, encrypt(key.KeyId, 1), 500, "KMSInternalException", "An internal error occurred. You can retry the request.")
	if got, err := s.Core.Command(ctx, "fault-clear", nil); err != nil || marshal(t, got) != `{"cleared":1}` {
		t.Errorf("%v, %v", got, err)
	}
	wantError(t, encrypt(key.KeyId, 1), "DisabledException", *key.Arn+" is disabled.")
	add(fault.Rule{Caller: "arn:aws:iam::" + s.Account + ":root", Operation: "DescribeKey", Error: "ThrottlingException", Message: "Slow down."})
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyId})
	wantError(t, err, "ThrottlingException", "Slow down.")
}

// TestEveryModeledErrorByRule: whatever the model lists for an operation can be ordered, and nothing else.
func TestEveryModeledErrorByRule(t *testing.T) {
	t.Parallel()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{})
	add := func(operation, exception string) error {
		_, err := s.Core.Command(t.Context(), "fault-add", []byte(marshal(t, object{"operation": operation, "error": exception})))
		return err
	}
	for _, op := range model.Operations() {
		for _, e := range model.Errors() {
			listed := !e.Modeled
			for _, name := range op.Errors {
				listed = listed || name == e.Name
			}
			if err := add(op.Name, e.Name); (err == nil) != listed {
				t.Errorf("%s, %s: %v", op.Name, e.Name, err)
			}
		}
	}
	for _, body := range []string{`{"operation":"Encrypt"}`, `{"error":"KMSInternalException"}`, `{"operation":"Encrypt","error":"KMSInternalException","often":1}`, `[]`, `{`, `{} {}`} {
		_, err := s.Core.Command(t.Context(), "fault-add", []byte(body))
		var mistake interface{ BadRequest() bool }
		if mistake, _ = err.(interface{ BadRequest() bool }); mistake == nil || !mistake.BadRequest() {
			t.Errorf("%s: %v", body, err)
		}
	}
}
