package conformance_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// TestHeaders: the service's headers, their order and case (from a recorded answer).
func TestHeaders(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	c := at.Dial(t)
	var ids []string
	for _, r := range []struct {
		request servertest.Request
		body    string // "" for an empty one
	}{
		{servertest.For("DescribeKey", marshal(t, object{"KeyId": k.id})), "{"},
		{servertest.For("EnableKey", marshal(t, object{"KeyId": k.id})), ""},
		{servertest.For("DescribeKey", marshal(t, object{"KeyId": "x"})), `{"__type":"NotFoundException","message":"Invalid keyId 'x'"}`},
		{servertest.Request{Target: "TrentService.DescribeKey", Unsigned: true}, `{"__type":"MissingAuthenticationTokenException"`},
		{servertest.Request{Target: "Other", Body: "{}"}, `{"__type":"UnknownOperationException"}`},
	} {
		a := servertest.Exchange(t, c, at.Bytes(t, r.request)) // all on one connection
		var names []string
		values := map[string]string{}
		for _, line := range a.Header {
			name, value, _ := strings.Cut(line, ": ")
			names = append(names, name)
			values[name] = value
		}
		want := []string{"x-amzn-RequestId", "Cache-Control", "Expires", "Pragma", "Date", "Content-Type", "Content-Length"}
		if r.body == "" {
			// Whether an empty body has a content type was not recorded.
			names = slices.DeleteFunc(names, func(n string) bool { return n == "Content-Type" })
			want = slices.DeleteFunc(want, func(n string) bool { return n == "Content-Type" })
		}
		names = slices.DeleteFunc(names, func(n string) bool { return strings.EqualFold(n, "Connection") })
		if !slices.Equal(names, want) {
			t.Errorf("headers %q, want %q", names, want)
		}
		for name, value := range map[string]string{
			"Cache-Control": "no-cache, no-store, must-revalidate, private", "Expires": "0", "Pragma": "no-cache", "Content-Length": itoa(len(a.Body)),
		} {
			if values[name] != value {
				t.Errorf("%s: %q, want %q", name, values[name], value)
			}
		}
		if r.body != "" && values["Content-Type"] != "application/x-amz-json-1.1" {
			t.Errorf("Content-Type: %q", values["Content-Type"])
		}
		if d, err := time.Parse(http.TimeFormat, values["Date"]); err != nil || time.Since(d).Abs() > time.Minute {
			t.Errorf("Date: %q", values["Date"])
		}
		if id := values["x-amzn-RequestId"]; !uuidPattern.MatchString(id) || slices.Contains(ids, id) {
			t.Errorf("x-amzn-RequestId: %q after %q", id, ids)
		}
		ids = append(ids, values["x-amzn-RequestId"])
		if r.body == "" && a.Body != "" || !strings.HasPrefix(a.Body, r.body) {
			t.Errorf("body %q, want %q", a.Body, r.body)
		}
	}
}

// TestEmptyBodies: operations without output answer nothing at all.
func TestEmptyBodies(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	alias := newAlias()
	for _, c := range []struct {
		operation string
		body      object
	}{
		{"CreateAlias", object{"AliasName": alias, "TargetKeyId": k.id}},
		{"UpdateAlias", object{"AliasName": alias, "TargetKeyId": k.id}},
		{"DeleteAlias", object{"AliasName": alias}},
		{"DisableKey", object{"KeyId": k.id}},
		{"EnableKey", object{"KeyId": k.id}},
		{"PutKeyPolicy", object{"KeyId": k.id, "Policy": accountPolicy()}},
		{"TagResource", object{"KeyId": k.id, "Tags": []object{{"TagKey": "a", "TagValue": "b"}}}},
		{"UntagResource", object{"KeyId": k.id, "TagKeys": []string{"a"}}},
		{"UpdateKeyDescription", object{"KeyId": k.id, "Description": "x"}},
	} {
		a := call(t, c.operation, c.body)
		if a.Status != 200 || a.Body != "" || a.Header.Get("Content-Length") != "0" {
			t.Errorf("%s: %d %q, Content-Length %q", c.operation, a.Status, a.Body, a.Header.Get("Content-Length"))
		}
	}
}

