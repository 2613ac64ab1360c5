package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"trent/fastpath/sigv4"
)

var now = time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)

const (
	longTerm  = "AKIALONGTERM"
	temporary = "ASIATEMPORARY"
	past      = "ASIAPAST"
)

var directory = credentials{
	longTerm:  {AccessKeyID: longTerm, Secret: []byte("a secret")},
	temporary: {AccessKeyID: temporary, Secret: []byte("another secret"), SessionToken: "the+token=", Expires: now.Add(time.Hour)},
	past:      {AccessKeyID: past, Secret: []byte("a third secret"), SessionToken: "old", Expires: now},
}

func kmsVerifier() *sigv4.Verifier {
	return sigv4.New(sigv4.Options{
		Credentials: directory,
		RegionOK:    func(region []byte) bool { return string(region) == "us-east-1" || string(region) == "eu-west-3" },
		HostRegion: func(host []byte) ([]byte, bool) {
			rest, ok := bytes.CutPrefix(host, []byte("kms."))
			if !ok {
				return nil, false
			}
			return bytes.CutSuffix(rest, []byte(".amazonaws.com"))
		},
	})
}

// order is what a test asks to be signed.
type order struct {
	keyID, secret, token string
	region, service      string
	host, target, body   string
	at                   time.Time
	headers              http.Header
}

func (o order) withDefaults() order {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&o.keyID, longTerm)
	if c := directory[o.keyID]; c != nil {
		set(&o.secret, string(c.Secret))
	}
	set(&o.secret, "unknown")
	set(&o.region, "us-east-1")
	set(&o.service, "kms")
	set(&o.host, "localhost:8443")
	set(&o.target, "/")
	set(&o.body, `{"KeyId":"alias/a"}`)
	if o.at.IsZero() {
		o.at = now
	}
	return o
}

// request makes the unsigned request, as an SDK does for KMS.
func (o order) request(t testing.TB) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://"+o.host+o.target, strings.NewReader(o.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	for name, values := range o.headers {
		r.Header[name] = values
	}
	return r
}

func (o order) credential() aws.Credentials {
	return aws.Credentials{AccessKeyID: o.keyID, SecretAccessKey: o.secret, SessionToken: o.token}
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// signed is a request in the header form, signed by aws-sdk-go-v2.
func (o order) signed(t testing.TB) *sigv4.Request {
	t.Helper()
	o = o.withDefaults()
	r := o.request(t)
	if err := v4.NewSigner().SignHTTP(context.Background(), o.credential(), r, hashOf(o.body), o.service, o.region, o.at); err != nil {
		t.Fatal(err)
	}
	return received(r, r.URL, o.body)
}

// presigned is a request in the query form, signed by aws-sdk-go-v2.
func (o order) presigned(t testing.TB, expires string) *sigv4.Request {
	t.Helper()
	o = o.withDefaults()
	r := o.request(t)
	if expires != "" {
		query := r.URL.Query()
		query.Set("X-Amz-Expires", expires)
		r.URL.RawQuery = query.Encode()
	}
	uri, headers, err := v4.NewSigner().PresignHTTP(context.Background(), o.credential(), r, hashOf(o.body), o.service, o.region, o.at)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = headers
	return received(r, u, o.body)
}

// received is a request as a server gets it.
func received(r *http.Request, u *url.URL, body string) *sigv4.Request {
	var block bytes.Buffer
	if r.Header.Get("Host") == "" {
		block.WriteString("Host: " + r.URL.Host + "\r\n")
	}
	if r.Header.Get("Content-Length") == "" && len(body) > 0 {
		block.WriteString("Content-Length: " + lengthOf(body) + "\r\n")
	}
	for name, values := range r.Header {
		for _, value := range values {
			block.WriteString(name + ": " + value + "\r\n")
		}
	}
	block.WriteString("\r\n")
	return &sigv4.Request{
		Method: []byte(r.Method), Path: []byte(u.EscapedPath()), RawQuery: []byte(u.RawQuery),
		RawHeaders: block.Bytes(), Body: []byte(body),
	}
}

// edit changes a signed request's header block by replacing strings pairwise.
func edit(r *sigv4.Request, oldNew ...string) *sigv4.Request {
	r.RawHeaders = []byte(strings.NewReplacer(oldNew...).Replace(string(r.RawHeaders)))
	return r
}

// without drops the header lines that begin with a name.
func without(r *sigv4.Request, name string) *sigv4.Request {
	var kept []string
	for _, line := range strings.SplitAfter(string(r.RawHeaders), "\r\n") {
		if !strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":") {
			kept = append(kept, line)
		}
	}
	r.RawHeaders = []byte(strings.Join(kept, ""))
	return r
}

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		request   *sigv4.Request
		region    string
		presigned bool
	}{
		{"long-term key", order{}.signed(t), "us-east-1", false},
		{"another Region on a free host", order{region: "eu-west-3"}.signed(t), "eu-west-3", false},
		{"a host that fixes the Region", order{host: "kms.eu-west-3.amazonaws.com", region: "eu-west-3"}.signed(t), "eu-west-3", false},
		{"session token", order{keyID: temporary, token: "the+token="}.signed(t), "us-east-1", false},
		{"five minutes late", order{at: now.Add(-5 * time.Minute)}.signed(t), "us-east-1", false},
		{"five minutes early", order{at: now.Add(5 * time.Minute)}.signed(t), "us-east-1", false},
		{"empty body", order{body: " "}.signed(t), "us-east-1", false},
		{"names as SDKs in other languages write them", edit(order{}.signed(t),
			"X-Amz-Date", "x-AMZ-date", "Host:", "HOST:", ", Signature", ",Signature", "Credential=", "  Credential="), "us-east-1", false},
		{"unsorted and upper case SignedHeaders", edit(order{}.signed(t),
			"content-length;content-type;host;x-amz-date;x-amz-target", "Host;x-amz-target;content-type;X-Amz-Date;content-length"), "us-east-1", false},
		{"presigned", order{}.presigned(t, "60"), "us-east-1", true},
		{"presigned long ago", order{at: now.Add(-24 * time.Hour)}.presigned(t, "86400"), "us-east-1", true},
		{"presigned without an end", order{at: now.Add(-5 * time.Minute)}.presigned(t, ""), "us-east-1", true},
		{"presigned with a token", order{keyID: temporary, token: "the+token="}.presigned(t, "900"), "us-east-1", true},
	}
	v := kmsVerifier()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out sigv4.Verified
			if err := out.Scan(tt.request.RawHeaders); err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(now, tt.request, &out); err != nil {
				t.Fatalf("%v\n%s", err, tt.request.RawHeaders)
			}
			if out.Credential == nil || string(out.Region) != tt.region || string(out.Service) != "kms" || out.Presigned != tt.presigned {
				t.Errorf("credential %v, region %q, service %q, presigned %v", out.Credential, out.Region, out.Service, out.Presigned)
			}
		})
	}
}

