package sigv4_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"trent/fastpath/sigv4"
)

func lengthOf(body string) string { return strconv.Itoa(len(body)) }

// printable is what header values are made of: no tabs, which SDKs treat differently from each other.
var printable = rapid.StringMatching(`[!-~]([ -~]{0,30}[!-~])?`)

// generated draws a request that any SDK could sign.
func generated(rt *rapid.T) order {
	o := order{
		keyID:   rapid.SampledFrom([]string{longTerm, temporary}).Draw(rt, "key"),
		region:  rapid.SampledFrom([]string{"us-east-1", "eu-west-3"}).Draw(rt, "region"),
		host:    rapid.SampledFrom([]string{"localhost", "localhost:8443", "127.0.0.1:1", "[::1]:8443", "kms.example"}).Draw(rt, "host"),
		body:    string(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(rt, "body")),
		at:      now.Add(time.Duration(rapid.IntRange(-300, 300).Draw(rt, "skew")) * time.Second),
		headers: http.Header{},
	}
	if o.keyID == temporary {
		o.token = directory[temporary].SessionToken
	}
	o.target = "/"
	for i, n := 0, rapid.IntRange(0, 3).Draw(rt, "segments"); i < n; i++ {
		segment := rapid.StringMatching(`[a-z%:@ +é]{1,6}`).Draw(rt, "segment")
		if i > 0 {
			o.target += "/"
		}
		o.target += url.PathEscape(segment)
	}
	query := url.Values{}
	for range rapid.IntRange(0, 4).Draw(rt, "parameters") {
		name := rapid.StringMatching(`[A-Za-z0-9 /&=+%~.é-]{1,6}`).Draw(rt, "parameter")
		query.Add(name, rapid.StringMatching(`[A-Za-z0-9 /&=+%~.é-]{0,6}`).Draw(rt, "value"))
	}
	if len(query) > 0 {
		o.target += "?" + query.Encode()
	}
	for range rapid.IntRange(0, 4).Draw(rt, "headers") {
		name := http.CanonicalHeaderKey(rapid.StringMatching(`(X-Amz-)?Q[a-zA-Z0-9-]{1,12}`).Draw(rt, "name"))
		for range rapid.IntRange(1, 3).Draw(rt, "values") {
			o.headers.Add(name, printable.Draw(rt, "header"))
		}
	}
	return o.withDefaults()
}

// TestAgainstSDK signs generated requests with aws-sdk-go-v2's signer in both forms. What it signs must
// verify; after any change of what was signed it must not.
func TestAgainstSDK(t *testing.T) {
	t.Parallel()
	v := kmsVerifier()
	var out sigv4.Verified // reused: nothing of one request may reach the next
	rapid.Check(t, func(rt *rapid.T) {
		o := generated(rt)
		r := o.request(t)
		var signed *sigv4.Request
		if rapid.Bool().Draw(rt, "presign") {
			query := r.URL.Query()
			query.Set("X-Amz-Expires", "300")
			r.URL.RawQuery = query.Encode()
			uri, headers, err := v4.NewSigner().PresignHTTP(context.Background(), o.credential(), r, hashOf(o.body), o.service, o.region, o.at)
			if err != nil {
				rt.Fatal(err)
			}
			u, err := url.Parse(uri)
			if err != nil {
				rt.Fatal(err)
			}
			r.Header = headers
			signed = received(r, u, o.body)
		} else {
			if err := v4.NewSigner().SignHTTP(context.Background(), o.credential(), r, hashOf(o.body), o.service, o.region, o.at); err != nil {
				rt.Fatal(err)
			}
			signed = received(r, r.URL, o.body)
		}
		out.Reset()
		if err := v.Verify(now, signed, &out); err != nil {
			rt.Fatalf("%v\n%s?%s\n%s", err, signed.Path, signed.RawQuery, signed.RawHeaders)
		}
		changed := mutate(signed, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "mutation"), 0)))
		out.Reset()
		if err := v.Verify(now, changed, &out); err == nil {
			rt.Fatalf("a changed request verified:\n%s %s?%s\n%s\nwas\n%s %s?%s\n%s", changed.Method, changed.Path, changed.RawQuery,
				changed.RawHeaders, signed.Method, signed.Path, signed.RawQuery, signed.RawHeaders)
		}
	})
}

