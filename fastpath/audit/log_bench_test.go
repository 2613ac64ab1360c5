package audit_test

import (
	"net/netip"
	"testing"
	"time"

	"trent/fastpath/audit"
)

// usual is a record as most are: a call of Decrypt by a role.
func usual() audit.Entry {
	e := audit.Entry{
		At: time.Unix(1_750_000_000, 0), EventSource: "kms.amazonaws.com", EventName: "Decrypt", Region: "us-east-1",
		UserIdentity: []byte(`{"type":"AssumedRole","principalId":"AROAIGDTESTANDEXAMPLE:app","arn":"arn:aws:sts::111122223333:assumed-role/service/app","accountId":"111122223333","accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAIGDTESTANDEXAMPLE","arn":"arn:aws:iam::111122223333:role/service","accountId":"111122223333","userName":"service"},"attributes":{"creationDate":"2025-06-15T14:00:00Z","mfaAuthenticated":"false"}}}`),
		Address:      netip.MustParseAddr("192.0.2.10"),
		UserAgent:    []byte("aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 md/GOOS#linux md/GOARCH#amd64 api/kms#1.38.1 m/E,e"),
		Parameters:   []byte(`{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"tenant":"example","purpose":"session"},"keyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}`),
		Additional:   []byte(`{"keyMaterialId":"96083e4fb6dbc41d77578a213a6b6669c044dd4c143e96755396d2bf11fd6068"}`),
		ReadOnly:     true,
		Resources:    [3]audit.Resource{{ARN: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", Account: "111122223333"}},
		Count:        1,
		Recipient:    "111122223333",
		TLSVersion:   "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", KeyExchange: "X25519MLKEM768",
		HostHeader: []byte("kms.us-east-1.amazonaws.com"),
	}
	copy(e.RequestID[:], "7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01")
	copy(e.EventID[:], "1f2e3d4c-0000-4aaa-8bbb-ccccdddd0001")
	return e
}

func openLog(t testing.TB, o audit.Options) *audit.Log {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l, err := audit.OpenLog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// BenchmarkRequestPath is what a request pays: the copy. The writer works between the timed parts.
func BenchmarkRequestPath(b *testing.B) {
	l := openLog(b, audit.Options{MaxTotal: 1 << 28})
	e := usual()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		l.Record(0, &e)
		if n%512 == 511 {
			b.StopTimer()
			if err := l.Flush(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// vary makes ids of n that compress no better than random ones.
func vary(e *audit.Entry, n int) {
	x := uint64(n)*0x9e3779b97f4a7c15 + 1
	for i := range 36 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		const digits = "0123456789abcdef"
		if e.RequestID[i] != '-' {
			e.RequestID[i], e.EventID[i] = digits[x>>60], digits[x>>20&15]
		}
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	l := openLog(t, audit.Options{})
	e := usual()
	for range 10_000 { // buffers grow to what they need
		l.Record(0, &e)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { l.Record(0, &e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
