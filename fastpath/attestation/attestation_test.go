package attestation_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"trent/fastpath/attestation"
	"trent/fastpath/attestation/enclavetest"
)

// recipient is a key for documents, made once.
var recipient = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newVerifier(t testing.TB, a *enclavetest.Authority) *attestation.Verifier {
	t.Helper()
	v, err := attestation.New(a.RootPEM)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDocument(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := enclavetest.NewAuthority(t, now)
	v := newVerifier(t, a)
	document := a.Document(t, now, &recipient().PublicKey)
	for name, b := range map[string][]byte{"untagged": document, "tagged": append([]byte{0xd2}, document...)} {
		d, err := v.Verify(b, now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := x509.MarshalPKIXPublicKey(&recipient().PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.PublicKey, want) || d.NitroTPM || d.UserData != nil || d.Nonce != nil ||
			d.ModuleID != "i-0123456789abcdef0-enc0123456789abcdef0" || d.Timestamp.UnixMilli() != now.UnixMilli() {
			t.Errorf("%s: %+v", name, d)
		}
		if len(d.PCRs) != 5 || !bytes.Equal(d.PCRs[4], bytes.Repeat([]byte{4}, 48)) {
			t.Errorf("%s: PCRs %v", name, d.PCRs)
		}
	}
	p := a.Payload(t, now, &recipient().PublicKey)
	p["user_data"], p["nonce"] = []byte{}, bytes.Repeat([]byte{9}, 512)
	p["nitrotpm_pcrs"] = map[int]any{0: make([]byte, 32), 31: make([]byte, 64)}
	delete(p, "pcrs")
	d, err := v.Verify(a.Sign(t, p), now)
	if err != nil || !d.NitroTPM || d.UserData == nil || len(d.UserData) != 0 || len(d.Nonce) != 512 || len(d.PCRs[31]) != 64 {
		t.Errorf("NitroTPM: %+v, %v", d, err)
	}
}

// TestMalformed are documents that are properly signed and yet none.
func TestMalformed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := enclavetest.NewAuthority(t, now)
	v := newVerifier(t, a)
	full := map[int]any{}
	for i := range 33 {
		full[i] = make([]byte, 48)
	}
	for name, change := range map[string]func(p map[string]any){
		"without module_id":        func(p map[string]any) { delete(p, "module_id") },
		"empty module_id":          func(p map[string]any) { p["module_id"] = "" },
		"module_id as bytes":       func(p map[string]any) { p["module_id"] = []byte("x") },
		"module_id null":           func(p map[string]any) { p["module_id"] = nil },
		"without digest":           func(p map[string]any) { delete(p, "digest") },
		"digest SHA256":            func(p map[string]any) { p["digest"] = "SHA256" },
		"without timestamp":        func(p map[string]any) { delete(p, "timestamp") },
		"timestamp 0":              func(p map[string]any) { p["timestamp"] = 0 },
		"timestamp negative":       func(p map[string]any) { p["timestamp"] = -1 },
		"timestamp a float":        func(p map[string]any) { p["timestamp"] = 1.5 },
		"timestamp text":           func(p map[string]any) { p["timestamp"] = "1" },
		"without pcrs":             func(p map[string]any) { delete(p, "pcrs") },
		"both kinds of pcrs":       func(p map[string]any) { p["nitrotpm_pcrs"] = p["pcrs"] },
		"no pcr":                   func(p map[string]any) { p["pcrs"] = map[int]any{} },
		"pcrs an array":            func(p map[string]any) { p["pcrs"] = []any{make([]byte, 48)} },
		"33 pcrs":                  func(p map[string]any) { p["pcrs"] = full },
		"pcr 32":                   func(p map[string]any) { p["pcrs"] = map[int]any{32: make([]byte, 48)} },
		"pcr -1":                   func(p map[string]any) { p["pcrs"] = map[int]any{-1: make([]byte, 48)} },
		"pcr by text":              func(p map[string]any) { p["pcrs"] = map[string]any{"0": make([]byte, 48)} },
		"pcr of 47 bytes":          func(p map[string]any) { p["pcrs"] = map[int]any{0: make([]byte, 47)} },
		"pcr of 0 bytes":           func(p map[string]any) { p["pcrs"] = map[int]any{0: []byte{}} },
		"pcr null":                 func(p map[string]any) { p["pcrs"] = map[int]any{0: nil} },
		"pcr text":                 func(p map[string]any) { p["pcrs"] = map[int]any{0: string(make([]byte, 48))} },
		"without certificate":      func(p map[string]any) { delete(p, "certificate") },
		"certificate of 0 bytes":   func(p map[string]any) { p["certificate"] = []byte{} },
		"certificate junk":         func(p map[string]any) { p["certificate"] = []byte("junk") },
		"certificate too long":     func(p map[string]any) { p["certificate"] = make([]byte, 1025) },
		"without cabundle":         func(p map[string]any) { delete(p, "cabundle") },
		"empty cabundle":           func(p map[string]any) { p["cabundle"] = []any{} },
		"cabundle with empty":      func(p map[string]any) { p["cabundle"] = []any{a.Bundle[0], []byte{}} },
		"cabundle with junk":       func(p map[string]any) { p["cabundle"] = []any{a.Bundle[0], []byte("junk")} },
		"cabundle too long":        func(p map[string]any) { p["cabundle"] = []any{make([]byte, 1025)} },
		"cabundle of many":         func(p map[string]any) { p["cabundle"] = bytes.Split(make([]byte, 16), nil) },
		"public_key of 0 bytes":    func(p map[string]any) { p["public_key"] = []byte{} },
		"public_key of 1025 bytes": func(p map[string]any) { p["public_key"] = make([]byte, 1025) },
		"public_key text":          func(p map[string]any) { p["public_key"] = "x" },
		"user_data of 513 bytes":   func(p map[string]any) { p["user_data"] = make([]byte, 513) },
		"nonce of 513 bytes":       func(p map[string]any) { p["nonce"] = make([]byte, 513) },
		"nonce an array":           func(p map[string]any) { p["nonce"] = []int{1, 2} },
		"another member":           func(p map[string]any) { p["extra"] = 1 },
		"another case":             func(p map[string]any) { p["Nonce"] = []byte{1} },
		"a tag":                    func(p map[string]any) { p["nonce"] = cbor.Tag{Number: 24, Content: []byte{1}} },
	} {
		p := a.Payload(t, now, &recipient().PublicKey)
		change(p)
		if _, err := v.Verify(a.Sign(t, p), now); !errors.Is(err, attestation.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMalformedEnvelopes are wrong around the payload.
func TestMalformedEnvelopes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := enclavetest.NewAuthority(t, now)
	v := newVerifier(t, a)
	document := a.Document(t, now, &recipient().PublicKey)
	var parts []cbor.RawMessage
	if err := cbor.Unmarshal(document, &parts); err != nil || len(parts) != 4 {
		t.Fatal(err)
	}
	raw := func(v any) cbor.RawMessage {
		b, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	with := func(i int, part any) []byte {
		changed := append([]cbor.RawMessage(nil), parts...)
		changed[i] = raw(part)
		return raw(changed)
	}
	twice := append([]byte{0xa2}, append(raw("digest"), append(raw("SHA384"), append(raw("digest"), raw("SHA384")...)...)...)...)
	for name, b := range map[string][]byte{
		"empty": {}, "junk": []byte("junk"), "a tag alone": {0xd2}, "another tag": append([]byte{0xd1}, document...),
		"cut off": document[:len(document)-1], "with a byte more": append(bytes.Clone(document), 0),
		"three parts": raw(parts[:3]), "five parts": raw(append(append([]cbor.RawMessage(nil), parts...), raw(1))),
		"a map": raw(map[int]int{1: 2}), "null": raw(nil),
		"ES256": with(0, []byte(raw(map[int]int{1: -7}))), "without algorithm": with(0, []byte(raw(map[int]int{}))),
		"another header": with(0, []byte(raw(map[int]int{1: -35, 3: 0}))), "a header that is no map": with(0, []byte{0x01}),
		"a header as text": with(0, "x"), "an empty header": with(0, []byte{}),
		"an unprotected header": with(1, map[int]int{1: -35}), "unprotected null": with(1, nil),
		"no payload": with(2, nil), "an empty payload": with(2, []byte{}), "payload as text": with(2, "x"),
		"too long a payload": with(2, make([]byte, 16<<10+1)), "payload junk": with(2, []byte{0xff}), "a member twice": with(2, twice),
		"no signature": with(3, nil), "a short signature": with(3, make([]byte, 95)), "a long signature": with(3, make([]byte, 97)),
	} {
		if _, err := v.Verify(b, now); !errors.Is(err, attestation.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUntrusted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, other := enclavetest.NewAuthority(t, now), enclavetest.NewAuthority(t, now)
	v := newVerifier(t, a)
	right := a.Payload(t, now, &recipient().PublicKey)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(member string, value any) []byte {
		p := maps.Clone(right)
		p[member] = value
		return a.Sign(t, p)
	}
	certify := func(change func(*x509.Certificate)) []byte { return a.Certify(t, now, &a.Key.PublicKey, change) }
	altered := a.Sign(t, right)
	altered[len(altered)-1] ^= 1
	payload := a.Sign(t, right)
	at := bytes.Index(payload, []byte("module_id"))
	payload[at+len("module_id")+4] ^= 1
	for name, c := range map[string]struct {
		document []byte
		want     error
	}{
		"another root":         {other.Document(t, now, &recipient().PublicKey), attestation.ErrUntrusted},
		"without intermediate": {with("cabundle", [][]byte{a.Bundle[0]}), attestation.ErrUntrusted},
		"a bundle of another":  {with("cabundle", other.Bundle), attestation.ErrUntrusted},
		"the root itself":      {with("certificate", a.Bundle[0]), attestation.ErrUntrusted},
		"a certificate that is a CA": {with("certificate", certify(func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign
		})), attestation.ErrUntrusted},
		"not for signatures":   {with("certificate", certify(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })), attestation.ErrUntrusted},
		"an altered signature": {altered, attestation.ErrSignature},
		"an altered payload":   {payload, attestation.ErrSignature},
		"another's signature":  {other.Sign(t, right), attestation.ErrSignature},
		"a key of P-256":       {with("certificate", a.Certify(t, now, &p256.PublicKey, nil)), attestation.ErrSignature},
		"expired":              {with("certificate", certify(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) })), attestation.ErrExpired},
		"not valid yet":        {with("certificate", certify(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) })), attestation.ErrExpired},
	} {
		if _, err := v.Verify(c.document, now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, at := range []time.Time{now.Add(2 * time.Hour), now.Add(-2 * time.Hour)} {
		if _, err := v.Verify(a.Sign(t, right), at); !errors.Is(err, attestation.ErrExpired) {
			t.Errorf("at %v: %v", at, err)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := enclavetest.NewAuthority(t, now)
	v := newVerifier(t, a)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	shortSPKI, err := x509.MarshalPKIXPublicKey(&short.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ecc, err := x509.MarshalPKIXPublicKey(&a.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	spki := func(change func(*rsa.PublicKey)) []byte {
		t.Helper()
		key := recipient().PublicKey
		change(&key)
		der, err := x509.MarshalPKIXPublicKey(&key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for name, key := range map[string]any{
		"of exponent 1":   spki(func(k *rsa.PublicKey) { k.E = 1 }),
		"of exponent 4":   spki(func(k *rsa.PublicKey) { k.E = 4 }),
		"of even modulus": spki(func(k *rsa.PublicKey) { k.N = new(big.Int).Lsh(k.N, 1) }),
		"negative":        spki(func(k *rsa.PublicKey) { k.N = new(big.Int).Neg(k.N) }),
		"none":            nil, "junk": []byte("junk"), "of 1024 bits": shortSPKI, "of ECC": ecc,
		"PKCS #1": x509.MarshalPKCS1PublicKey(&recipient().PublicKey),
	} {
		p := a.Payload(t, now, nil)
		p["public_key"] = key
		if _, err := v.Verify(a.Sign(t, p), now); !errors.Is(err, attestation.ErrPublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNitroRoot: the certificate in the binary is the one whose fingerprint AWS publishes.
func TestNitroRoot(t *testing.T) {
	t.Parallel()
	block, rest := pem.Decode(attestation.NitroRoot)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Fatal("not one PEM block")
	}
	sum := sha256.Sum256(block.Bytes)
	if got := hex.EncodeToString(sum[:]); got != "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b" {
		t.Errorf("fingerprint %s", got)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || root.Subject.CommonName != "aws.nitro-enclaves" {
		t.Errorf("%v, %v", root, err)
	}
	if _, err := attestation.New(attestation.NitroRoot); err != nil {
		t.Error(err)
	}
	for _, none := range [][]byte{nil, []byte("junk"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})} {
		if _, err := attestation.New(none); err == nil {
			t.Errorf("%q: accepted as a root", none)
		}
	}
}
