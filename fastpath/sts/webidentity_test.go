package sts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"trent/fastpath/servertest"
)

// issuer is an OpenID Connect provider of the test's.
type issuer struct {
	key  *ecdsa.PrivateKey
	jwks string
}

const issuerURL = "https://token.example.com/ci"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return &issuer{key, `{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"one","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}]}`}
}

// token signs claims by ES256.
func (i *issuer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := b64([]byte(`{"alg":"ES256","kid":"one","typ":"JWT"}`)) + "." + b64(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64(signature[:])
}

func claims(edit func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": issuerURL, "sub": "repo:team/app:ref:main", "aud": "sts.amazonaws.com",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "repository": "team/app",
	}
	if edit != nil {
		edit(c)
	}
	return c
}

func startWebIdentity(t *testing.T) (*servertest.Server, *issuer) {
	t.Helper()
	i := newIssuer(t)
	text := `
accounts:
- id: "111122223333"
  oidc_providers:
  - url: ` + issuerURL + `
    client_ids: [sts.amazonaws.com]
    keys: '` + i.jwks + `'
  roles:
  - name: ci
    trust_policy:
      Version: "2012-10-17"
      Statement:
      - Effect: Allow
        Principal: {Federated: "arn:aws:iam::111122223333:oidc-provider/token.example.com/ci"}
        Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
        Condition:
          StringEquals: {"token.example.com/ci:aud": "sts.amazonaws.com"}
          StringLike: {"token.example.com/ci:sub": "repo:team/*"}
    policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]
  - name: other
    trust_policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "sts:*"}]}
`
	return servertest.Start(t, servertest.Options{Identities: identities(t, text)}), i
}

// An SDK's profile with web_identity_token_file works as it is.
func TestProfileWithAWebIdentity(t *testing.T) {
	t.Parallel()
	s, i := startWebIdentity(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(i.token(t, claims(nil))), 0o600); err != nil {
		t.Fatal(err)
	}
	c := profiles(t, s, `
[profile ci]
region = us-east-1
role_arn = arn:aws:iam::111122223333:role/ci
role_session_name = build-7
web_identity_token_file = `+file+"\n", "", "ci")
	if _, err := kms.NewFromConfig(c).CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::111122223333:assumed-role/ci/build-7" {
		t.Errorf("%v, %v", who, err)
	}
}

func TestWebIdentities(t *testing.T) {
	t.Parallel()
	s, i := startWebIdentity(t)
	stranger := newIssuer(t)
	with := func(name string, v any) map[string]any { return claims(func(c map[string]any) { c[name] = v }) }
	good := i.token(t, claims(nil))
	part := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + part[1] + "."
	hs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"one"}`)) + "." + part[1] + "." + part[2]
	for name, c := range map[string]struct{ token, role, code, text string }{
		"good":              {good, "ci", "", ""},
		"other role":        {good, "other", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"no role":           {good, "none", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"other subject":     {i.token(t, with("sub", "repo:else/x")), "ci", "AccessDenied", "Not authorized to perform"},
		"audiences":         {i.token(t, with("aud", []string{"x", "sts.amazonaws.com"})), "ci", "", ""},
		"other audience":    {i.token(t, with("aud", "x")), "ci", "InvalidIdentityToken", "Incorrect token audience"},
		"authorized party":  {i.token(t, with("azp", "x")), "ci", "InvalidIdentityToken", "Incorrect token audience"},
		"no audience":       {i.token(t, with("aud", nil)), "ci", "InvalidIdentityToken", "Missing a required claim: aud"},
		"no subject":        {i.token(t, with("sub", nil)), "ci", "InvalidIdentityToken", "Missing a required claim: sub"},
		"no end":            {i.token(t, with("exp", nil)), "ci", "InvalidIdentityToken", "Missing a required claim: exp"},
		"over":              {i.token(t, with("exp", time.Now().Add(-time.Minute).Unix())), "ci", "ExpiredTokenException", "Token expired: current date/time"},
		"not begun":         {i.token(t, with("nbf", time.Now().Add(time.Hour).Unix())), "ci", "InvalidIdentityToken", "not yet valid"},
		"other issuer":      {i.token(t, with("iss", "https://else.example.com")), "ci", "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://else.example.com"},
		"stranger's key":    {stranger.token(t, claims(nil)), "ci", "InvalidIdentityToken", "signature"},
		"no signature":      {none, "ci", "InvalidIdentityToken", "not a valid JWT"},
		"by a shared key":   {hs, "ci", "InvalidIdentityToken", "verification key"},
		"altered":           {part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+issuerURL+`","sub":"repo:team/x"}`)) + "." + part[2], "ci", "InvalidIdentityToken", "signature"},
		"no token":          {"abcdef", "ci", "InvalidIdentityToken", "not a valid JWT"},
		"tags":              {i.token(t, with("https://aws.amazon.com/tags", map[string]any{"principal_tags": map[string]any{"a": []string{"1"}}, "transitive_tag_keys": []string{"a"}})), "ci", "", ""},
		"tags of two":       {i.token(t, with("https://aws.amazon.com/tags", map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}})), "ci", "IDPRejectedClaim", "tag"},
		"a source identity": {i.token(t, with("https://aws.amazon.com/source_identity", "me")), "ci", "AccessDenied", "Not authorized to perform sts:SetSourceIdentity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := s.Config()
			config.Credentials = aws.AnonymousCredentials{}
			out, err := sts.NewFromConfig(config).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String("arn:aws:iam::111122223333:role/" + c.role), RoleSessionName: aws.String("build"), WebIdentityToken: &c.token,
			})
			if c.code != "" {
				wantCode(t, err, c.code, c.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if *out.SubjectFromWebIdentityToken != "repo:team/app:ref:main" || *out.Audience != "sts.amazonaws.com" || *out.Provider != "arn:aws:iam::111122223333:oidc-provider/token.example.com/ci" {
				t.Errorf("%s, %s, %s", *out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider)
			}
			if err := describe(t, session(s, out.Credentials)); err != nil {
				t.Error(err)
			}
		})
	}
}
