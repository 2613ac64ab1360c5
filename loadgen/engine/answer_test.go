package engine_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"trent/loadgen/engine"
)

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want engine.Answer
		err  error
	}{
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amzn-RequestId: abc\r\n\r\n{}", want: engine.Answer{200, "abc", "{}", false}},
		{text: "HTTP/1.1 400 \r\ncontent-length:0\r\n\r\n", want: engine.Answer{Status: 400}},
		{text: "HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", want: engine.Answer{Status: 200, Closes: true}},
		{text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", want: engine.Answer{200, "", "x", true}},
		{text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", want: engine.Answer{200, "", "x", false}},
		{text: "HTTP/1.1 204 No Content\r\n\r\n", want: engine.Answer{Status: 204}},
		{text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", want: engine.Answer{200, "", "y", false}},
		{text: "HTTP/1.1 200 OK\r\n\r\nuntil the end", want: engine.Answer{200, "", "until the end", true}},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n",
			want: engine.Answer{200, "", "abc0123456789", false}},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK", want: engine.Answer{200, "", "x", true}},
		{text: "", err: engine.ErrClosed},
		{text: "HTTP/1.1 200 OK\r\n", err: engine.ErrTruncated},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", err: engine.ErrTruncated},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", err: engine.ErrTruncated},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", err: engine.ErrTruncated},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 2x0 OK\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 2000 OK\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/2.0 200 OK\r\n\r\n", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", err: engine.ErrMalformed},
		{text: "SSH-2.0-OpenSSH", err: engine.ErrMalformed},
		{text: "HTTP/1.1 200 OK\r\nx: " + strings.Repeat("y", 40<<10) + "\r\n\r\n", err: engine.ErrMalformed},
	} {
		for name, source := range map[string]io.Reader{
			"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
		} {
			got, err := engine.ReadAnswer(source)
			if !errors.Is(err, c.err) {
				t.Errorf("%s, %.80q: error %v, want %v", name, c.text, err, c.err)
			}
			want := c.want
			if name == "byte by byte" && strings.Contains(c.text, "xHTTP") {
				want.Closes = false // what follows the answer has not been read
			}
			if c.err == nil && got != want {
				t.Errorf("%s, %.80q:\ngot  %+v\nwant %+v", name, c.text, got, want)
			}
		}
	}
}

func TestErrorType(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"__type":"NotFoundException","message":"x"}`:                        "NotFoundException",
		`{"message":"\"__type\":\"No\"", "__type" : "a.b#Yes"}`:               "Yes",
		`{"a":{"__type":"No"},"b":["__type",{"__type":"No"}],"__type":"Yes"}`: "Yes",
		`{"a":"__type","__type":"Yes"}`:                                       "Yes",
		`{"__type":5}`:                                                        "",
		`{"__type":"`:                                                         "",
		`{"__type":"with space"}`:                                             "",
		`{"message":"x"}`:                                                     "",
		`not json`:                                                            "",
		``:                                                                    "",
		`{"__type"`:                                                           "",
	} {
		if got := engine.ErrorType([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// Reading never panics, ends, and agrees with net/http on what both take; how the bytes arrive makes no difference.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amzn-RequestId: abc\r\n\r\n{}",
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 34\r\n\r\n{\"__type\":\"NotFoundException\"}    ",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 000\n\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := engine.ReadAnswer(bytes.NewReader(data))
		slow, slowErr := engine.ReadAnswer(iotest.OneByteReader(bytes.NewReader(data)))
		slow.Closes = got.Closes
		if (err == nil) != (slowErr == nil) || err == nil && got != slow {
			t.Fatalf("%q: %+v %v, byte by byte %+v %v", data, got, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		engine.ErrorType([]byte(got.Body))
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: http.MethodPost})
		if err != nil || r.StatusCode != got.Status {
			return // net/http is stricter about headers that do not matter here, and returns interim answers
		}
		if body, err := io.ReadAll(r.Body); err == nil && string(body) != got.Body {
			t.Fatalf("%q: body %q, net/http reads %q", data, got.Body, body)
		}
	})
}