// TestDateHeader signs without X-Amz-Date, which no SDK does: the string to sign has the Date header's time.
func TestDateHeader(t *testing.T) {
	t.Parallel()
	r := request("GET", "/", "Host:example.amazonaws.com\nDate:Sun, 30 Aug 2015 12:36:00 GMT\nAuthorization: AWS4-HMAC-SHA256 Credential="+
		suiteScope+", SignedHeaders=date;host, Signature=ae5dcd2ddb2fe9c93b39bb4a7bd92da31d8a74d15eebff7ccb8a12dc01cc9d8f", "")
	var out sigv4.Verified
	var refused *sigv4.Error
	err := suiteVerifier().Verify(suiteTime, r, &out)
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Message, "The request signature we calculated") {
		t.Fatalf("got %v, want the date accepted and the signature refused", err)
	}
	err = suiteVerifier().Verify(suiteTime.Add(time.Hour), r, &out)
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Message, "Signature expired: 20150830T123600Z is now earlier") {
		t.Fatalf("got %v, want it too old", err)
	}
}

const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func TestRefusals(t *testing.T) {
	t.Parallel()
	const invalidToken = "The security token included in the request is invalid."
	tests := []struct {
		name          string
		request       *sigv4.Request
		code, message string
	}{
		{"nothing", without(order{}.signed(t), "authorization"), "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"another scheme", request("POST", "/", "Host: a\nAuthorization: Bearer x", ""), "IncompleteSignatureException",
			"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
				"Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " +
				"Authorization=Bearer x"},
		{"no signature", request("POST", "/", "Host: a\nX-Amz-Date: 20261124T103000Z\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host", ""),
			"IncompleteSignatureException", "Authorization header requires 'Signature' parameter. " +
				"Authorization=AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host"},
		{"no date", without(order{}.signed(t), "x-amz-date"), "IncompleteSignatureException", "Authorization header requires existence of either"},
		{"not a pair", request("POST", "/", "Host: a\nAuthorization: AWS4-HMAC-SHA256 Credential", ""), "IncompleteSignatureException",
			"'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Credential'."},
		{"four elements", edit(order{}.signed(t), "/kms/aws4_request", "/aws4_request"), "IncompleteSignatureException",
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIALONGTERM/20261124/us-east-1/aws4_request'"},
		{"six elements", edit(order{}.signed(t), "aws4_request", "aws4_request/x"), "IncompleteSignatureException", "Credential must have exactly 5"},
		{"date in another format", edit(order{}.signed(t), "20261124T103000Z", "2026-11-24T10:30:00Z"), "IncompleteSignatureException",
			"Date must be in ISO-8601 'basic format'. Got '2026-11-24T10:30:00Z'."},
		{"date that does not exist", edit(order{}.signed(t), "20261124T103000Z", "20260230T103000Z"), "IncompleteSignatureException", "Date must be"},
		{"unknown key", order{keyID: "AKIAUNKNOWN"}.signed(t), "UnrecognizedClientException", invalidToken},
		{"token missing", order{keyID: temporary}.signed(t), "UnrecognizedClientException", invalidToken},
		{"token wrong", order{keyID: temporary, token: "the+token-"}.signed(t), "UnrecognizedClientException", invalidToken},
		{"token with a long-term key", order{token: "x"}.signed(t), "UnrecognizedClientException", invalidToken},
		{"session over", order{keyID: past, token: "old"}.signed(t), "ExpiredTokenException", "The security token included in the request is expired"},
		{"too old", order{at: now.Add(-301 * time.Second)}.signed(t), "InvalidSignatureException",
			"Signature expired: 20261124T102459Z is now earlier than 20261124T102500Z (20261124T103000Z - 5 min.)"},
		{"in the future", order{at: now.Add(301 * time.Second)}.signed(t), "InvalidSignatureException",
			"Signature not yet current: 20261124T103501Z is still later than 20261124T103500Z (20261124T103000Z + 5 min.)"},
		{"scope of another day", edit(order{}.signed(t), "/20261124/", "/20261123/"), "InvalidSignatureException",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261123' != '20261124', from '20261124T103000Z'."},
		{"a Region that is not served", order{region: "mars-1"}.signed(t), "InvalidSignatureException", "Credential should be scoped to a valid region. "},
		{"another Region than the host's", order{host: "kms.us-east-1.amazonaws.com", region: "eu-west-3"}.signed(t), "InvalidSignatureException",
			"Credential should be scoped to a valid region. "},
		{"another service", order{service: "sts"}.signed(t), "InvalidSignatureException", "Credential should be scoped to correct service: 'kms'. "},
		{"another terminator", edit(order{}.signed(t), "aws4_request", "aws5_request"), "InvalidSignatureException",
			"Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"host not signed", edit(order{}.signed(t), ";host", ""), "InvalidSignatureException",
			"'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"target not signed", edit(order{}.signed(t), ";x-amz-target", ""), "InvalidSignatureException",
			"'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."},
		{"header added on the way", edit(order{}.signed(t), "X-Amz-Date:", "X-Amz-Other: 1\r\nX-Amz-Date:"), "InvalidSignatureException",
			"'x-amz-other' must be a 'SignedHeader' in the AWS Authorization."},
		{"signed header taken away", without(order{}.signed(t), "content-type"), "InvalidSignatureException", mismatch},
		{"wrong secret", order{secret: "not the secret"}.signed(t), "InvalidSignatureException", mismatch},
		{"signature in upper case", func() *sigv4.Request {
			r := order{}.signed(t)
			head, signature, _ := strings.Cut(string(r.RawHeaders), "Signature=")
			hexadecimal, rest, _ := strings.Cut(signature, "\r\n")
			r.RawHeaders = []byte(head + "Signature=" + strings.ToUpper(hexadecimal) + "\r\n" + rest)
			return r
		}(), "InvalidSignatureException", mismatch},
		{"signature cut short", func() *sigv4.Request {
			r := order{}.signed(t)
			i := bytes.Index(r.RawHeaders, []byte("Signature="))
			r.RawHeaders = append(r.RawHeaders[:i+20:i+20], r.RawHeaders[i+74:]...)
			return r
		}(), "InvalidSignatureException", mismatch},
		{"payload said to be unsigned", edit(order{headers: http.Header{"X-Amz-Content-Sha256": {hashOf("other")}}}.signed(t),
			hashOf("other"), "UNSIGNED-PAYLOAD"), "InvalidSignatureException", mismatch},
		{"presigned, over", order{at: now.Add(-61 * time.Second)}.presigned(t, "60"), "InvalidSignatureException",
			"Signature expired: 20261124T102859Z is now earlier than 20261124T102900Z (20261124T103000Z - 1 min.)"},
		{"presigned, for too long", order{}.presigned(t, "604801"), "IncompleteSignatureException", "X-Amz-Expires must be a number of seconds from 1 to 604800, got '604801'."},
		{"presigned, for no time", order{}.presigned(t, "0"), "IncompleteSignatureException", "X-Amz-Expires must be"},
		{"presigned, incomplete", request("POST", "/?X-Amz-Signature=00&X-Amz-Date=20261124T103000Z", "Host: a", ""), "IncompleteSignatureException",
			"AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include 'X-Amz-Credential'. " +
				"AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."},
		{"presigned, another algorithm", request("POST", "/?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=a&X-Amz-Signature=00&X-Amz-Date=20261124T103000Z&X-Amz-SignedHeaders=host", "Host: a", ""),
			"IncompleteSignatureException", "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."},
		{"too many headers", request("POST", "/", strings.Repeat("A: b\n", 64)+"A: b", ""), "MalformedHttpRequestException", "The request has more than 64 headers."},
		{"no header", request("POST", "/", "A: b\nnonsense", ""), "MalformedHttpRequestException", "The request's header block is malformed."},
		{"space before the colon", request("POST", "/", "A : b", ""), "MalformedHttpRequestException", "The request's header block is malformed."},
		{"continued before it began", request("POST", "/", " a: b", ""), "MalformedHttpRequestException", "The request's header block is malformed."},
		{"too many parameters", func() *sigv4.Request {
			r := order{}.signed(t)
			r.RawQuery = []byte(strings.Repeat("a=b&", 33))
			return r
		}(), "MalformedHttpRequestException", "The request has more than 32 query parameters."},
	}
	v := kmsVerifier()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out sigv4.Verified
			err := v.Verify(now, tt.request, &out)
			var refused *sigv4.Error
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refused.Code != tt.code || !strings.HasPrefix(refused.Message, tt.message) {
				t.Errorf("got  %s: %s\nwant %s: %s", refused.Code, refused.Message, tt.code, tt.message)
			}
			if out.Credential != nil || out.Region != nil {
				t.Error("a refused request has a credential or a Region")
			}
		})
	}
}

