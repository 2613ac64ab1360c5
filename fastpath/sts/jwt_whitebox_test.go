package sts

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"trent/fastpath/identity"
)

// RS256 by the example of RFC 7515, appendix A.2, whose payload is no OpenID Connect token.
const (
	rfcToken = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4" +
		"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv" +
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfcKeys = `{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR` +
		`T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV` +
		`MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}`
)

func TestRS256(t *testing.T) {
	t.Parallel()
	token, err := parseToken(rfcToken)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.verify([]byte(rfcKeys)); err != nil {
		t.Error(err)
	}
	if ends, ok := token.seconds("exp"); !ok || ends != 1300819380 {
		t.Errorf("exp is %d", ends)
	}
	token.signature[10] ^= 1
	if err := token.verify([]byte(rfcKeys)); !errors.Is(err, errSignature) {
		t.Errorf("altered: %v", err)
	}
	if err := token.verify([]byte(`{"keys":[]}`)); !errors.Is(err, errNoKey) {
		t.Errorf("no keys: %v", err)
	}
}

// Keys that are too small, of another kind or another use verify nothing.
func TestKeysThatAreNotTaken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64([]byte(`{"iss":"x"}`))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	token, err := parseToken(signed + "." + b64(signature))
	if err != nil {
		t.Fatal(err)
	}
	n, e := b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	set := func(edit func(*webKey)) []byte {
		k := webKey{Kind: "RSA", Use: "sig", ID: "k", N: n, E: e}
		edit(&k)
		b, err := json.Marshal(map[string]any{"keys": []webKey{k}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := token.verify(set(func(*webKey) {})); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*webKey){
		"for encryption": func(k *webKey) { k.Use = "enc" },
		"another id":     func(k *webKey) { k.ID = "other" },
		"a shared key":   func(k *webKey) { k.Kind = "oct" },
		"small":          func(k *webKey) { k.N = k.N[:100] },
		"even exponent":  func(k *webKey) { k.E = "Ag" },
	} {
		if err := token.verify(set(edit)); !errors.Is(err, errNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(rfcToken)
	f.Add("e30.e30.AA")
	f.Add("..")
	f.Add("e30.bnVsbA.AA")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseToken(text)
		if err != nil {
			if !errors.Is(err, errNotJWT) {
				t.Fatal(err)
			}
			return
		}
		_, _ = token.seconds("exp")
		for _, v := range token.claims {
			_ = claimTexts(v)
		}
		if err := token.verify([]byte(rfcKeys)); err == nil && text != rfcToken {
			t.Errorf("verified %q", text)
		}
	})
}

func TestAccessKeyIDsTellTheirAccount(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"000000000000", "111122223333", "999999999999"} {
		id, secret := identity.NewAccessKey(identity.TemporaryKey, account)
		if got, ok := accountOf(id); !ok || got != account || len(id) != keyLength || len(secret) != 40 {
			t.Errorf("%s is of %s, made for %s; the secret has %d characters", id, got, account, len(secret))
		}
	}
	// An id that has been published with its account.
	if got, ok := accountOf("ASIAQNZGKIQY56JQ7WML"); !ok || got != "029608264753" {
		t.Errorf("got %s, %v", got, ok)
	}
	for _, id := range []string{"", "test", "AKIAIOSFODNN7EXAMPLE", "ASIA0000000000000000", "AROAQNZGKIQY56JQ7WML"} {
		if got, ok := accountOf(id); ok {
			t.Errorf("%s is of %s", id, got)
		}
	}
}
