package workload_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/loadgen/workload"
)

// material makes up keys and artifacts.
type material struct{ made int }

func (material) KeyID(group, i int) string { return fmt.Sprintf("key-%d-%d", group, i) }
func (m material) Artifact(entry, key, variant int) (artifact, payload string) {
	text := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d/%d", entry, key, variant))
	return text, text
}
func (m material) Artifacts(int) int { return m.made }

func parse(t testing.TB, text string) *workload.Workload {
	t.Helper()
	w, err := workload.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestBuiltins(t *testing.T) {
	t.Parallel()
	for _, name := range workload.Builtin() {
		w, err := workload.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if w.Name != name || len(w.EntryNames()) == 0 || w.KeyCount() == 0 || w.Description == "" {
			t.Errorf("%s: %+v", name, w)
		}
		sequence, bodies := w.Sequence(1), w.Bodies(material{2})
		var hit workload.Hit
		for n := range uint64(2000) {
			sequence.Hit(n, &hit)
			body := bodies.Append(nil, &hit)
			var members map[string]any
			if err := json.Unmarshal(body, &members); err != nil {
				t.Fatalf("%s: hit %d: %s: %v", name, n, body, err)
			}
		}
	}
	if _, err := workload.Load("nonesuch"); err == nil || !strings.Contains(err.Error(), "mixed") {
		t.Errorf("unknown workload: %v", err)
	}
	path := filepath.Join(t.TempDir(), "w.yaml")
	if err := os.WriteFile(path, []byte("name: x\nmix: [{operation: ListKeys}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := workload.Load(path); err != nil || w.Name != "x" {
		t.Errorf("file: %v", err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const keys = "name: t\nkeys:\n  - {name: a}\n  - {name: s, spec: RSA_2048, usage: SIGN_VERIFY}\n  - {name: r, spec: RSA_2048}\nmix:\n"
	for _, c := range []struct{ text, want string }{
		{"name: t\nmix:\n  - operation: ListKeys\n    wieght: 3\n", `f.yaml:4:5: unknown field "wieght"`},
		{"name: t\nmix:\n  - operation: [\n", `f.yaml:3:`},
		{"mix: [{operation: ListKeys}]\n", "f.yaml:1:1: name is missing"},
		{"name: t\nmix: " + strings.Repeat("[", 100_000), "f.yaml:2:70: nested deeper than 64 levels"},
		{"name: t\nmix:\n  " + strings.Repeat("- ", 100_000), "f.yaml:3:131: nested deeper than 64 levels"},
		{"name: t\nmix:\n" + strings.Repeat(" ", 600) + "- operation: x", "f.yaml:3:603: nested deeper than 64 levels"},
		{"name: t\n", "f.yaml:1:1: mix is missing or empty"},
		{"name: t\nkeys: [{name: a, spec: DES}]\n", `f.yaml:2:24: unknown key spec "DES"`},
		{"name: t\nkeys: [{name: a, usage: SIGN_VERIFY}]\n", `f.yaml:2:25: usage "SIGN_VERIFY" does not go with SYMMETRIC_DEFAULT`},
		{"name: t\nkeys:\n  - name: a\n  - name: a\n", `f.yaml:4:11: key group "a" appears twice`},
		{"name: t\nkeys: [{name: a, count: -1}]\n", "f.yaml:2:25: count must be from 1 to 1000000"},
		{"name: t\nkeys: [{name: a, popularity: {zipf: 11}}]\n", "f.yaml:2:"},
		{keys + "  - operation: Encrypt\n", "f.yaml:7:5: Encrypt needs a key group in keys, as there are 3"},
		{keys + "  - {operation: Encrypt, keys: b}\n", `f.yaml:7:32: no key group is named "b"`},
		{keys + "  - {operation: Sign, keys: a}\n", "f.yaml:7:29: Sign needs keys of usage SIGN_VERIFY"},
		{keys + "  - {operation: Sing, keys: a}\n", `f.yaml:7:17: unknown operation "Sing"`},
		{keys + "  - {operation: ListKeys, keys: a}\n", "f.yaml:7:33: ListKeys uses no key"},
		{keys + "  - {operation: ReEncrypt, keys: r}\n", "f.yaml:7:34: ReEncrypt needs keys of spec SYMMETRIC_DEFAULT"},
		{keys + "  - {operation: GetPublicKey, keys: a}\n", "f.yaml:7:37: GetPublicKey needs asymmetric keys"},
		{keys + "  - {operation: Encrypt, keys: a, weight: -1}\n", "f.yaml:7:43: weight must be above 0"},
		{keys + "  - {operation: Encrypt, keys: a, variants: 1000}\n", "f.yaml:7:45: variants must be from 1 to 256"},
		{keys + "  - {operation: Encrypt, keys: a, payload: {fixed: 5000}}\n", "sizes up to 5000 bytes are above the limit of 4096 here"},
		{keys + "  - {operation: Encrypt, keys: r, payload: {fixed: 191}}\n", "sizes up to 191 bytes are above the limit of 190 here"},
		{keys + "  - {operation: Encrypt, keys: a, payload: {fixed: 1, uniform: {min: 1, max: 2}}}\n", "a payload has one of"},
		{keys + "  - {operation: Encrypt, keys: a, payload: {uniform: {min: 3, max: 2}}}\n", "uniform needs 1 ≤ min ≤ max"},
		{keys + "  - {operation: Encrypt, keys: a, payload: {lognormal: {sigma: 1}}}\n", "lognormal needs 1 ≤ median"},
		{keys + "  - {operation: Encrypt, keys: a, payload: {choice: [{weight: 1}]}}\n", "every choice needs a size"},
		{keys + "  - {operation: Sign, keys: s, message_type: DIGEST, payload: {fixed: 20}}\n", "a digest for RSASSA_PSS_SHA_256 has 32 bytes"},
		{keys + "  - {operation: Sign, keys: s, algorithm: ECDSA_SHA_256}\n", `algorithm "ECDSA_SHA_256" does not go with RSA_2048`},
		{keys + "  - {operation: Sign, keys: s, message_type: raw}\n", "message_type is RAW or DIGEST"},
		{"name: t\nkeys: [{name: m, spec: ML_DSA_65}]\nmix: [{operation: Sign, message_type: DIGEST}]\n", "ML_DSA_65 signs whole messages: message_type is RAW"},
		{keys + "  - {operation: DescribeKey, keys: s, payload: {fixed: 1}}\n", "DescribeKey takes no payload"},
		{keys + "  - {operation: Encrypt, keys: r, context: {a: b}}\n", "an encryption context goes with symmetric encryption only"},
		{keys + "  - {operation: GenerateDataKey, keys: a, data_key_spec: AES_512}\n", "data_key_spec is AES_256 or AES_128"},
		{keys + "  - {operation: Encrypt, keys: a, destination: a}\n", "only ReEncrypt has a destination"},
		{keys + "  - {operation: Encrypt, keys: a, send_key_id: true}\n", "send_key_id is for Decrypt"},
		{keys + "  - {operation: Encrypt, keys: a}\n  - {operation: Encrypt, keys: a}\n", `f.yaml:8:5: entry "Encrypt" appears twice`},
	} {
		_, err := workload.Parse("f.yaml", []byte(c.text))
		var typed *workload.Error
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	w := parse(t, `
name: t
keys:
  - {name: a, count: 3}
  - {name: s, spec: RSA_2048, usage: SIGN_VERIFY}
  - {name: r, spec: RSA_2048}
  - {name: m, spec: HMAC_512}
mix:
  - {operation: Encrypt, keys: a, payload: {fixed: 5}, context: {z: "{v}", "a\"b": "x\ny"}}
  - {operation: Decrypt, keys: a, variants: 3, context: {v: "{v}"}}
  - {name: rsa, operation: Decrypt, keys: r}
  - {operation: ReEncrypt, keys: a, context: {k: v}}
  - {operation: GenerateDataKey, keys: a}
  - {name: sized, operation: GenerateDataKey, keys: a, payload: {fixed: 64}}
  - {operation: GenerateRandom, payload: {fixed: 24}}
  - {operation: Sign, keys: s, payload: {fixed: 3}}
  - {operation: Verify, keys: s}
  - {operation: VerifyMac, keys: m}
  - {operation: ListKeys}
  - {operation: DescribeKey, keys: m}
`)
	bodies := w.Bodies(material{2})
	for i, want := range []string{
		`{"EncryptionContext":{"a\"b":"x\u000ay","z":"2"},"KeyId":"key-0-2","Plaintext":"P"}`,
		`{"CiphertextBlob":"MS8yLzA=","EncryptionContext":{"v":"0"}}`, // variant 2 of 2 made is variant 0
		`{"CiphertextBlob":"Mi8yLzA=","EncryptionAlgorithm":"RSAES_OAEP_SHA_256","KeyId":"key-2-2"}`,
		`{"CiphertextBlob":"My8yLzA=","DestinationEncryptionContext":{"k":"v"},"DestinationKeyId":"key-0-0","SourceEncryptionContext":{"k":"v"}}`,
		`{"KeyId":"key-0-2","KeySpec":"AES_256"}`,
		`{"KeyId":"key-0-2","NumberOfBytes":5}`,
		`{"NumberOfBytes":5}`,
		`{"KeyId":"key-1-2","Message":"P","MessageType":"RAW","SigningAlgorithm":"RSASSA_PSS_SHA_256"}`,
		`{"KeyId":"key-1-2","Message":"OC8yLzA=","MessageType":"RAW","SigningAlgorithm":"RSASSA_PSS_SHA_256","Signature":"OC8yLzA="}`,
		`{"KeyId":"key-3-2","MacAlgorithm":"HMAC_SHA_512","Message":"OS8yLzA=","Mac":"OS8yLzA="}`,
		`{}`,
		`{"KeyId":"key-3-2"}`,
	} {
		got := string(bodies.Append(nil, &workload.Hit{Entry: i, Key: 2, Variant: 2, Size: 5, Seed: 99}))
		var members struct{ Plaintext, Message string }
		if err := json.Unmarshal([]byte(got), &members); err != nil {
			t.Errorf("entry %d: %s: %v", i, got, err)
			continue
		}
		if strings.Contains(want, `"P"`) {
			payload := members.Plaintext + members.Message
			if raw, err := base64.StdEncoding.DecodeString(payload); err != nil || len(raw) != 5 {
				t.Errorf("entry %d: payload %q: %d bytes, %v", i, payload, len(raw), err)
			}
			got = strings.Replace(got, payload, "P", 1)
		}
		if got != want {
			t.Errorf("entry %d:\ngot  %s\nwant %s", i, got, want)
		}
	}
	operation, body, payload := bodies.MakeArtifact(1, 0, 1, "id")
	if want := `{"EncryptionAlgorithm":"SYMMETRIC_DEFAULT","EncryptionContext":{"v":"1"},"KeyId":"id","Plaintext":"` + payload + `"}`; operation != "Encrypt" || string(body) != want {
		t.Errorf("artifact: %s %s\nwant %s", operation, body, want)
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	w := parse(t, `
name: t
keys: [{name: a, count: 10, popularity: {zipf: 1}}, {name: u, count: 4}]
mix:
  - {operation: Encrypt, keys: a, weight: 3, payload: {lognormal: {median: 100, sigma: 0.5, max: 4096}}}
  - {name: uniform, operation: Encrypt, keys: u, weight: 1, payload: {uniform: {min: 10, max: 19}}}
  - {operation: Decrypt, keys: u, weight: 1, variants: 5, payload: {choice: [{size: 10, weight: 3}, {size: 20, weight: 2}]}}
`)
	a, b, other := w.Sequence(5), w.Sequence(5), w.Sequence(6)
	const hits = 100_000
	entries, keys := map[int]float64{}, map[int]float64{}
	below, same, sizes := 0.0, 0, map[int]float64{}
	var hit, again workload.Hit
	for n := range uint64(hits) {
		a.Hit(n, &hit)
		b.Hit(n, &again)
		if hit != again {
			t.Fatalf("hit %d: %+v and %+v", n, hit, again)
		}
		other.Hit(n, &again)
		if hit.Seed == again.Seed {
			same++
		}
		entries[hit.Entry]++
		switch hit.Entry {
		case 0:
			keys[hit.Key]++
			if hit.Size <= 100 {
				below++
			}
		case 1:
			if hit.Size < 10 || hit.Size > 19 {
				t.Fatalf("size %d", hit.Size)
			}
		case 2:
			sizes[hit.Size]++
		}
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.01 {
			t.Errorf("%s: share %.4f, want %.4f", what, got, want)
		}
	}
	near("first entry", entries[0]/hits, 0.6)
	near("lognormal below its median", below/entries[0], 0.5)
	near("small choice", sizes[10]/entries[2], 0.6) // 3 of 5 variants
	harmonic := 0.0
	for k := 1.0; k <= 10; k++ {
		harmonic += 1 / k
	}
	for k := range 10 {
		near(fmt.Sprint("Zipf key ", k), keys[k]/entries[0], 1/float64(k+1)/harmonic)
	}
	if same > 0 {
		t.Errorf("%d hits of two seeds alike", same)
	}
}

// grantor is a material that knows the account of its keys.
type grantor struct{ material }

func (grantor) Grantee() string { return "arn:aws:iam::111122223333:root" }

func TestManagementBodies(t *testing.T) {
	t.Parallel()
	w := parse(t, `
name: t
keys:
  - {name: a}
  - {name: s, spec: RSA_2048, usage: SIGN_VERIFY}
  - {name: m, spec: HMAC_256}
mix:
  - {operation: CreateGrant, keys: a}
  - {name: signers, operation: CreateGrant, keys: s}
  - {name: makers, operation: CreateGrant, keys: m}
  - {operation: GetKeyRotationStatus, keys: a}
  - {operation: ListGrants, keys: a}
  - {operation: GenerateDataKeyPair, keys: a, context: {k: v}}
  - {operation: GenerateDataKeyPairWithoutPlaintext, keys: a, pair_spec: RSA_3072}
`)
	const grant = `{"GranteePrincipal":"arn:aws:iam::111122223333:root","KeyId":"key-%d-0","Operations":["%s"]}`
	bodies := w.Bodies(grantor{})
	for i, want := range []string{fmt.Sprintf(grant, 0, "Decrypt"), fmt.Sprintf(grant, 1, "Sign"), fmt.Sprintf(grant, 2, "GenerateMac"), `{"KeyId":"key-0-0"}`, `{"KeyId":"key-0-0"}`,
		`{"EncryptionContext":{"k":"v"},"KeyId":"key-0-0","KeyPairSpec":"ECC_NIST_P256"}`, `{"KeyId":"key-0-0","KeyPairSpec":"RSA_3072"}`} {
		if got := string(bodies.Append(nil, &workload.Hit{Entry: i})); got != want {
			t.Errorf("entry %d:\ngot  %s\nwant %s", i, got, want)
		}
	}
	if got := string(w.Bodies(material{}).Append(nil, &workload.Hit{})); !strings.Contains(got, "arn:aws:iam::000000000000:root") {
		t.Errorf("without an account: %s", got)
	}
	for text, want := range map[string]string{
		"name: t\nkeys: [{name: a}]\nmix: [{operation: GenerateDataKeyPair, pair_spec: DES}]\n": `unknown spec of a key pair "DES"`,
		"name: t\nkeys: [{name: a}]\nmix: [{operation: Encrypt, pair_spec: RSA_2048}]\n":        "pair_spec is for GenerateDataKeyPair",
	} {
		if _, err := workload.Parse("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What a program asks about operations and specs.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ operation, spec, usage, problem string }{
		{"Encrypt", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ""}, {"Sign", "RSA_2048", "SIGN_VERIFY", ""}, {"DescribeKey", "RSA_2048", "ENCRYPT_DECRYPT", ""},
		{"GetPublicKey", "ECC_NIST_P256", "SIGN_VERIFY", ""}, {"GetPublicKey", "HMAC_256", "", "needs an asymmetric key"}, {"ListKeys", "", "", ""}, {"GenerateRandom", "", "", ""},
		{"GenerateDataKey", "RSA_2048", "", "needs a key of spec SYMMETRIC_DEFAULT"}, {"GenerateDataKeyPair", "RSA_2048", "ENCRYPT_DECRYPT", ""}, {"GenerateMac", "SYMMETRIC_DEFAULT", "", "needs a key of usage"},
		{"Brew", "SYMMETRIC_DEFAULT", "", "unknown operation"}, {"Encrypt", "DES", "", "unknown key spec"},
	} {
		usage, err := workload.Usage(c.operation, c.spec)
		if usage != c.usage || (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s with %s: %q, %v", c.operation, c.spec, usage, err)
		}
	}
	if !workload.UsesKey("Sign") || workload.UsesKey("ListKeys") || !workload.TakesContext("Decrypt") || workload.TakesContext("Sign") || !workload.MakesPairs("GenerateDataKeyPair") {
		t.Error("operations")
	}
	if len(workload.Operations()) < 20 || len(workload.KeySpecs()) < 10 || len(workload.PairSpecs()) < 8 {
		t.Error("lists")
	}
}

// Parsing never panics and refuses with a typed error; what it accepts makes valid requests.
func FuzzParse(f *testing.F) {
	for _, name := range workload.Builtin() {
		data, err := os.ReadFile(filepath.Join("builtin", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("name: t\nkeys: [{name: a}]\nmix: [{operation: ReEncrypt, payload: {choice: [{size: 3}]}}]"))
	f.Add([]byte("name: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := workload.Parse("f.yaml", data)
		if err != nil {
			var typed *workload.Error
			if !errors.As(err, &typed) {
				t.Fatalf("untyped error %T %v", err, err)
			}
			return
		}
		if w.KeyCount() > 10_000 {
			return // tables of a million keys make the fuzzer slow, not wiser
		}
		sequence, bodies := w.Sequence(1), w.Bodies(material{1})
		var hit workload.Hit
		for n := range uint64(20) {
			sequence.Hit(n, &hit)
			if body := bodies.Append(nil, &hit); !json.Valid(body) {
				t.Fatalf("invalid request %s", body)
			}
		}
	})
}
