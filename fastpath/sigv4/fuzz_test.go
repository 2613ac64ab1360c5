package sigv4_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"trent/fastpath/sigv4"
)

// FuzzScan: any block is scanned or refused with an *Error; a header found is one that the block shows to a
// plain reading line by line.
func FuzzScan(f *testing.F) {
	f.Add(order{}.signed(f).RawHeaders)
	f.Add([]byte("a:b\nA: c \r\n"))
	f.Add([]byte("a: b\r\n\tc\r\n  d\r\n\r\nrest: not a header\r\n"))
	f.Add([]byte(":\r\n"))
	f.Add([]byte("\r\n"))
	f.Add(bytes.Repeat([]byte("a:\n"), 65))
	f.Fuzz(func(t *testing.T, block []byte) {
		kept := bytes.Clone(block)
		var out sigv4.Verified
		err := out.Scan(block)
		if !bytes.Equal(kept, block) {
			t.Fatal("the block was changed")
		}
		if err != nil {
			var refused *sigv4.Error
			if !errors.As(err, &refused) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for line := range strings.SplitSeq(string(block), "\n") {
			line = strings.TrimSuffix(line, "\r")
			if line == "" {
				break
			}
			name, value, _ := strings.Cut(line, ":")
			name = asciiLower(name)
			if line[0] == ' ' || line[0] == '\t' || seen[name] {
				continue
			}
			seen[name] = true
			got, ok := out.Header(name)
			if want := strings.Trim(value, " \t"); !ok || !strings.HasPrefix(string(got), want) {
				t.Fatalf("%q: got %q, %v, want %q", name, got, ok, want)
			}
		}
	})
}

// asciiLower lowers ASCII letters only, byte by byte.
func asciiLower(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	return string(lower)
}

// FuzzAuthorization: no Authorization header or query ends in anything but a refusal, unless it is one that
// was signed.
func FuzzAuthorization(f *testing.F) {
	signed := order{}.signed(f)
	var out sigv4.Verified
	if err := out.Scan(signed.RawHeaders); err != nil {
		f.Fatal(err)
	}
	authorization, _ := out.Header("authorization")
	f.Add(string(authorization), "")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=;,Signature=", "a=b&&=&c")
	f.Add("AWS4-HMAC-SHA256 ,=,", "%&%4&%zz=+")
	f.Add("", string(order{}.presigned(f, "60").RawQuery))
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%2F%2F%2F%2F&X-Amz-Signature=0&X-Amz-SignedHeaders=%0a&X-Amz-Date=20261124T103000Z")
	v := sigv4.New(sigv4.Options{Credentials: directory})
	f.Fuzz(func(t *testing.T, authorization, query string) {
		if strings.ContainsAny(authorization, "\r\n") {
			t.Skip("a header ends at a line break")
		}
		r := order{}.withDefaults()
		headers := "Host: " + r.host + "\nX-Amz-Date: 20261124T103000Z\nX-Amz-Target: TrentService.Encrypt"
		if authorization != "" {
			headers += "\nAuthorization: " + authorization
		}
		var out sigv4.Verified
		received := request("POST", "/", headers, "a body that nobody signed")
		received.RawQuery = []byte(query)
		err := v.Verify(now, received, &out)
		var refused *sigv4.Error
		if !errors.As(err, &refused) || refused.Code == "" || refused.Message == "" {
			t.Fatalf("got %v, want a refusal", err)
		}
		if string(received.RawQuery) != query {
			t.Fatal("the query was changed")
		}
	})
}