// mutate changes one letter or digit of something that is signed.
func mutate(r *sigv4.Request, random *rand.Rand) *sigv4.Request {
	m := &sigv4.Request{
		Method: bytes.Clone(r.Method), Path: bytes.Clone(r.Path), RawQuery: bytes.Clone(r.RawQuery),
		RawHeaders: bytes.Clone(r.RawHeaders), Body: bytes.Clone(r.Body),
	}
	switch random.IntN(5) {
	case 0:
		m.Body[random.IntN(len(m.Body))] ^= 1 << random.IntN(8)
	case 1:
		m.Method[random.IntN(len(m.Method))] ^= 0x20
	case 2:
		m.Path = append(m.Path, 'x')
	case 3:
		i := bytes.IndexFunc(m.RawQuery, func(r rune) bool { return isLetter(byte(r)) && r < 0x80 })
		if i < 0 || bytes.IndexByte(m.RawQuery[:i], '%') >= 0 { // the case of an escape's digits means nothing
			m.RawQuery = append(m.RawQuery, "&y=1"...)
		} else {
			m.RawQuery[i] ^= 0x20
		}
	default:
		// The value of a signed header: everything but the Authorization header's own.
		lines := strings.SplitAfter(string(m.RawHeaders), "\r\n")
		for _, i := range random.Perm(len(lines)) {
			name, value, _ := strings.Cut(lines[i], ": ")
			value = strings.TrimSpace(value)
			if strings.EqualFold(name, "Authorization") || value == "" {
				continue
			}
			lines[i] = name + ": " + string(value[0]^1) + value[1:] + "\r\n"
			break
		}
		m.RawHeaders = []byte(strings.Join(lines, ""))
	}
	return m
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// TestEveryByte flips each byte of one signed request in turn. A flip may change the case of a name, which
// means nothing; every other request must be refused.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	v := kmsVerifier()
	unsigned := order{keyID: temporary, token: "the+token="}.withDefaults()
	r := unsigned.request(t)
	r.ContentLength = 0
	if err := v4.NewSigner().SignHTTP(context.Background(), unsigned.credential(), r, hashOf(unsigned.body), "kms", "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	signed := without(received(r, r.URL, unsigned.body), "content-length")
	var out sigv4.Verified
	if err := v.Verify(now, signed, &out); err != nil {
		t.Fatal(err)
	}
	verified := 0
	for i := range signed.RawHeaders {
		for bit := range 8 {
			changed := *signed
			changed.RawHeaders = bytes.Clone(signed.RawHeaders)
			changed.RawHeaders[i] ^= 1 << bit
			out.Reset()
			if err := v.Verify(now, &changed, &out); err != nil {
				continue
			}
			verified++
			if !sameMeaning(signed.RawHeaders, changed.RawHeaders) {
				t.Errorf("verified after a change of byte %d:\n%q", i, changed.RawHeaders)
			}
		}
	}
	if verified == 0 {
		t.Error("no flip was without meaning, though names have no case")
	}
}

// sameMeaning compares header blocks by names without case and values without the space around them, and
// line ends without their carriage returns. SignedHeaders in the Authorization header has no case either.
func sameMeaning(a, b []byte) bool {
	normal := func(block []byte) string {
		var lines []string
		for _, line := range strings.Split(string(block), "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
			if head, rest, ok := strings.Cut(value, "SignedHeaders="); ok {
				list, tail, _ := strings.Cut(rest, ",")
				value = strings.ReplaceAll(head, "\t", " ") + strings.ToLower(list) + strings.ReplaceAll(tail, "\t", " ")
			}
			lines = append(lines, strings.ToLower(name)+":"+strings.TrimSpace(value))
		}
		return strings.Join(lines, "\n")
	}
	return normal(a) == normal(b)
}
