package plan_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/plan"
	"trent/loadgen/quota"
	"trent/loadgen/workload"
	"trent/results"
)

// limitedService answers just enough of the API over TLS, and throttles Sign by windows of a second.
type limitedService struct {
	*httptest.Server
	perSecond int

	mu     sync.Mutex
	second int64
	used   int
	keys   int
}

func newLimitedService(t *testing.T, perSecond int) *limitedService {
	t.Helper()
	s := &limitedService{perSecond: perSecond}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *limitedService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."); operation {
	case "CreateKey":
		s.mu.Lock()
		s.keys++
		fmt.Fprintf(w, `{"KeyMetadata":{"KeyId":"key-%d"}}`, s.keys)
		s.mu.Unlock()
	case "Sign":
		if !s.admit(time.Now().Unix()) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ThrottlingException","message":"You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."}`)
			return
		}
		fmt.Fprint(w, `{"Signature":"AAAA","KeyId":"k"}`)
	default:
		fmt.Fprint(w, `{}`)
	}
}

func (s *limitedService) admit(second int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second != s.second {
		s.second, s.used = second, 0
	}
	s.used++
	return s.used <= s.perSecond
}

// The SDK's own retries against the limiter: throttled attempts ÷ attempts as predicted, within what windows of an
// unknown phase leave open in so short a run.
func TestRunWithTheSDK(t *testing.T) {
	if testing.Short() {
		t.Skip("the SDK waits up to six seconds for its retries")
	}
	t.Parallel()
	record, err := plan.Run(t.Context(), limitedRun(t, newLimitedService(t, 60), "sdk"))
	if err != nil {
		t.Fatal(err)
	}
	share := record.Plan.Verify.Checks[0]
	if record.Plan.Verify.Checks[2].Outcome != "not judged" || share.Predicted < 0.3 || math.Abs(share.Predicted-share.Measured) > 0.2 {
		t.Errorf("%+v", record.Plan.Verify)
	}
}

// A whole plan with its verification over TLS: the record, its throttled share beside the limiter's, and the keys gone.
func TestRunAgainstALimiter(t *testing.T) {
	t.Parallel()
	var problem string
	for range 4 { // a machine that is held up answers nothing in time
		if problem = againstALimiter(t); problem == "" {
			return
		}
	}
	t.Error(problem)
}

// againstALimiter says what is wrong with a plan held against a limiter, "" for nothing.
func againstALimiter(t *testing.T) string {
	s := newLimitedService(t, 60)
	record, err := plan.Run(t.Context(), limitedRun(t, s, ""))
	if err != nil {
		return err.Error()
	}
	v := record.Plan.Verify
	// The run begins within a window and ends within one, each of which admits a full quota: up to 60 of 300 hits more
	// than the plan, whose windows are whole, has; so the share is known to a fifth here, and to 2 points in virtual time.
	if !v.Throttles || math.Abs(v.Checks[0].Predicted-0.4) > 0.02 || math.Abs(v.Checks[0].Measured-0.4) > 0.22 || v.Checks[2].Outcome != "not judged" {
		return fmt.Sprintf("%+v", v)
	}
	if record.Kind != results.Plan || record.Total.Due < 200 || record.Total.Count("throttled") == 0 || record.Target.URL != s.URL {
		return fmt.Sprintf("record: %+v", record.Total)
	}
	return ""
}

// limitedRun is a plan for 100 signatures a second against a quota of 60, held against the service.
func limitedRun(t *testing.T, s *limitedService, sender string) plan.Request {
	t.Helper()
	w, err := workload.Parse("sign.yaml", []byte("name: sign\nkeys: [{name: k, spec: ECC_NIST_P256, usage: SIGN_VERIFY}]\nmix: [{operation: Sign}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	o := options(t)
	o.Demand = plan.FromWorkload(w, 100, 0, 0)
	o.Quotas, _ = quota.Defaults("us-east-1").With(map[string]float64{quota.ECC: 60})
	return plan.Request{Options: o, Workload: results.Text{Name: "sign"}, Verify: &plan.VerifyRequest{Workload: w, Engine: sender, Whole: true, Servers: 8, Connections: 8,
		Rate: 100, Time: 3 * time.Second, CalibrationTime: time.Second,
		Target: engine.Target{URL: s.URL, Region: "us-east-1", RootCAs: roots, Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}}}
}
