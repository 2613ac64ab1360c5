package quota_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/quota"
)

var start = time.Unix(1_800_000_000, 0)

func limiter(t *testing.T, text string) *quota.Limiter {
	t.Helper()
	q, err := quota.ParseRequests(text)
	if err != nil {
		t.Fatal(err)
	}
	return quota.NewLimiter(q, start)
}

// admitted offers n requests at a time after the start.
func admitted(l *quota.Limiter, at time.Duration, account, region string, g quota.Group, n int) int {
	sum := 0
	for range n {
		if l.Admit(start.Add(at), "aws", account, region, "", g, 1) {
			sum++
		}
	}
	return sum
}

const account, other = "111122223333", "444455556666"

// Each second admits the quota and no more; what was left over is lost.
func TestLimiterCountsBySecond(t *testing.T) {
	t.Parallel()
	l := limiter(t, "aws")
	createKey := quota.ManagementGroup("CreateKey")
	for _, c := range []struct {
		at      time.Duration
		offered int
		want    int
	}{
		{0, 3, 3}, {900 * time.Millisecond, 3, 2}, {time.Second, 9, 5}, {5 * time.Second, 1, 1}, {5*time.Second + 1, 9, 4}, {4 * time.Second, 1, 0},
	} {
		if got := admitted(l, c.at, account, "us-east-1", createKey, c.offered); got != c.want {
			t.Errorf("at %v: %d of %d admitted, want %d", c.at, got, c.offered, c.want)
		}
	}
}

// Accounts, Regions and groups have quotas of their own; two requests at once are admitted both or not at all.
func TestLimiterKeepsApart(t *testing.T) {
	t.Parallel()
	l := limiter(t, "aws,CreateKey=3")
	createKey, createAlias := quota.ManagementGroup("CreateKey"), quota.ManagementGroup("CreateAlias")
	if got := admitted(l, 0, account, "us-east-1", createKey, 9); got != 3 {
		t.Errorf("%d admitted", got)
	}
	if got := admitted(l, 0, other, "us-east-1", createKey, 2); got != 2 {
		t.Errorf("another account: %d", got)
	}
	if l.Admit(start, "aws", other, "us-east-1", "", createKey, 2) || !l.Admit(start, "aws", other, "us-east-1", "", createKey, 1) {
		t.Error("two requests took the room of one")
	}
	if got := admitted(l, 0, account, "eu-west-1", createKey, 9); got != 3 {
		t.Errorf("another Region: %d", got)
	}
	if got := admitted(l, 0, account, "us-east-1", createAlias, 9); got != 5 {
		t.Errorf("another quota: %d", got)
	}
	var refused uint64
	l.Refused(func(g quota.Group, n uint64) {
		if g == createKey {
			refused = n
		}
	})
	if refused != 6+1+6 {
		t.Errorf("%d counted as refused", refused)
	}
}

// Rates that are no whole number are exact over time, the slowest too.
func TestLimiterHoldsFractions(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		region string
		g      quota.Group
		want   int // in 100 seconds
	}{
		"aws":            {"cn-north-1", quota.PairRSA4096, 10},
		"aws,scale=0.5":  {"cn-north-1", quota.PairRSA3072, 25},
		"aws,rsa=1.8":    {"us-east-1", quota.RSA, 180},
		"aws,scale=0.01": {"eu-central-1", quota.Symmetric, 20_000},
	} {
		l, sum := limiter(t, text), 0
		for second := range 100 {
			sum += admitted(l, time.Duration(second)*time.Second+time.Millisecond, account, c.region, c.g, 300)
		}
		if sum != c.want {
			t.Errorf("%s, %v: %d in 100 s, want %d", text, c.g, sum, c.want)
		}
	}
}

// Concurrent requests of new accounts share one count from the first on.
func TestLimiterIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	l := limiter(t, "aws")
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { sum.Add(int64(admitted(l, 0, account, "us-east-1", quota.RSA, 500))) })
	}
	wg.Wait()
	if sum.Load() != 1000 {
		t.Errorf("%d admitted of a quota of 1000", sum.Load())
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := limiter(t, "aws")
	if n := testing.AllocsPerRun(100, func() { l.Admit(start, "aws", account, "us-east-1", "", quota.Symmetric, 1) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestParseRequests(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"off": "off", "aws": "aws", "aws,scale=0.01": "aws,scale=0.01", "scale=2": "aws,scale=2", "aws, createkey=7.5": "aws,CreateKey=7.5",
		"aws,rsa=off,symmetric=10": "aws,symmetric=10,rsa=off",
	} {
		q, err := quota.ParseRequests(text)
		if err != nil || q.String() != want {
			t.Errorf("%q: %q, %v", text, q, err)
		}
	}
	for _, text := range []string{"", "on", "aws,aws", "aws,nothing=5", "rsa=-1", "rsa=0", "rsa=NaN", "scale=off", "scale=Inf", "aws,"} {
		if q, err := quota.ParseRequests(text); err == nil {
			t.Errorf("%q is taken as %q", text, q)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	q, err := quota.ParseRequests("aws,symmetric=1e9")
	if err != nil {
		b.Fatal(err)
	}
	l := quota.NewLimiter(q, start)
	for b.Loop() {
		l.Admit(start, "aws", account, "us-east-1", "", quota.Symmetric, 1)
	}
}
