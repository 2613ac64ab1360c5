package workload_test

import (
	"testing"

	"trent/loadgen/workload"
)

func TestVariants(t *testing.T) {
	t.Parallel()
	w, err := workload.Parse("x.yaml", []byte(`name: x
keys: [{name: a, count: 3}, {name: r, spec: RSA_2048, usage: ENCRYPT_DECRYPT}]
mix:
  - {operation: Encrypt, keys: a}
  - {operation: Encrypt, keys: r, name: rsa}
  - {operation: GenerateDataKey, keys: a}
  - {operation: DescribeKey, keys: a}
`))
	if err != nil {
		t.Fatal(err)
	}
	big, err := w.WithPayload(4096)
	if err != nil {
		t.Fatal(err)
	}
	if big.Mix[0].Payload.Fixed != 4096 || big.Mix[1].Payload.Fixed != 190 || big.Mix[2].DataKeySpec != "AES_256" || w.Mix[0].Payload.Fixed != 32 {
		t.Errorf("payloads %+v; want 4096, and 190 under OAEP with SHA-256; before %+v", big.Mix, w.Mix[0].Payload)
	}
	many, err := w.WithKeys(50)
	if err != nil || many.KeyCount() != 66 || w.KeyCount() != 4 {
		t.Errorf("%d keys, before %d, %v", many.KeyCount(), w.KeyCount(), err)
	}
	keyless, err := workload.Parse("y.yaml", []byte("name: y\nmix: [{operation: GenerateRandom, payload: {fixed: 32}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyless.WithKeys(5); err == nil {
		t.Error("keys of a workload without any")
	}
}
