package conformance_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// at is the endpoint under test; external tells that it is not one of the run's own.
var (
	at       *servertest.Endpoint
	external bool
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveUntilKilled(dir)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if url := os.Getenv("TRENT_CONFORMANCE_ENDPOINT"); url != "" {
		var err error
		if at, err = otherEndpoint(url); err != nil {
			fmt.Fprintln(os.Stderr, "conformance:", err)
			return 2
		}
		external = true
		defer created.release()
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 2
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := servertest.Open(dir, servertest.Options{Credentials: otherCredentials(), Logf: logf})
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 2
	}
	at = &s.Endpoint
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance: closing the server:", err)
		return 1
	}
	if n := faults.Load(); n > 0 {
		fmt.Fprintf(os.Stderr, "conformance: the server was at fault %d times\n", n)
		return 1
	}
	return code
}

// faults counts what the server logs of requests: each is a panic or an answer of status 500. Broken
// connections, which it logs too, are part of the tests.
var faults atomic.Int64

func logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if strings.HasPrefix(line, "request ") || strings.HasPrefix(line, "defect") {
		faults.Add(1)
		fmt.Fprintln(os.Stderr, "server:", line)
	}
}

func otherEndpoint(url string) (*servertest.Endpoint, error) {
	e := &servertest.Endpoint{
		URL: url, Region: os.Getenv("AWS_REGION"), Account: os.Getenv("TRENT_CONFORMANCE_ACCOUNT"),
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: os.Getenv("AWS_SECRET_ACCESS_KEY"), Session: os.Getenv("AWS_SESSION_TOKEN"),
	}
	if e.Region == "" || e.Account == "" || e.AccessKeyID == "" || e.Secret == "" {
		return nil, fmt.Errorf("an endpoint needs AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and TRENT_CONFORMANCE_ACCOUNT")
	}
	bundle := os.Getenv("AWS_CA_BUNDLE")
	if bundle == "" {
		return e, nil
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		return nil, fmt.Errorf("reading AWS_CA_BUNDLE: %w", err)
	}
	e.RootPEM, e.RootCAs = pem, x509.NewCertPool()
	if !e.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", bundle)
	}
	return e, nil
}

// ownServer skips tests that need a server of their own where an endpoint is given.
func ownServer(t *testing.T) {
	t.Helper()
	if external {
		t.Skip("needs a server of its own")
	}
}

// keysMade are the keys of a run against an endpoint that outlives it.
type keysMade struct {
	mu  sync.Mutex
	ids []keyMade
}

type keyMade struct{ region, id string }

var created keysMade

func (k *keysMade) add(id string) { k.addIn(at.Region, id) }

func (k *keysMade) addIn(region, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ids = append(k.ids, keyMade{region, id})
}

func (k *keysMade) release() {
	for _, made := range k.ids {
		// Keys that a test scheduled itself refuse; that is all that can go wrong here.
		_, _ = at.In(made.region).ScheduleKeyDeletion(context.Background(), &kms.ScheduleKeyDeletionInput{KeyId: &made.id, PendingWindowInDays: aws.Int32(7)})
	}
}
