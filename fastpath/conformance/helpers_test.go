package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// Credentials of other accounts and partitions that the run's own server knows.
const (
	otherAccount = "111122223333"
	otherKeyID   = "AKIDOTHER"
	chinaKeyID   = "AKIDCHINA"
	otherSecret  = "another secret"
)

func otherCredentials() []identity.Credential {
	return []identity.Credential{
		{AccessKeyID: otherKeyID, Secret: identity.Secret(otherSecret), Principal: identity.Root("aws", otherAccount)},
		{AccessKeyID: chinaKeyID, Secret: identity.Secret(otherSecret), Principal: identity.Root("aws-cn", otherAccount)},
	}
}

// absentID is well-formed and of no key.
const absentID = "00000000-1111-2222-3333-444444444444"

func arnOf(id string) string {
	return "arn:aws:kms:" + at.Region + ":" + at.Account + ":key/" + id
}

func aliasARN(name string) string {
	return "arn:aws:kms:" + at.Region + ":" + at.Account + ":" + name
}

// newAlias is an alias name that nobody else uses.
func newAlias() string { return "alias/conformance/" + uuid.NewString() }

// key is a key of the test's own or a shared one.
type key struct{ id, arn string }

// newKey creates a key that the test may do anything with.
func newKey(t testing.TB, in *kms.CreateKeyInput) key {
	t.Helper()
	out, err := at.KMS().CreateKey(context.Background(), in)
	if err != nil {
		t.Fatalf("CreateKey: %v", err)
	}
	created.add(*out.KeyMetadata.KeyId)
	return key{*out.KeyMetadata.KeyId, *out.KeyMetadata.Arn}
}

func newSymmetric(t testing.TB) key {
	t.Helper()
	return newKey(t, &kms.CreateKeyInput{})
}

type shared struct {
	once sync.Once
	key  key
}

var sharedKeys sync.Map // kind → *shared

type kind struct {
	spec  types.KeySpec
	usage types.KeyUsageType
	n     int
}

// theKey is a key that all tests share and none changes; n tells several of one kind apart. Making an RSA
// key takes up to a second.
func theKey(t testing.TB, spec types.KeySpec, usage types.KeyUsageType, n int) key {
	t.Helper()
	v, _ := sharedKeys.LoadOrStore(kind{spec, usage, n}, &shared{})
	s := v.(*shared)
	s.once.Do(func() { s.key = newKey(t, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage}) })
	if s.key.id == "" {
		t.Fatalf("no key of spec %s", spec)
	}
	return s.key
}

func symmetric(t testing.TB) key {
	return theKey(t, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, 0)
}
func rsaCrypt(t testing.TB) key {
	return theKey(t, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt, 0)
}
func rsaSign(t testing.TB) key {
	return theKey(t, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify, 0)
}
func p256(t testing.TB) key {
	return theKey(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, 0)
}
func hmac256(t testing.TB) key {
	return theKey(t, types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac, 0)
}

// inState makes a symmetric key of a state.
func inState(t testing.TB, state types.KeyState, in *kms.CreateKeyInput) key {
	t.Helper()
	ctx, client := context.Background(), at.KMS()
	if state == types.KeyStatePendingImport {
		in.Origin = types.OriginTypeExternal
	}
	k := newKey(t, in)
	var err error
	switch state {
	case types.KeyStateDisabled:
		_, err = client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})
	case types.KeyStatePendingDeletion:
		_, err = client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: aws.Int32(7)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func describe(t testing.TB, name string) *types.KeyMetadata {
	t.Helper()
	out, err := at.KMS().DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		t.Fatalf("DescribeKey: %v", err)
	}
	return out.KeyMetadata
}

func encrypt(t testing.TB, name, plaintext string) []byte {
	t.Helper()
	out, err := at.KMS().Encrypt(context.Background(), &kms.EncryptInput{KeyId: &name, Plaintext: []byte(plaintext)})
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	return out.CiphertextBlob
}

// wantError checks an SDK error: exception, HTTP status 400 and text; "" is no text at all.
func wantError(t testing.TB, err error, code, message string) {
	t.Helper()
	wantStatus(t, err, 400, code, message)
}

func wantStatus(t testing.TB, err error, status int, code, message string) {
	t.Helper()
	var api smithy.APIError
	var resp *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &resp) {
		t.Errorf("error %v, want %s %q", err, code, message)
		return
	}
	got := api.ErrorMessage()
	// The SDK puts words of its own where an exception that it does not model comes without text.
	if generic := (*smithy.GenericAPIError)(nil); errors.As(err, &generic) && (got == "UnknownError" || got == code) {
		got = ""
	}
	if api.ErrorCode() != code || got != message || resp.HTTPStatusCode() != status {
		t.Errorf("error %d %s %q\n want %d %s %q", resp.HTTPStatusCode(), api.ErrorCode(), got, status, code, message)
	}
}

// wantRefusal checks an answer to a hand-made request; "" is no text at all.
func wantRefusal(t testing.TB, a servertest.Answer, code, message string) {
	t.Helper()
	got, text := refusalOf(t, a)
	if a.Status != 400 || got != code || text != message {
		t.Errorf("answer %d %s %q\n want 400 %s %q", a.Status, got, text, code, message)
	}
}

// refusalOf reads an error body, which has __type and at most one text member.
func refusalOf(t testing.TB, a servertest.Answer) (code, text string) {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal([]byte(a.Body), &members); err != nil {
		t.Fatalf("answer %d %q: %v", a.Status, a.Body, err)
	}
	for name, value := range members {
		switch name {
		case "__type":
			code = value
		case "message", "Message":
			text = value
		default:
			t.Errorf("answer %q has a member %s", a.Body, name)
		}
	}
	return code, text
}

// validation is the text of one violated constraint.
func validation(value, path, must string) string {
	return "1 validation error detected: Value " + value + "at '" + path + "' failed to satisfy constraint: Member must " + must
}

// marshal is v as JSON.
func marshal(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// object is a JSON object for hand-made requests.
type object map[string]any

// call sends an operation by hand.
func call(t testing.TB, operation string, body object) servertest.Answer {
	t.Helper()
	return at.Call(t, operation, marshal(t, body))
}

func long(n int) string { return strings.Repeat("x", n) }

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
