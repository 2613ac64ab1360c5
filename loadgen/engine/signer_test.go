package engine_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"trent/loadgen/engine"
)

// The SDK signs the request as the server would see it; its signature must be ours, whatever the credentials, body and time, and
// over changes of the day with the same signer.
func TestSignsLikeTheSDK(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-z0-9/+=]{1,40}`)
		c := engine.Credentials{AccessKeyID: rapid.StringMatching(`[A-Z0-9]{4,20}`).Draw(t, "id"), Secret: word.Draw(t, "secret")}
		if rapid.Bool().Draw(t, "session") {
			c.SessionToken = word.Draw(t, "token")
		}
		region := rapid.SampledFrom([]string{"us-east-1", "eu-central-1", "cn-north-1"}).Draw(t, "region")
		host := rapid.SampledFrom([]string{"localhost:8443", "kms.us-east-1.amazonaws.com", "[::1]:9000"}).Draw(t, "host")
		signer := engine.NewSigner(c, region, host)
		for range 3 {
			operation := rapid.StringMatching(`[A-Z][A-Za-z]{2,20}`).Draw(t, "operation")
			body := []byte(rapid.String().Draw(t, "body"))
			now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0)
			wire := signer.Append([]byte("kept"), operation, body, now)[len("kept"):]
			checkSignature(t, wire, c, region, host, operation, body, now)
		}
	})
}

func checkSignature(t *rapid.T, wire []byte, c engine.Credentials, region, host, operation string, body []byte, now time.Time) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatalf("%q: %v", wire, err)
	}
	got, _ := io.ReadAll(r.Body)
	if !bytes.Equal(got, body) || r.Host != host || r.Header.Get("X-Amz-Target") != "TrentService."+operation || r.URL.Path != "/" {
		t.Fatalf("request %q", wire)
	}
	authorization := r.Header.Get("Authorization")
	again, err := http.NewRequest(http.MethodPost, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	again.Header.Set("X-Amz-Target", r.Header.Get("X-Amz-Target"))
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret, SessionToken: c.SessionToken}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, again, hex.EncodeToString(sum[:]), "kms", region, now); err != nil {
		t.Fatal(err)
	}
	if want := again.Header.Get("Authorization"); authorization != want {
		t.Fatalf("authorization\n%s\nthe SDK's\n%s", authorization, want)
	}
	if r.Header.Get("X-Amz-Date") != again.Header.Get("X-Amz-Date") || r.Header.Get("X-Amz-Security-Token") != c.SessionToken {
		t.Fatalf("headers %v", r.Header)
	}
}

func TestCredentialsDoNotShow(t *testing.T) {
	t.Parallel()
	c := engine.Credentials{AccessKeyID: "AKID", Secret: "hush", SessionToken: "quiet"}
	if text := c.String() + c.GoString(); strings.Contains(text, "hush") || strings.Contains(text, "quiet") || !strings.Contains(text, "AKID") {
		t.Error(text)
	}
}
