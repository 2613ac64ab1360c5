package fastpath_test

import (
	"encoding/json"
	"sync"
	"testing"

	"trent/fastpath/servertest"
	"trent/fastpath/wire"
)

// FuzzChain sends any body under a valid signature to any operation: the answer is a success or the caller's
// own mistake, never a fault of the server, and always JSON.
func FuzzChain(f *testing.F) {
	var mu sync.Mutex
	s := servertest.Start(f, servertest.Options{Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		f.Errorf(format, args...) // a panic in the chain, or trouble that the server takes for its own
	}})
	id := newKey(f, s)
	seeds := []string{
		``, `{}`, `[]`, `null`, `{`, `{"KeyId":"` + id + `"}`, `{"KeyId":null}`, `{"KeyId":"alias/x","Marker":"x","Limit":1}`,
		`{"KeyId":"` + id + `","Plaintext":"eA==","EncryptionContext":{"a":"b","a":"c"}}`,
		`{"KeyId":"arn:aws:kms:us-east-1:000000000000:key/` + id + `","KeySpec":"AES_256"}`,
		`{"KeyId":"arn:aws:kms:us-east-1:000000000000:alias/","NumberOfBytes":1e3}`,
		`{"CiphertextBlob":"AQICAHg=","DestinationKeyId":"` + id + `","DryRun":true,"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`,
		`{"AliasName":"alias/a","TargetKeyId":"` + id + `"}`, `{"AliasName":"alias/\u0000","TargetKeyId":"` + id + `"}`,
		`{"KeyId":"` + id + `","Tags":[{"TagKey":"a","TagValue":"b"},null]}`, `{"KeyId":"` + id + `","TagKeys":[null]}`,
		`{"KeyId":"` + id + `","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`,
		`{"KeyId":"` + id + `","Message":"eA==","SigningAlgorithm":"ECDSA_SHA_256","MessageType":"DIGEST"}`,
		`{"KeyId":"` + id + `","PendingWindowInDays":8}`, `{"Description":"\ud800","Policy":"\u0000","KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`,
		`{"Origin":"EXTERNAL","MultiRegion":true}`, `{"CustomKeyStoreId":"x","XksKeyId":"y","Origin":"EXTERNAL_KEY_STORE"}`,
	}
	for i, body := range seeds {
		for op := 1 + i%3; op < int(wire.NumOperations); op += 3 {
			f.Add(uint8(op), body)
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, body string) {
		operation := 1 + wire.Operation(op)%(wire.NumOperations-1)
		if len(body) > 64<<10 {
			return
		}
		status, answer := serve(t, s, servertest.For(operation.String(), body))
		if status >= 500 {
			t.Errorf("%s %q: %d %s", operation, body, status, answer)
		}
		if answer != "" && !json.Valid([]byte(answer)) {
			t.Errorf("%s %q: %q is no JSON", operation, body, answer)
		}
	})
}
