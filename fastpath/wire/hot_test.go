package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"trent/fastpath/wire"
)

const (
	hotARN  = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	hot32   = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
	hotMap  = `{"tenant":"42","purpose":"backup"}`
	hotBlob = 184 // bytes of a ciphertext of 32 bytes
)

// hotRequests are bodies of the operations that carry load, with every member that real clients send.
var hotRequests = []struct{ operation, body string }{
	{"Encrypt", `{"KeyId":"` + hotARN + `","Plaintext":"` + hot32 + `"}`},
	{"Encrypt", `{"KeyId":"` + hotARN + `","Plaintext":"` + hot32 + `","EncryptionContext":` + hotMap + `,"GrantTokens":["abc"],"EncryptionAlgorithm":"SYMMETRIC_DEFAULT","DryRun":false}`},
	{"Encrypt", `{"KeyId":"` + hotARN + `","Plaintext":"` + strings.Repeat("QUJD", 1365) + `"}`},
	{"Decrypt", `{"CiphertextBlob":"` + strings.Repeat("QUJD", 61) + `QQ==","EncryptionContext":` + hotMap + `}`},
	{"GenerateDataKey", `{"KeyId":"` + hotARN + `","KeySpec":"AES_256","EncryptionContext":` + hotMap + `}`},
	{"GenerateDataKey", `{"KeyId":"` + hotARN + `","NumberOfBytes":32}`},
	{"GenerateDataKeyWithoutPlaintext", `{"KeyId":"` + hotARN + `","KeySpec":"AES_128"}`},
	{"ReEncrypt", `{"CiphertextBlob":"` + strings.Repeat("QUJD", 61) + `QQ==","DestinationKeyId":"` + hotARN + `"}`},
	{"Sign", `{"KeyId":"` + hotARN + `","Message":"` + hot32 + `","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_256"}`},
	{"Verify", `{"KeyId":"` + hotARN + `","Message":"` + hot32 + `","Signature":"` + strings.Repeat("QUJD", 24) + `","SigningAlgorithm":"ECDSA_SHA_256"}`},
	{"GenerateMac", `{"KeyId":"` + hotARN + `","Message":"` + hot32 + `","MacAlgorithm":"HMAC_SHA_256"}`},
	{"VerifyMac", `{"KeyId":"` + hotARN + `","Message":"` + hot32 + `","Mac":"` + hot32 + `","MacAlgorithm":"HMAC_SHA_256"}`},
	{"GenerateRandom", `{"NumberOfBytes":32}`},
	{"DescribeKey", `{"KeyId":"` + hotARN + `"}`},
}

// hotResponses are answers of the same operations.
func hotResponses() []wire.Response {
	material := strings.Repeat("0123456789abcdef", 4)
	blob, secret := make([]byte, hotBlob), make([]byte, 32)
	return []wire.Response{
		&wire.EncryptResponse{CiphertextBlob: blob, KeyId: hotARN, EncryptionAlgorithm: wire.EncryptionAlgorithmSpecSymmetricDefault},
		&wire.DecryptResponse{KeyId: hotARN, Plaintext: secret, EncryptionAlgorithm: wire.EncryptionAlgorithmSpecSymmetricDefault, KeyMaterialId: material},
		&wire.GenerateDataKeyResponse{CiphertextBlob: blob, Plaintext: secret, KeyId: hotARN, KeyMaterialId: material},
		&wire.GenerateDataKeyWithoutPlaintextResponse{CiphertextBlob: blob, KeyId: hotARN, KeyMaterialId: material},
		&wire.ReEncryptResponse{CiphertextBlob: blob, SourceKeyId: hotARN, KeyId: hotARN, SourceEncryptionAlgorithm: wire.EncryptionAlgorithmSpecSymmetricDefault},
		&wire.SignResponse{KeyId: hotARN, Signature: secret, SigningAlgorithm: wire.SigningAlgorithmSpecEcdsaSha256},
		&wire.VerifyResponse{KeyId: hotARN, SignatureValid: wire.Some(true), SigningAlgorithm: wire.SigningAlgorithmSpecEcdsaSha256},
		&wire.GenerateMacResponse{Mac: secret, MacAlgorithm: wire.MacAlgorithmSpecHmacSha256, KeyId: hotARN},
		&wire.VerifyMacResponse{KeyId: hotARN, MacValid: wire.Some(true), MacAlgorithm: wire.MacAlgorithmSpecHmacSha256},
		&wire.GenerateRandomResponse{Plaintext: secret},
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, h := range hotRequests[:5] {
		for _, step := range []string{"decode", "decode+validate"} {
			b.Run(benchmarkName(h.operation, len(h.body))+"/step="+step, func(b *testing.B) {
				r, _ := newRequest(b, h.operation)
				body := make([]byte, len(h.body))
				b.ReportAllocs()
				for b.Loop() {
					copy(body, h.body) // a body can be decoded once
					if err := r.Decode(body); err != nil {
						b.Fatal(err)
					}
					if step != "decode" && r.Validate() != nil {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, r := range hotResponses()[:3] {
		b.Run(benchmarkName("response", len(r.AppendJSON(nil))), func(b *testing.B) {
			dst := make([]byte, 0, 8192)
			b.ReportAllocs()
			for b.Loop() {
				dst = r.AppendJSON(dst[:0])
			}
		})
	}
}

func benchmarkName(op string, size int) string { return fmt.Sprintf("op=%s/size=%d", op, size) }
