//go:build !race

// The race detector has pools lose what they hold. For an answer crypto/tls then takes a new buffer, and where that is a
// few bytes too short for the record, drops it with the answer in it; see package frontend.

package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/attestation/enclavetest"
	"trent/fastpath/keystore"
	"trent/hsm/hsmtest"
)

// haystack looks for many needles at once: by their first bytes, then all of them.
type haystack struct {
	first [1 << 13]uint64 // a bit for every 19 bits that a window may begin with
	byKey map[uint64][]int
	all   []needle
	of    []int // needle of each window
	flat  [][]byte
}

func newHaystack(all []needle) *haystack {
	h := &haystack{byKey: map[uint64][]int{}, all: all}
	for i, n := range all {
		for _, w := range n.windows {
			k := keyAt(w)
			h.first[k&(1<<19-1)/64] |= 1 << (k & 63)
			h.byKey[k] = append(h.byKey[k], len(h.flat))
			h.flat, h.of = append(h.flat, w), append(h.of, i)
		}
	}
	return h
}

func keyAt(b []byte) uint64 {
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
}

// look calls found for each window that stands in piece.
func (h *haystack) look(piece []byte, found func(n, at int)) {
	for i := 0; i+window <= len(piece); i++ {
		k := keyAt(piece[i:])
		if h.first[k&(1<<19-1)/64]>>(k&63)&1 == 0 {
			continue
		}
		for _, w := range h.byKey[k] {
			if bytes.HasPrefix(piece[i:], h.flat[w]) {
				found(h.of[w], i)
			}
		}
	}
}

// secretive drives a child and notes every secret that passes between it and its client.
type secretive struct {
	*child
	t        *testing.T
	client   *kms.Client
	answers  bytes.Buffer
	secrets  []needle
	enclave  *rsa.PrivateKey
	document func() *types.RecipientInfo
}

func (s *secretive) hide(what string, b []byte) []byte {
	s.secrets = append(s.secrets, newNeedle(what, b))
	return b
}

// must is the answer of an operation, of which public goes to the answers to look through.
func must[O any](s *secretive, public func(O) [][]byte) func(O, error) O {
	return func(o O, err error) O {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, b := range public(o) {
			s.answers.Write(b)
		}
		return o
	}
}

func (s *secretive) create(spec types.KeySpec, usage types.KeyUsageType) *string {
	s.t.Helper()
	out, err := s.client.CreateKey(s.t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.KeyMetadata.KeyId
}

// symmetric passes plaintexts and data keys, to the client and to an enclave, and plaintexts that are refused.
func (s *secretive) symmetric() {
	t, client := s.t, s.client
	ctx := t.Context()
	k, other := s.create("SYMMETRIC_DEFAULT", ""), s.create("SYMMETRIC_DEFAULT", "")
	for _, n := range []int{32, 4096} {
		sealed := must(s, func(o *kms.EncryptOutput) [][]byte { return [][]byte{o.CiphertextBlob} })(
			client.Encrypt(ctx, &kms.EncryptInput{KeyId: k, Plaintext: s.hide("a plaintext", randomBytes(n))}))
		must(s, func(o *kms.DecryptOutput) [][]byte { return nil })(client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}))
		must(s, func(o *kms.DecryptOutput) [][]byte { return [][]byte{o.CiphertextForRecipient} })(
			client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, Recipient: s.document()}))
		must(s, func(o *kms.ReEncryptOutput) [][]byte { return [][]byte{o.CiphertextBlob} })(
			client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: other}))
	}
	key := must(s, func(o *kms.GenerateDataKeyOutput) [][]byte { return [][]byte{o.CiphertextBlob} })(
		client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: k, KeySpec: "AES_256"}))
	s.hide("a data key", key.Plaintext)
	key = must(s, func(o *kms.GenerateDataKeyOutput) [][]byte {
		return [][]byte{o.CiphertextBlob, o.CiphertextForRecipient}
	})(
		client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: k, KeySpec: "AES_256", Recipient: s.document()}))
	s.hide("an enclave's data key", hsmtest.OpenEnveloped(t, key.CiphertextForRecipient, s.enclave))
	random := must(s, func(o *kms.GenerateRandomOutput) [][]byte { return nil })(client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1024)}))
	s.hide("random bytes", random.Plaintext)
	random = must(s, func(o *kms.GenerateRandomOutput) [][]byte { return [][]byte{o.CiphertextForRecipient} })(
		client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32), Recipient: s.document()}))
	s.hide("an enclave's random bytes", hsmtest.OpenEnveloped(t, random.CiphertextForRecipient, s.enclave))
	for _, refused := range []*kms.EncryptInput{
		{KeyId: aws.String(absentID), Plaintext: s.hide("a plaintext for no key", randomBytes(64))},
		{KeyId: k, Plaintext: s.hide("a long plaintext", randomBytes(4097))},
		{KeyId: k, Plaintext: s.hide("a plaintext for another algorithm", randomBytes(64)), EncryptionAlgorithm: "RSAES_OAEP_SHA_1"},
		{KeyId: k, Plaintext: s.hide("a plaintext of a dry run", randomBytes(64)), DryRun: aws.Bool(true)},
	} {
		if _, err := client.Encrypt(ctx, refused); err == nil {
			t.Error("encrypted")
		} else {
			s.answers.WriteString(err.Error())
		}
	}
}