// TestOrder has requests with a fault and the next one in line: the earlier is named.
func TestOrder(t *testing.T) {
	t.Parallel()
	old := now.Add(-time.Hour)
	tests := []struct {
		name    string
		request *sigv4.Request
		want    string
	}{
		{"incomplete before unknown key", edit(order{keyID: "AKIAUNKNOWN"}.signed(t), "/aws4_request", ""), "IncompleteSignatureException"},
		{"unknown key before time", order{keyID: "AKIAUNKNOWN", at: old}.signed(t), "UnrecognizedClientException"},
		{"token before time", order{keyID: temporary, token: "x", at: old}.signed(t), "UnrecognizedClientException"},
		{"end of session before time", order{keyID: past, token: "old", at: old}.signed(t), "ExpiredTokenException"},
		{"time before scope", order{service: "sts", at: old}.signed(t), "Signature expired"},
		{"scope's date before Region", edit(order{region: "mars-1"}.signed(t), "/20261124/", "/20261123/"), "Date in Credential scope"},
		{"Region before service", order{region: "mars-1", service: "sts"}.signed(t), "valid region"},
		{"service before signature", order{service: "sts", secret: "wrong"}.signed(t), "correct service"},
		{"signed headers before signature", edit(order{secret: "wrong"}.signed(t), ";x-amz-target", ""), "must be a 'SignedHeader'"},
	}
	v := kmsVerifier()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out sigv4.Verified
			err := v.Verify(now, tt.request, &out)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestSecretChange shows that a cached signing key is not used once its credential has another secret.
func TestSecretChange(t *testing.T) {
	t.Parallel()
	own := credentials{longTerm: {AccessKeyID: longTerm, Secret: []byte("first")}}
	v := sigv4.New(sigv4.Options{Credentials: own})
	first, second := order{secret: "first"}.signed(t), order{secret: "second"}.signed(t)
	var out sigv4.Verified
	if err := v.Verify(now, first, &out); err != nil {
		t.Fatal(err)
	}
	own[longTerm] = &sigv4.Credential{AccessKeyID: longTerm, Secret: []byte("second")}
	if err := v.Verify(now, first, &out); err == nil {
		t.Error("the old secret still verifies")
	}
	if err := v.Verify(now, second, &out); err != nil {
		t.Errorf("the new secret: %v", err)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	var out sigv4.Verified
	if err := out.Scan([]byte("X-Amz-Target:  TrentService.Encrypt \r\nEmpty:\r\nfolded:\r\n\tone\r\n  two \r\nx-amz-target: b\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"x-amz-target": "TrentService.Encrypt", "empty": "", "folded": "one\r\n  two"} {
		if got, ok := out.Header(name); !ok || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "x-amz-targe", "other"} {
		if got, ok := out.Header(name); ok {
			t.Errorf("%q: %q", name, got)
		}
	}
	out.Reset()
	if _, ok := out.Header("x-amz-target"); ok {
		t.Error("a header is left after Reset")
	}
}
