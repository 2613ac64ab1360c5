package sts

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// idToken is an OpenID Connect ID token taken apart (RFC 7519, RFC 7515 compact form), its signature not yet verified.
type idToken struct {
	algorithm, keyID string
	signed           []byte // header and payload as they were signed
	signature        []byte
	claims           map[string]any
}

// errNotJWT is a text that is no signed JSON Web Token.
var errNotJWT = errors.New("not a signed JSON Web Token")

// parseToken takes a token apart. Its error is errNotJWT.
func parseToken(text string) (*idToken, error) {
	head, rest, ok := strings.Cut(text, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(signature, ".") {
		return nil, errNotJWT
	}
	t := &idToken{signed: []byte(text[:len(head)+1+len(payload)])}
	var header struct {
		Algorithm string   `json:"alg"`
		KeyID     string   `json:"kid"`
		Critical  []string `json:"crit"`
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.Strict().DecodeString(signature); err != nil || len(t.signature) == 0 {
		return nil, errNotJWT
	}
	if !decodePart(head, &header) || header.Critical != nil || !decodePart(payload, &t.claims) || t.claims == nil {
		return nil, errNotJWT
	}
	t.algorithm, t.keyID = header.Algorithm, header.KeyID
	return t, nil
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(into) != nil {
		return false
	}
	_, err = d.Token()
	return err == io.EOF
}

// text is a claim that is a text; empty: there is none.
func (t *idToken) text(name string) string {
	s, _ := t.claims[name].(string)
	return s
}

// seconds is a claim that is a time (RFC 7519, NumericDate); false: there is none.
func (t *idToken) seconds(name string) (int64, bool) {
	n, ok := t.claims[name].(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// claimTexts are the values of a claim as conditions compare them: texts, numbers, booleans and lists of these.
func claimTexts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{fmt.Sprint(v)}
	case []any:
		var out []string
		for _, item := range v {
			if _, nested := item.([]any); !nested {
				out = append(out, claimTexts(item)...)
			}
		}
		return out
	}
	return nil
}

// webKey is a key of a JSON Web Key Set (RFC 7517, RFC 7518 section 6).
type webKey struct {
	Kind  string `json:"kty"`
	Use   string `json:"use"`
	ID    string `json:"kid"`
	Curve string `json:"crv"`
	N     string `json:"n"`
	E     string `json:"e"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// Errors of verify.
var (
	errNoKey     = errors.New("no key of the issuer's is the token's")
	errSignature = errors.New("the signature is not the issuer's")
)

// verify holds the signature against the issuer's keys. Errors: errNoKey, errSignature.
func (t *idToken) verify(set []byte) error {
	var keys struct {
		Keys []webKey `json:"keys"`
	}
	if json.Unmarshal(set, &keys) != nil {
		return errNoKey
	}
	err := errNoKey
	for i := range keys.Keys {
		k := &keys.Keys[i]
		if k.Use != "" && k.Use != "sig" || t.keyID != "" && k.ID != "" && k.ID != t.keyID {
			continue
		}
		public := k.public()
		if public == nil {
			continue
		}
		switch ok, fits := t.signedBy(public); {
		case ok:
			return nil
		case fits:
			err = errSignature
		}
	}
	return err
}

// signedBy verifies by one key; fits is false where the key is not one for the algorithm.
func (t *idToken) signedBy(public crypto.PublicKey) (ok, fits bool) {
	digest := sha256.Sum256(t.signed)
	switch k := public.(type) {
	case *rsa.PublicKey:
		if t.algorithm != "RS256" {
			return false, false
		}
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], t.signature) == nil, true
	case *ecdsa.PublicKey:
		if t.algorithm != "ES256" {
			return false, false
		}
		if len(t.signature) != 64 {
			return false, true
		}
		r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
		return ecdsa.Verify(k, digest[:], r, s), true
	}
	return false, false
}

// public is the key; nil: it is of a kind that is not taken, or malformed.
func (k *webKey) public() crypto.PublicKey {
	part := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return nil
		}
		return b
	}
	switch k.Kind {
	case "RSA":
		n, e := new(big.Int).SetBytes(part(k.N)), new(big.Int).SetBytes(part(k.E))
		if n.BitLen() < 2048 || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}
	case "EC":
		x, y := part(k.X), part(k.Y)
		if k.Curve != "P-256" || len(x) != 32 || len(y) != 32 {
			return nil
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil
		}
		return public
	}
	return nil
}