// pairs passes private keys.
func (s *secretive) pairs() {
	t, client := s.t, s.client
	k := s.create("SYMMETRIC_DEFAULT", "")
	for _, spec := range []types.DataKeyPairSpec{"RSA_2048", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"} {
		for _, recipient := range []*types.RecipientInfo{nil, s.document()} {
			pair := must(s, func(o *kms.GenerateDataKeyPairOutput) [][]byte {
				return [][]byte{o.PrivateKeyCiphertextBlob, o.PublicKey, o.CiphertextForRecipient}
			})(
				client.GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: k, KeyPairSpec: spec, Recipient: recipient}))
			private := pair.PrivateKeyPlaintext
			if recipient != nil {
				private = hsmtest.OpenEnveloped(t, pair.CiphertextForRecipient, s.enclave)
			}
			if spec == "ECC_SECG_P256K1" { // which crypto/x509 does not parse; nothing of it may be found
				s.hide(string(spec), private[len(private)-32-70:][:32+2])
				continue
			}
			s.secrets = append(s.secrets, newPrivateNeedle(t, fmt.Sprintf("a data key pair of %s, to an enclave %t", spec, recipient != nil), private))
		}
	}
}

// newPrivateNeedle is for a private key in PKCS #8. Its numbers alone are found in the memory of a process that uses it, or
// has made it by the standard library; its encoding is not: in text, or a number with what stands in front of it.
func newPrivateNeedle(t *testing.T, what string, pkcs8 []byte) needle {
	t.Helper()
	n := needle{what: what}
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	from := func(number []byte, header int) {
		text := newNeedle(what, number).windows[(len(number)-window)/4+1:] // behind the raw ones
		at := bytes.Index(pkcs8, number)
		n.windows = append(append(n.windows, text...), pkcs8[at-header:][:window])
	}
	switch private := parsed.(type) {
	case *rsa.PrivateKey:
		for _, number := range append(private.Primes, private.D, private.Precomputed.Dp, private.Precomputed.Dq, private.Precomputed.Qinv) {
			from(number.Bytes(), 4) // of the number before it
		}
	case *ecdsa.PrivateKey:
		number, err := private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		from(number, 7) // SEQUENCE, version 1, OCTET STRING
	case ed25519.PrivateKey:
		from(private.Seed(), 2)
	}
	return n
}

// imports passes key material of which the standard library's parsers see the encoding.
func (s *secretive) imports() {
	t, client := s.t, s.client
	for spec, usage := range map[types.KeySpec]types.KeyUsageType{"ECC_NIST_P256": "KEY_AGREEMENT", "ECC_NIST_P521": "SIGN_VERIFY", "RSA_2048": "ENCRYPT_DECRYPT"} {
		material := materialOf(t, spec)
		s.secrets = append(s.secrets, newPrivateNeedle(t, fmt.Sprint("imported material of ", spec), material))
		p := forImport(t, client, newExternal(t, client, spec, usage).id, types.AlgorithmSpecRsaAesKeyWrapSha256)
		must(s, func(o *kms.ImportKeyMaterialOutput) [][]byte { return nil })(client.ImportKeyMaterial(t.Context(), p.input(t, material)))
		must(s, func(o *kms.GetPublicKeyOutput) [][]byte { return [][]byte{o.PublicKey} })(client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: p.KeyId}))
	}
	k := newExternal(t, client, "HMAC_256", "GENERATE_VERIFY_MAC")
	p := forImport(t, client, k.id, types.AlgorithmSpecRsaesOaepSha256)
	must(s, func(o *kms.ImportKeyMaterialOutput) [][]byte { return nil })(client.ImportKeyMaterial(t.Context(), p.input(t, s.hide("an imported HMAC key", randomBytes(32)))))
}