// TestBodies is JSON as the service reads it: unknown members are ignored, null is absent, types are checked
// before constraints.
func TestBodies(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	for name, c := range map[string]struct{ operation, body, want string }{
		"empty object":       {"GenerateRandom", `{}`, `{"__type":"ValidationException","message":"NumberOfBytes is required."}`},
		"empty body":         {"GenerateRandom", ``, `{"__type":"ValidationException","message":"NumberOfBytes is required."}`},
		"null":               {"GenerateRandom", `{"NumberOfBytes":null}`, `{"__type":"ValidationException","message":"NumberOfBytes is required."}`},
		"unknown member":     {"DescribeKey", `{"KeyId":"` + k.id + `","New":{"a":[1,2,{"b":null}]}}`, `{"KeyMetadata":`},
		"white space":        {"DescribeKey", " {\t\"KeyId\" :\r\n\"" + k.id + "\" } \n", `{"KeyMetadata":`},
		"escapes":            {"DescribeKey", `{"\u004beyId":"` + strings.Replace(k.id, "-", `\u002d`, 1) + `"}`, `{"KeyMetadata":`},
		"list, not a string": {"DescribeKey", `{"KeyId":["x"]}`, `{"__type":"SerializationException"`},
		"number, not text":   {"DescribeKey", `{"KeyId":5}`, `{"__type":"SerializationException"`},
		"text, not a number": {"GenerateRandom", `{"NumberOfBytes":"5"}`, `{"__type":"SerializationException"`},
		"list, not a body":   {"ListKeys", `[]`, `{"__type":"SerializationException","Message":"Start of list found where not expected"}`},
		"text, not a body":   {"ListKeys", `"x"`, `{"__type":"SerializationException"`},
		"cut":                {"ListKeys", `{"Limit":`, `{"__type":"SerializationException"`},
		"no JSON":            {"ListKeys", `Limit=5`, `{"__type":"SerializationException"`},
		"two values":         {"ListKeys", `{}{}`, `{"__type":"SerializationException"`},
		"not base64":         {"Encrypt", `{"KeyId":"` + k.id + `","Plaintext":"%%%"}`, `{"__type":"SerializationException"`},
		"deep":               {"ListKeys", `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, `{`},
	} {
		t.Run(name, func(t *testing.T) {
			a := at.Call(t, c.operation, c.body)
			status := 400
			if !strings.Contains(c.want, "__type") {
				status = 200
			}
			if name != "deep" && a.Status != status || a.Status >= 500 || !strings.HasPrefix(a.Body, c.want) {
				t.Errorf("answer %d %s, want %s", a.Status, a.Body, c.want)
			}
		})
	}
}

func TestErrorMemberCase(t *testing.T) {
	t.Parallel()
	k := hmac256(t)
	for want, a := range map[string]servertest.Answer{
		`{"__type":"KMSInvalidMacException"}`:                                                            call(t, "VerifyMac", object{"KeyId": k.id, "Message": "eA==", "Mac": "eA==", "MacAlgorithm": "HMAC_SHA_256"}),
		`{"__type":"InvalidCiphertextException"}`:                                                        call(t, "Decrypt", object{"CiphertextBlob": "eA=="}),
		`{"__type":"InvalidArnException","message":"Key Aliases are not supported for this operation."}`: call(t, "EnableKey", object{"KeyId": "alias/x"}),
		`{"__type":"ValidationException","message":"NumberOfBytes is required."}`:                        call(t, "GenerateRandom", object{}),
		`{"__type":"UnsupportedOperationException"}`:                                                     call(t, "GetPublicKey", object{"KeyId": k.id}),
	} {
		if a.Body != want || a.Status != 400 {
			t.Errorf("answer %d %s, want %s", a.Status, a.Body, want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "TrentService", "TrentService.", "TrentService.encrypt", "TrentService.Encrypt2", "trentservice.Encrypt", "DynamoDB_20120810.GetItem", "Encrypt"} {
		a := at.Do(t, servertest.Request{Target: target, Body: "{}"})
		if a.Status != 400 || a.Body != `{"__type":"UnknownOperationException"}` {
			t.Errorf("target %q: %d %s", target, a.Status, a.Body)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	t.Parallel()
	for _, r := range []servertest.Request{
		{Method: http.MethodGet}, {Method: http.MethodPut, Body: "{}"}, {Method: http.MethodDelete},
		{Path: "/x", Body: "{}"}, {Path: "//", Body: "{}"}, {Path: "/%2e/", Body: "{}"},
	} {
		r.Target = "TrentService.ListKeys"
		a := at.Do(t, r)
		if code, _ := refusalOf(t, a); a.Status != 404 || code != "UnknownOperationException" {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, a.Status, a.Body)
		}
	}
}

// TestBodyLimit: a body over the limit is refused, one of the largest legal kind is not.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	padded := func(n int) string {
		body := `{"KeyId":"` + k.id + `","Unknown":"`
		return body + long(n-len(body)-2) + `"}`
	}
	if a := at.Call(t, "DescribeKey", padded(512<<10)); a.Status != 200 {
		t.Errorf("512 KiB: %d %s", a.Status, a.Body)
	}
	ownServer(t)
	if a := at.Call(t, "DescribeKey", padded(1<<20)); a.Status != 200 {
		t.Errorf("1 MiB: %d %s", a.Status, a.Body)
	}
	a, err := at.Send(servertest.For("DescribeKey", padded(1<<20+1)))
	if err != nil {
		t.Skip("the server closed the connection before all was sent, and the client shows no answer") // RFC 9110 allows both
	}
	if code, _ := refusalOf(t, a); a.Status != 413 || code != "RequestEntityTooLargeException" {
		t.Errorf("1 MiB and a byte: %d %s", a.Status, a.Body)
	}
}

// TestBrokenRequests: what is no HTTP gets an answer or a closed connection, and neighbours notice nothing.
func TestBrokenRequests(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	neighbour := at.Dial(t)
	good := func() {
		t.Helper()
		a := servertest.Exchange(t, neighbour, at.Bytes(t, servertest.For("DescribeKey", marshal(t, object{"KeyId": k.id}))))
		if !strings.HasPrefix(a.StatusLine, "HTTP/1.1 200 ") {
			t.Errorf("the neighbour got %s %s", a.StatusLine, a.Body)
		}
	}
	valid := at.Bytes(t, servertest.For("DescribeKey", marshal(t, object{"KeyId": k.id})))
	for _, raw := range [][]byte{
		[]byte("\x00\x01\x02\x03\r\n\r\n"),
		[]byte("GET\r\n\r\n"),
		[]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
		[]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
		[]byte("POST / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 20000) + "\r\n"),
		[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		valid[:len(valid)/2],
		bytes.Replace(valid, []byte("Content-Length: "), []byte("Content-Length: 9"), 1),
	} {
		good()
		c := at.Dial(t)
		if _, err := c.Write(raw); err == nil {
			_ = c.CloseWrite()
			buf := make([]byte, 4096)
			n, _ := c.Read(buf) // an answer or the end
			if bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200")) || bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 5")) {
				t.Errorf("%.40q was answered %.60q", raw, buf[:n])
			}
		}
		good()
	}
}

// TestPipelining: requests sent at once on one connection are answered in order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	c := at.Dial(t)
	var all []byte
	for n := 1; n <= 5; n++ {
		all = append(all, at.Bytes(t, servertest.For("GenerateRandom", marshal(t, object{"NumberOfBytes": n})))...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	read := servertest.NewReader(c)
	for n := 1; n <= 5; n++ {
		a := read.Next(t)
		if got := decode[kms.GenerateRandomOutput](t, servertest.Answer{Status: 200, Body: a.Body}); len(got.Plaintext) != n {
			t.Errorf("answer %d has %d bytes", n, len(got.Plaintext))
		}
	}
}
