package wire_test

import (
	"testing"
	"time"

	"trent/fastpath/wire"
)

// TestAppendJSON compares whole responses; every one is appended behind other bytes.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	created := wire.TimestampOf(time.UnixMilli(1593622000191))
	for _, row := range []struct {
		name     string
		response wire.Response
		want     string
	}{
		{"empty structure", &wire.DeleteCustomKeyStoreResponse{}, `{}`},
		{"nothing set", &wire.EncryptResponse{}, `{}`},
		{"blob, string, enum in the model's order", &wire.EncryptResponse{KeyId: "arn", EncryptionAlgorithm: wire.EncryptionAlgorithmSpecSymmetricDefault, CiphertextBlob: []byte{0xff, 0xef, 1}}, `{"CiphertextBlob":"/+8B","KeyId":"arn","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`},
		{"base64 padding", &wire.GenerateRandomResponse{Plaintext: []byte("a")}, `{"Plaintext":"YQ=="}`},
		{"empty blob", &wire.GenerateRandomResponse{Plaintext: []byte{}}, `{"Plaintext":""}`},
		{"false is written when set", &wire.VerifyResponse{SignatureValid: wire.Some(false)}, `{"SignatureValid":false}`},
		{"integers", &wire.ScheduleKeyDeletionResponse{PendingWindowInDays: wire.Some(int32(7)), KeyState: wire.KeyStatePendingDeletion}, `{"KeyState":"PendingDeletion","PendingWindowInDays":7}`},
		{"timestamp of milliseconds", &wire.ScheduleKeyDeletionResponse{DeletionDate: wire.Some(created)}, `{"DeletionDate":1593622000.191}`},
		{"timestamp of hundredths", &wire.ScheduleKeyDeletionResponse{DeletionDate: wire.Some(wire.Timestamp(1020))}, `{"DeletionDate":1.02}`},
		{"timestamp of five milliseconds", &wire.ScheduleKeyDeletionResponse{DeletionDate: wire.Some(wire.Timestamp(5))}, `{"DeletionDate":0.005}`},
		{"whole timestamp", &wire.ScheduleKeyDeletionResponse{DeletionDate: wire.Some(wire.Timestamp(1568565290000))}, `{"DeletionDate":1568565290.0}`},
		{"negative timestamp", &wire.ScheduleKeyDeletionResponse{DeletionDate: wire.Some(wire.Timestamp(-1500))}, `{"DeletionDate":-1.5}`},
		{"empty list", &wire.ListKeysResponse{Keys: []wire.KeyListEntry{}, Truncated: wire.Some(false)}, `{"Keys":[],"Truncated":false}`},
		{"list of structures", &wire.ListKeysResponse{Keys: []wire.KeyListEntry{{KeyId: "a", KeyArn: "b"}, {}}, NextMarker: "m", Truncated: wire.Some(true)}, `{"Keys":[{"KeyId":"a","KeyArn":"b"},{}],"NextMarker":"m","Truncated":true}`},
		{"list of strings", &wire.ListKeyPoliciesResponse{PolicyNames: []string{"default", "x"}}, `{"PolicyNames":["default","x"]}`},
		{"required members even when empty", &wire.ListResourceTagsResponse{Tags: []wire.ResponseTag{{TagKey: "k"}}}, `{"Tags":[{"TagKey":"k","TagValue":""}]}`},
		{"maps", &wire.ListGrantsResponse{Grants: []wire.GrantListEntry{{Operations: []wire.GrantOperation{wire.GrantOperationSign, wire.GrantOperationReEncryptTo}, Constraints: &wire.ResponseGrantConstraints{EncryptionContextEquals: []wire.ResponsePair{{Key: "a", Value: "b"}, {Key: "c", Value: ""}}, EncryptionContextSubset: []wire.ResponsePair{}}}}}, `{"Grants":[{"Name":"","Operations":["Sign","ReEncryptTo"],"Constraints":{"EncryptionContextSubset":{},"EncryptionContextEquals":{"a":"b","c":""}}}]}`},
		{"description is always shown", &wire.DescribeKeyResponse{KeyMetadata: &wire.KeyMetadata{KeyId: "k", Enabled: wire.Some(true), EncryptionAlgorithms: []wire.EncryptionAlgorithmSpec{wire.EncryptionAlgorithmSpecRsaesOaepSha256}}}, `{"KeyMetadata":{"KeyId":"k","Enabled":true,"Description":"","EncryptionAlgorithms":["RSAES_OAEP_SHA_256"]}}`},
		{"escapes", &wire.GetKeyPolicyResponse{Policy: "\"\\/\b\f\n\r\t\x00\x1f\x7f<>&é€😀\u2028"}, `{"Policy":"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7f<>&é€😀\u2028" + `"}`},
		{"bytes that are not UTF-8", &wire.GetKeyPolicyResponse{Policy: "a\xffb\xc3"}, `{"Policy":"a` + "\ufffdb\ufffd" + `"}`},
	} {
		if got := string(row.response.AppendJSON([]byte("before"))); got != "before"+row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, row.want)
		}
	}
	if got := created.Time(); got.UnixMilli() != 1593622000191 || got.Location() != time.UTC {
		t.Errorf("Time is %v", got)
	}
	if v, ok := (wire.Opt[bool]{}).Value(); v || ok {
		t.Error("the zero Opt is set")
	}
}
