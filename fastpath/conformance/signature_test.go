package conformance_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"trent/fastpath/servertest"
)

// TestSignatures: the service's own error for each failure of authentication.
func TestSignatures(t *testing.T) {
	t.Parallel()
	const (
		mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
		unknown  = "The security token included in the request is invalid."
	)
	list := servertest.For("ListKeys", "{}")
	vary := func(f func(*servertest.Request)) servertest.Request {
		r := list
		f(&r)
		return r
	}
	for name, c := range map[string]struct {
		request       servertest.Request
		code, message string
	}{
		"unsigned":                {vary(func(r *servertest.Request) { r.Unsigned = true }), "MissingAuthenticationTokenException", "Missing Authentication Token"},
		"wrong secret":            {vary(func(r *servertest.Request) { r.Secret = "wrong" }), "InvalidSignatureException", mismatch},
		"unknown key":             {vary(func(r *servertest.Request) { r.AccessKeyID = "AKIDNOBODY" }), "UnrecognizedClientException", unknown},
		"session token":           {vary(func(r *servertest.Request) { r.Session = "a token" }), "UnrecognizedClientException", unknown},
		"presigned, wrong secret": {vary(func(r *servertest.Request) { r.Presigned, r.Secret = true, "wrong" }), "InvalidSignatureException", mismatch},
		"other target": {vary(func(r *servertest.Request) {
			r.Late = http.Header{"X-Amz-Target": {"TrentService.GenerateRandom"}}
		}), "InvalidSignatureException", mismatch},
		"other service":  {vary(func(r *servertest.Request) { r.Service = "s3" }), "InvalidSignatureException", "Credential should be scoped to correct service: 'kms'. "},
		"unknown Region": {vary(func(r *servertest.Request) { r.Region = "mars-1" }), "InvalidSignatureException", "Credential should be scoped to a valid region. "},
		"no such scheme": {vary(func(r *servertest.Request) {
			r.Unsigned, r.Header = true, http.Header{"Authorization": {"Basic dGVzdDp0ZXN0"}}
		}), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := at.Do(t, c.request)
			if c.code == "" {
				if code, _ := refusalOf(t, a); a.Status != 400 || !strings.HasSuffix(code, "Exception") {
					t.Errorf("answer %d %s", a.Status, a.Body)
				}
				return
			}
			wantRefusal(t, a, c.code, c.message)
		})
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	const layout = "20060102T150405Z"
	for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute, -24 * time.Hour} {
		r := servertest.For("ListKeys", "{}")
		r.Time = time.Now().Add(off).UTC()
		code, text := refusalOf(t, at.Do(t, r))
		want := fmt.Sprintf("Signature expired: %s is now earlier than ", r.Time.Format(layout))
		end := " - 5 min.)"
		if off > 0 {
			want, end = fmt.Sprintf("Signature not yet current: %s is still later than ", r.Time.Format(layout)), " + 5 min.)"
		}
		if code != "InvalidSignatureException" || !strings.HasPrefix(text, want) || !strings.HasSuffix(text, end) {
			t.Errorf("%v: %s %q", off, code, text)
		}
	}
	for _, off := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		r := servertest.For("ListKeys", "{}")
		r.Time = time.Now().Add(off)
		if a := at.Do(t, r); a.Status != 200 {
			t.Errorf("%v: %d %s", off, a.Status, a.Body)
		}
	}
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	r := servertest.For("ListKeys", "{}")
	r.Presigned = true
	r.Path = "/?X-Amz-Expires=60"
	if a := at.Do(t, r); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestBodyIsSigned: a body changed on the way is refused before it is read.
func TestBodyIsSigned(t *testing.T) {
	t.Parallel()
	raw := string(at.Bytes(t, servertest.For("GenerateRandom", `{"NumberOfBytes":1}`)))
	a := servertest.Exchange(t, at.Dial(t), []byte(strings.Replace(raw, `"NumberOfBytes":1`, `"NumberOfBytes":2`, 1)))
	if !strings.Contains(a.Body, "InvalidSignatureException") {
		t.Errorf("answer %s %s", a.StatusLine, a.Body)
	}
}

// TestReplay: within its time a signature may come again (there is no protection but the window).
func TestReplay(t *testing.T) {
	t.Parallel()
	raw := at.Bytes(t, servertest.For("GenerateRandom", `{"NumberOfBytes":1}`))
	c := at.Dial(t)
	for range 3 {
		if a := servertest.Exchange(t, c, raw); !strings.HasPrefix(a.StatusLine, "HTTP/1.1 200 ") {
			t.Errorf("answer %s %s", a.StatusLine, a.Body)
		}
	}
}