// shared passes shared secrets and what asymmetric keys decrypt.
func (s *secretive) shared() {
	t, client := s.t, s.client
	ctx := t.Context()
	for spec, curve := range map[types.KeySpec]elliptic.Curve{"ECC_NIST_P256": elliptic.P256(), "ECC_NIST_P521": elliptic.P521()} {
		_, peer := peerOn(t, curve)
		derived := must(s, func(o *kms.DeriveSharedSecretOutput) [][]byte { return nil })(
			client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: s.create(spec, "KEY_AGREEMENT"), KeyAgreementAlgorithm: "ECDH", PublicKey: peer}))
		s.hide("a shared secret", derived.SharedSecret)
	}
	for _, spec := range []types.KeySpec{"ML_KEM_768", "ML_KEM_1024"} { // the library of ML_KEM_512 keeps secrets, as package hsm says
		k := s.create(spec, "ENCAPSULATE_DECAPSULATE")
		made := must(s, func(o *kms.EncapsulateOutput) [][]byte { return [][]byte{o.SharedSecretCiphertextBlob} })(
			client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: k, EncapsulationAlgorithm: "ML_KEM"}))
		s.hide(fmt.Sprint("an encapsulated secret of ", spec), made.SharedSecret)
		must(s, func(o *kms.DecapsulateOutput) [][]byte { return nil })(
			client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: k, SharedSecretCiphertextBlob: made.SharedSecretCiphertextBlob, EncapsulationAlgorithm: "ML_KEM"}))
	}
	k := s.create("RSA_2048", "ENCRYPT_DECRYPT")
	sealed := must(s, func(o *kms.EncryptOutput) [][]byte { return [][]byte{o.CiphertextBlob} })(
		client.Encrypt(ctx, &kms.EncryptInput{KeyId: k, Plaintext: s.hide("a plaintext for RSA", randomBytes(48)), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}))
	must(s, func(o *kms.DecryptOutput) [][]byte { return nil })(
		client.Decrypt(ctx, &kms.DecryptInput{KeyId: k, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}))
}

// stores passes passwords and secret access keys, taken and refused.
func (s *secretive) stores() {
	t, client := s.t, s.client
	ctx := t.Context()
	kmsuser := func() *string { return aws.String(string(s.hide("a password", []byte(rawText(28))))) }
	in := hsmStore("a cluster")
	in.KeyStorePassword = kmsuser()
	made := must(s, func(o *kms.CreateCustomKeyStoreOutput) [][]byte { return nil })(client.CreateCustomKeyStore(ctx, in))
	must(s, func(o *kms.UpdateCustomKeyStoreOutput) [][]byte { return nil })(
		client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId, KeyStorePassword: kmsuser()}))
	must(s, func(o *kms.ConnectCustomKeyStoreOutput) [][]byte { return nil })(
		client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}))
	in = hsmStore("a cluster")
	in.KeyStorePassword = kmsuser()
	if _, err := client.CreateCustomKeyStore(ctx, in); err == nil {
		t.Error("two of a name")
	}
	in.KeyStorePassword = aws.String(string(s.hide("a long password", []byte(rawText(40)))))
	if _, err := client.CreateCustomKeyStore(ctx, in); err == nil {
		t.Error("a password of 40 characters")
	} else {
		s.answers.WriteString(err.Error())
	}
	credential := func() *types.XksProxyAuthenticationCredentialType {
		return &types.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(accessKey), RawSecretAccessKey: aws.String(string(s.hide("a secret access key", []byte(rawText(43)))))}
	}
	proxy := xksStore("a proxy")
	proxy.XksProxyAuthenticationCredential = credential()
	external := must(s, func(o *kms.CreateCustomKeyStoreOutput) [][]byte { return nil })(client.CreateCustomKeyStore(ctx, proxy))
	must(s, func(o *kms.UpdateCustomKeyStoreOutput) [][]byte { return nil })(client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{
		CustomKeyStoreId: external.CustomKeyStoreId, XksProxyAuthenticationCredential: credential()}))
	proxy.XksProxyUriPath, proxy.XksProxyAuthenticationCredential = aws.String("/elsewhere/kms/xks/v1"), credential()
	if _, err := client.CreateCustomKeyStore(ctx, proxy); err == nil {
		t.Error("a proxy that is nowhere")
	} else {
		s.answers.WriteString(err.Error())
	}
	proxy.XksProxyAuthenticationCredential.RawSecretAccessKey = aws.String(string(s.hide("a long secret access key", []byte(rawText(100)))))
	if _, err := client.CreateCustomKeyStore(ctx, proxy); err == nil {
		t.Error("a secret access key of 100 characters")
	} else {
		s.answers.WriteString(err.Error())
	}
	must(s, func(o *kms.DescribeCustomKeyStoresOutput) [][]byte { return [][]byte{[]byte(marshal(t, o))} })(
		client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{}))
}

