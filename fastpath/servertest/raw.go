package servertest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Request is a request made by hand. The zero value of everything but Target and Body is what an SDK sends.
type Request struct {
	Method  string      // empty: POST
	Path    string      // empty: /
	Target  string      // X-Amz-Target; empty: none is sent
	Body    string      // as it is
	Header  http.Header // added before signing
	Late    http.Header // set after signing
	Time    time.Time   // of the signature; zero: now
	Region  string      // of the signature's scope; empty: the endpoint's
	Service string      // of the signature's scope; empty: kms

	AccessKeyID, Secret, Session string // empty: the endpoint's

	Unsigned  bool
	Presigned bool // the signature goes into the query
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// For is the request of an operation with a body.
func For(operation, body string) Request {
	return Request{Target: "TrentService." + operation, Body: body}
}

// Sign makes the HTTP request that r describes.
func (e *Endpoint) Sign(r Request) (*http.Request, error) {
	method, path := orElse(r.Method, http.MethodPost), orElse(r.Path, "/")
	q, err := http.NewRequest(method, e.URL+path, strings.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if r.Target != "" {
		q.Header.Set("X-Amz-Target", r.Target)
	}
	q.Header.Set("Content-Type", "application/x-amz-json-1.1")
	for name, values := range r.Header {
		q.Header[name] = values
	}
	if !r.Unsigned {
		if err := e.sign(q, &r); err != nil {
			return nil, err
		}
	}
	for name, values := range r.Late {
		q.Header[name] = values
	}
	return q, nil
}

func (e *Endpoint) sign(q *http.Request, r *Request) error {
	sum := sha256.Sum256([]byte(r.Body))
	hash := hex.EncodeToString(sum[:])
	who := aws.Credentials{
		AccessKeyID:     orElse(r.AccessKeyID, e.AccessKeyID),
		SecretAccessKey: orElse(r.Secret, e.Secret),
		SessionToken:    orElse(r.Session, e.Session),
	}
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	ctx := context.Background()
	// Hoisting would move X-Amz-Target into the query, where the service does not look for it.
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	service, region := orElse(r.Service, "kms"), orElse(r.Region, e.Region)
	if !r.Presigned {
		if err := signer.SignHTTP(ctx, who, q, hash, service, region, at); err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		return nil
	}
	signed, headers, err := signer.PresignHTTP(ctx, who, q, hash, service, region, at)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	q.URL = u
	for name, values := range headers {
		q.Header[name] = values
	}
	return nil
}

// Send sends r and reads the whole answer.
func (e *Endpoint) Send(r Request) (Answer, error) {
	q, err := e.Sign(r)
	if err != nil {
		return Answer{}, err
	}
	resp, err := e.HTTP().Do(q)
	if err != nil {
		return Answer{}, fmt.Errorf("sending: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, nil
}

// Do is Send for tests.
func (e *Endpoint) Do(t testing.TB, r Request) Answer {
	t.Helper()
	a, err := e.Send(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Call is Do for an operation and a body.
func (e *Endpoint) Call(t testing.TB, operation, body string) Answer {
	t.Helper()
	return e.Do(t, For(operation, body))
}

// Bytes is r as it goes over the wire.
func (e *Endpoint) Bytes(t testing.TB, r Request) []byte {
	t.Helper()
	q, err := e.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := httputil.DumpRequestOut(q, true)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Dial opens a connection of the test's own.
func (e *Endpoint) Dial(t testing.TB) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(e.URL, "https://"), &tls.Config{RootCAs: e.RootCAs, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		t.Fatal(err)
	}
	return c
}

// RawAnswer is an answer with its header lines as they came.
type RawAnswer struct {
	StatusLine string
	Header     []string
	Body       string
}

// Exchange writes raw to c and reads one answer, after which nothing may be left to read.
func Exchange(t testing.TB, c *tls.Conn, raw []byte) RawAnswer {
	t.Helper()
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	return NewReader(c).Next(t)
}

// Reader reads answers from a connection.
type Reader struct{ r *bufio.Reader }

// NewReader makes a reader.
func NewReader(c io.Reader) *Reader {
	return &Reader{bufio.NewReader(c)}
}

// Next reads one answer.
func (r *Reader) Next(t testing.TB) RawAnswer {
	t.Helper()
	var a RawAnswer
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			t.Fatalf("reading the answer's head: %v", err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			break
		}
		if a.StatusLine == "" {
			a.StatusLine = line
		} else {
			a.Header = append(a.Header, line)
		}
	}
	length := -1
	for _, line := range a.Header {
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Content-Length") {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatalf("Content-Length %q", value)
			}
			length = n
		}
	}
	if length < 0 {
		t.Fatalf("the answer %q has no Content-Length", a.Header)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.r, body); err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	a.Body = string(body)
	return a
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
