package engine_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// everyOperation is a workload with each operation that a mix may contain.
const everyOperation = `name: every
keys:
  - {name: symmetric, count: 2}
  - {name: rsa, spec: RSA_2048}
  - {name: ecc, spec: ECC_NIST_P256}
  - {name: mac, spec: HMAC_256}
mix:
  - {operation: Encrypt, keys: symmetric, context: {tenant: "{v}"}}
  - {operation: Decrypt, keys: symmetric, context: {tenant: "{v}"}}
  - {operation: ReEncrypt, keys: symmetric}
  - {operation: GenerateDataKey, keys: symmetric}
  - {operation: GenerateDataKeyWithoutPlaintext, keys: symmetric}
  - {operation: GenerateRandom}
  - {operation: Sign, keys: ecc}
  - {operation: Verify, keys: ecc}
  - {operation: GenerateMac, keys: mac}
  - {operation: VerifyMac, keys: mac}
  - {operation: GetPublicKey, keys: rsa}
  - {operation: DescribeKey, keys: symmetric}
  - {operation: GetKeyPolicy, keys: symmetric}
  - {operation: ListKeyPolicies, keys: symmetric}
  - {operation: ListResourceTags, keys: symmetric}
  - {operation: ListAliases, keys: symmetric}
  - {operation: ListKeys}
`

// What the SDK sends means what the native engine sends: the same operations with equal bodies, hit by hit.
func TestSDKSendsTheSame(t *testing.T) {
	t.Parallel()
	w := parse(t, everyOperation)
	sent := map[string][]string{}
	for _, name := range []string{"native", "sdk"} {
		f := newFakeKMS(t)
		keys, err := engine.Provision(t.Context(), f.target(), w, engine.ProvisionOptions{Concurrency: 1, MaxArtifacts: 16})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		f.misbehave = func(_ uint64, operation string, w http.ResponseWriter, r *http.Request) bool {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			defer mu.Unlock()
			sent[name] = append(sent[name], operation+" "+sortedMembers(body))
			return false
		}
		e, err := engine.New(name)
		if err != nil {
			t.Fatal(err)
		}
		_, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: keys, Seed: 3, Connections: 4, Schedule: schedule.Constant(400, time.Second)})
		if s.Count(measure.OK) != 400 || len(f.bad) > 0 {
			t.Errorf("%s: %v, bad %v", name, s.Errors, f.bad)
		}
		slices.Sort(sent[name])
	}
	if !slices.Equal(sent["native"], sent["sdk"]) {
		for i := range sent["native"] {
			if i >= len(sent["sdk"]) || sent["native"][i] != sent["sdk"][i] {
				t.Fatalf("request %d of %d and %d:\nnative %s\nsdk    %s", i, len(sent["native"]), len(sent["sdk"]), sent["native"][i], sent["sdk"][min(i, len(sent["sdk"])-1)])
			}
		}
	}
}