// rawText is random letters and digits.
func rawText(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567"
	b := randomBytes(n)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// TestSecretsAreNowhere passes every kind of secret through a server of another process, and then looks for them in its
// memory, its files, its log and in those members of its answers that are public. A description, which is no secret,
// must be found by the same search.
//
// crypto/tls leaves the plaintext of an answer behind where a record outgrows the buffer that it is sealed in, which comes
// and goes with the collector (the listed exception of package frontend). What is found in every one of three servers is
// not that.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	ownServer(t)
	var found map[string]int
	for range 3 {
		if found = secretsFound(t); len(found) == 0 {
			return
		}
	}
	for what, n := range found {
		t.Errorf("%s lies in the server's memory: %d pieces", what, n)
	}
}

// secretsFound does so with one server, and returns the secrets in its memory with how many pieces of each there are.
func secretsFound(t *testing.T) map[string]int {
	dir := t.TempDir()
	now := time.Now()
	authority := enclavetest.NewAuthority(t, now)
	served, err := json.Marshal(childServer{KeyStores: &keystore.Config{
		Clusters: []keystore.ClusterConfig{{ID: clusterID, TrustAnchor: trustAnchor}}, Proxies: []keystore.ProxyConfig{{Endpoint: proxyHost, Path: proxyPath}},
	}, AttestationRoot: authority.RootPEM})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+childServerFile, served, 0o600); err != nil {
		t.Fatal(err)
	}
	enclaveKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &secretive{child: startChildLogging(t, dir, &log), t: t, enclave: enclaveKey}
	defer s.kill()
	document := to(authority.Document(t, now, &s.enclave.PublicKey))
	s.document = func() *types.RecipientInfo { return document }
	s.client = s.KMS()
	description := newNeedle("the description", randomBytes(32))
	if _, err := s.client.CreateKey(t.Context(), &kms.CreateKeyInput{Description: aws.String(string(description.windows[5]) + "…")}); err != nil {
		t.Fatal(err)
	}
	s.symmetric()
	s.pairs()
	s.shared()
	s.imports()
	s.stores()

	h := newHaystack(append([]needle{description}, s.secrets...))
	counts := map[string]int{}
	read, unread := memoryOf(t, s.cmd.Process.Pid, window, func(piece []byte) {
		h.look(piece, func(n, at int) {
			if counts[h.all[n].what]++; n > 0 && counts[h.all[n].what] == 1 {
				t.Logf("%s: %q", h.all[n].what, piece[max(0, at-48):min(len(piece), at+64)])
			}
		})
	})
	t.Logf("%d secrets in %d forms; %d MiB read, %d KiB unreadable", len(s.secrets), len(h.flat), read>>20, unread>>10)
	if counts[description.what] == 0 {
		t.Error("the description is not in the server's memory, so that finding nothing means nothing")
	}
	delete(counts, description.what)
	s.kill()
	files := contents(t, dir)
	files["the answers"], files["the log"] = s.answers.Bytes(), log.Bytes()
	for _, n := range s.secrets {
		if path, ok := n.found(files); ok {
			t.Errorf("%s stands in %s", n.what, path)
		}
	}
	if _, ok := description.found(files); !ok {
		t.Error("the description is not in the files")
	}
	return counts
}