// sortedMembers is a flat JSON object's text with its parts in order, which is enough to compare.
func sortedMembers(body []byte) string {
	parts := strings.FieldsFunc(string(body), func(r rune) bool { return strings.ContainsRune("{},", r) })
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// An application's view of throttling: calls succeed that were throttled at first, and attempts, retries and backoff are counted apart.
func TestSDKRetries(t *testing.T) {
	t.Parallel()
	e, err := engine.New("sdk")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options engine.SDKOptions
		refused uint64 // of each three requests, the first ones
		ok      bool
		per     int // attempts a call
	}{
		{"second attempt", engine.SDKOptions{}, 1, true, 2},
		{"all attempts in vain", engine.SDKOptions{MaxAttempts: 2}, 1000, false, 2},
		{"no retries", engine.SDKOptions{MaxAttempts: 1}, 1000, false, 1},
		{"adaptive", engine.SDKOptions{Adaptive: true}, 0, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeKMS(t)
			var mu sync.Mutex
			tries := map[string]uint64{}
			f.misbehave = func(_ uint64, _ string, w http.ResponseWriter, r *http.Request) bool {
				call := r.Header.Get("Amz-Sdk-Invocation-Id") // one for all attempts of a call
				mu.Lock()
				defer mu.Unlock()
				if tries[call]++; call == "" || tries[call] <= c.refused {
					fail(w, 400, "ThrottlingException")
					return true
				}
				return false
			}
			w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
			const calls = 20
			report, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 8, SDK: c.options,
				Schedule: schedule.Constant(40, 500*time.Millisecond)})
			if ok := s.Count(measure.OK) == calls; ok != c.ok || !ok && s.Errors["ThrottlingException"] != calls {
				t.Errorf("%d OK, %v", s.Count(measure.OK), s.Errors)
			}
			k := report.SDK
			want := uint64(calls * c.per)
			if k.Calls != calls || k.Attempts != want || f.requests.Load() != want || len(k.ByAttempts) != c.per || k.ByAttempts[c.per-1] != calls {
				t.Errorf("%+v; %d requests came", k, f.requests.Load())
			}
			throttled := want
			if c.ok {
				throttled = calls * c.refused
			}
			if (k.Mode == "adaptive") != c.options.Adaptive {
				t.Errorf("mode %s", k.Mode)
			}
			if k.Throttled != throttled || k.Errors["ThrottlingException"] != throttled || uint64(k.Latency.TotalCount()) != want {
				t.Errorf("%d throttled attempts of %d, %v", k.Throttled, throttled, k.Errors)
			}
			if retried := k.Retried(); (c.per > 1) != (retried == calls) || (c.per > 1) != (k.Backoff > 0) {
				t.Errorf("%d calls tried again, backoff %v", retried, k.Backoff)
			}
		})
	}
}

// The retry tokens are the SDK's: 500 of them at 14 a retry allow 35 retries of a client whose calls all fail.
func TestSDKRetryTokens(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.misbehave = func(_ uint64, _ string, w http.ResponseWriter, _ *http.Request) bool {
		fail(w, 500, "KMSInternalException")
		return true
	}
	e, err := engine.New("sdk")
	if err != nil {
		t.Fatal(err)
	}
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	report, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 32, Timeout: 20 * time.Second,
		Schedule: schedule.Constant(400, 400*time.Millisecond), SDK: engine.SDKOptions{MaxAttempts: 2}})
	if s.Errors["KMSInternalException"] != 160 || report.SDK.Attempts != 195 || report.SDK.Refused != 125 || report.SDK.Retried() != 35 {
		t.Errorf("%v, %+v", s.Errors, report.SDK)
	}
}

// The cap on requests counts attempts and is final.
func TestSDKRequestCap(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.misbehave = func(_ uint64, _ string, w http.ResponseWriter, _ *http.Request) bool {
		fail(w, 400, "ThrottlingException")
		return true
	}
	e, err := engine.New("sdk")
	if err != nil {
		t.Fatal(err)
	}
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	target := f.target()
	target.MaxRequests = 7
	report, s := run(t, e, &engine.Plan{Target: target, Workload: w, Keys: engine.NoKeys(w, 7), Connections: 4, Schedule: schedule.Constant(100, 100*time.Millisecond)})
	if f.requests.Load() != 7 || report.SDK.Attempts != 7 || report.Capped == 0 || s.Errors["RequestCap"] == 0 || s.Count(measure.NeverSent) != s.Errors["RequestCap"] {
		t.Errorf("%d requests, %+v, %v", f.requests.Load(), report, s.Errors)
	}
}

func TestSDKAttemptTimeout(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	var n atomic.Uint64
	f.misbehave = func(_ uint64, _ string, w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1)%2 == 1 {
			silence(w, r)
			return true
		}
		return false
	}
	e, err := engine.New("sdk")
	if err != nil {
		t.Fatal(err)
	}
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	report, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 4,
		Schedule: schedule.Constant(1, time.Second), SDK: engine.SDKOptions{AttemptTimeout: 200 * time.Millisecond}})
	if s.Count(measure.OK) != 1 || report.SDK.Attempts != 2 || report.SDK.Errors["Timeout"] != 1 {
		t.Errorf("%v, %+v", s.Errors, report.SDK)
	}
	if l := measure.Quantile(s.Latency(measure.OK), 1); l < 200*time.Millisecond {
		t.Errorf("latency %v, though the first attempt took 200 ms", l)
	}
}
