package plan_test

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/plan"
	"trent/loadgen/quota"
	"trent/loadgen/retry"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
)

// reference is a server with c places, first come first served, a network in front, and perhaps a quota a second. It is
// worked out hit by hit, without a clock, and shares nothing with the simulation.
type reference struct {
	places   int
	service  func(*rand.Rand) time.Duration
	delay    func(*rand.Rand) time.Duration
	perSec   int           // 0: no quota
	cpu      time.Duration // a request, as a meter would see it; 0: none seen
	slowdown float64       // of the service above 500 hits a second; 0: none
	runs     int
	hits     int
}

func (m *reference) Name() string { return "reference" }
func (m *reference) Begin()       {}
func (m *reference) End() (time.Time, []machine.Sample) {
	s := machine.Sample{At: time.Second}
	s.Wall, s.HasServer, s.ServerCPU = time.Second, true, m.cpu*time.Duration(m.hits)
	return time.Time{}, []machine.Sample{s}
}

func (m *reference) Run(_ context.Context, p *engine.Plan) (engine.Report, error) {
	m.runs++
	random := rand.New(rand.NewPCG(77, uint64(m.runs)))
	shard := p.Recorder.NewShard()
	free := make([]time.Duration, m.places)
	window, used := time.Duration(-1), 0
	var n uint64
	for hits := p.Schedule.Iterator(); ; n++ {
		hit, ok := hits.Next()
		if !ok {
			break
		}
		s := measure.Sample{N: hit.N, Due: hit.Due, Handed: hit.Due, ConnFree: hit.Due, FirstWrite: hit.Due, Outcome: measure.OK}
		delay := m.delay(random)
		if second := hit.Due / time.Second; second != window {
			window, used = second, 0
		}
		if used++; m.perSec > 0 && used > m.perSec {
			s.Outcome, s.Done = measure.Throttled, hit.Due+delay
		} else {
			first := 0
			for i := range free {
				if free[i] < free[first] {
					first = i
				}
			}
			work := m.service(random)
			if m.slowdown > 0 && p.Schedule.MeanRate() > 500 {
				work = time.Duration(float64(work) * m.slowdown)
			}
			free[first] = max(free[first], hit.Due) + work
			s.Done = free[first] + delay
		}
		s.FirstByte = s.Done
		shard.Record(&s)
	}
	m.hits = int(n)
	return engine.Report{Engine: "reference", Elapsed: p.Schedule.Duration(), Due: n, Sent: n, Done: n}, nil
}

func verification(t *testing.T, m *reference, key string, rate float64) plan.Verification {
	t.Helper()
	operation := map[string]string{"SYMMETRIC_DEFAULT": "GenerateDataKey", "ECC_NIST_P256": "Sign"}[key] // quotas of 100,000 and 1,000/s
	w, err := workload.Parse("one.yaml", []byte("name: one\nkeys: [{name: k, spec: "+key+"}]\nmix: [{operation: "+operation+"}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return plan.Verification{Workload: w, Servers: m.places, Rate: rate, Calibration: 20, CalibrationTime: 1000 * time.Second, Time: time.Duration(200_000/rate) * time.Second,
		Seed: 3, Whole: m.cpu == 0, Plan: plan.Options{Quotas: quota.Defaults("us-east-1"), Prices: plan.DefaultPrices()},
		Try: func(ctx context.Context, s schedule.Schedule) (*attack.Result, error) {
			trial := attack.Trial{Engine: m, Meter: m, Limits: slo.None(), Plan: engine.Plan{Workload: w, Schedule: s, Seed: 1}}
			return trial.Run(ctx)
		}}
}

func exponential(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

func constant(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// Within the trust region the predicted p99 lies within 15 % of what the reference shows.
func TestVerifyPercentiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		server reference
		rate   float64
	}{
		{"one place, 50 % busy", reference{places: 1, service: exponential(2 * time.Millisecond), delay: constant(0)}, 250},
		{"one place, 78 % busy", reference{places: 1, service: exponential(2 * time.Millisecond), delay: constant(0)}, 390},
		{"four places, 75 % busy", reference{places: 4, service: constant(2 * time.Millisecond), delay: constant(0)}, 1500},
		{"CPU time and a network", reference{places: 2, service: constant(time.Millisecond), delay: exponential(time.Millisecond), cpu: time.Millisecond}, 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := verification(t, &c.server, "SYMMETRIC_DEFAULT", c.rate).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p99 := out.Verify.Checks[2]
			if out.Result != slo.Pass || !out.Verify.Trusted || p99.Outcome != "pass" || math.Abs(p99.Predicted-p99.Measured) > 0.15*p99.Measured {
				t.Errorf("%v, %+v", out.Result, out.Verify)
			}
		})
	}
}

// A server that slows down under load is not what its calibration said: the verification misses.
func TestVerifyMisses(t *testing.T) {
	t.Parallel()
	m := reference{places: 4, service: exponential(2 * time.Millisecond), delay: constant(0), slowdown: 1.4}
	out, err := verification(t, &m, "SYMMETRIC_DEFAULT", 1200).Run(t.Context())
	if err != nil || out.Result != slo.Fail || out.Result.ExitCode() != 3 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestVerifyOutsideTheTrustRegion(t *testing.T) {
	t.Parallel()
	m := reference{places: 1, service: exponential(2 * time.Millisecond), delay: constant(0)}
	out, err := verification(t, &m, "SYMMETRIC_DEFAULT", 460).Run(t.Context())
	if err != nil || out.Verify.Trusted || out.Verify.Checks[2].Outcome != "not judged" || !strings.Contains(out.Verify.Why, "% busy by the prediction") {
		t.Errorf("%+v, %v", out, err)
	}
}

// The throttled share lies within 2 points of a reference limiter's, from a little to much.
func TestVerifyThrottles(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{950, 1000, 1500} {
		m := reference{places: 8, service: constant(time.Millisecond), delay: constant(time.Millisecond), perSec: 1000}
		v := verification(t, &m, "ECC_NIST_P256", rate)
		v.CalibrationTime, v.Time = 100*time.Second, 60*time.Second
		out, err := v.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		share := out.Verify.Checks[0]
		if share.Outcome != "pass" || math.Abs(share.Predicted-share.Measured) > 0.02 || out.Result != slo.Pass {
			t.Errorf("rate %g: %+v", rate, share)
		}
		// The same load on an endpoint without quotas: not a miss of the plan, and said.
		m.perSec = 0
		if out, err = v.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		silent := strings.Contains(out.Verify.Why, "does not throttle")
		if want := out.Verify.Checks[0].Predicted > 0.02; silent != want || want && out.Verify.Checks[0].Outcome != "not judged" {
			t.Errorf("rate %g without quotas: %+v", rate, out.Verify)
		}
		// And a quota of half the size: a miss.
		m.perSec = 500
		if out, err = v.Run(t.Context()); err != nil || out.Result != slo.Fail {
			t.Errorf("rate %g with half the quota: %+v, %v", rate, out, err)
		}
	}
}

func TestVerifyNothingAnswered(t *testing.T) {
	t.Parallel()
	m := reference{places: 1, service: constant(time.Millisecond), delay: constant(0), perSec: -1}
	m.perSec = 1
	v := verification(t, &m, "SYMMETRIC_DEFAULT", 100)
	v.Calibration, v.CalibrationTime = 1e-9, time.Second
	if _, err := v.Run(t.Context()); err == nil {
		t.Error("no error without a calibration")
	}
}

// attempt is one of a call's, in the reference client's own queue.
type attempt struct {
	at, due time.Duration
	n       int
	hit     uint64
}

type attempts []attempt

func (h attempts) Len() int           { return len(h) }
func (h attempts) Less(i, j int) bool { return h[i].at < h[j].at }
func (h attempts) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *attempts) Push(x any)        { *h = append(*h, x.(attempt)) }
func (h *attempts) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// retrying is the reference with a client in front that tries again as the SDK's standard mode says, by loadgen/retry.
type retrying struct {
	reference
	policy          retry.Policy
	sent, throttled uint64
}

func (m *retrying) Run(_ context.Context, p *engine.Plan) (engine.Report, error) {
	random := rand.New(rand.NewPCG(78, p.Seed))
	shard := p.Recorder.NewShard()
	tokens := m.policy.NewBucket()
	taken := map[uint64]float64{}
	var queue attempts
	hits := p.Schedule.Iterator()
	hit, more := hits.Next()
	m.sent, m.throttled = 0, 0
	window, used, n := time.Duration(-1), 0, uint64(0)
	for more || len(queue) > 0 {
		var a attempt
		if more && (len(queue) == 0 || hit.Due <= queue[0].at) {
			a = attempt{at: hit.Due, due: hit.Due, n: 1, hit: hit.N}
			n++
			hit, more = hits.Next()
		} else {
			a = heap.Pop(&queue).(attempt)
		}
		m.sent++
		s := measure.Sample{N: a.hit, Due: a.due, Handed: a.due, ConnFree: a.due, FirstWrite: a.due}
		if second := a.at / time.Second; second != window {
			window, used = second, 0
		}
		used++
		s.Done = a.at + m.service(random)
		if used > m.perSec {
			m.throttled++
			s.Outcome = measure.Throttled
			if m.policy.Retries(a.n, retry.Throttle) {
				if cost, ok := tokens.Take(retry.Throttle); ok {
					taken[a.hit] = cost
					heap.Push(&queue, attempt{at: s.Done + m.policy.Delay(a.n, retry.Throttle, random.Float64()), due: a.due, n: a.n + 1, hit: a.hit})
					continue
				}
			}
		} else if a.n > 1 {
			tokens.Retried(taken[a.hit])
		} else {
			tokens.Succeeded()
		}
		s.FirstByte = s.Done
		shard.Record(&s)
	}
	return engine.Report{Engine: "retrying", Elapsed: p.Schedule.Duration(), Due: n, Sent: n, Done: n}, nil
}

// With the SDK's retries throttled attempts ÷ attempts agree within 2 points, and the median and p99 of whole calls are
// near each other, though nobody promises it.
func TestVerifyRetries(t *testing.T) {
	t.Parallel()
	for _, mode := range []retry.Mode{retry.Standard, retry.GoStandard, retry.Legacy} {
		for _, rate := range []float64{990, 1200} {
			p, err := retry.ByName(string(mode))
			if err != nil {
				t.Fatal(err)
			}
			m := &retrying{reference: reference{places: 1000, service: constant(2 * time.Millisecond), delay: constant(0), perSec: 1000}, policy: p}
			v := verification(t, &m.reference, "ECC_NIST_P256", rate)
			w := v.Workload
			v.CalibrationTime, v.Time, v.Retry = 100*time.Second, 160*time.Second, policy(t, string(mode))
			v.Try = func(ctx context.Context, s schedule.Schedule) (*attack.Result, error) {
				trial := attack.Trial{Engine: m, Meter: m, Limits: slo.None(), Plan: engine.Plan{Workload: w, Schedule: s, Seed: 1}}
				return trial.Run(ctx)
			}
			v.Attempts = func(*attack.Result) (uint64, uint64) { return m.sent, m.throttled }
			out, err := v.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			share, p50, p99 := out.Verify.Checks[0], out.Verify.Checks[1], out.Verify.Checks[2]
			if math.Abs(share.Predicted-share.Measured) > 0.02 || out.Result != slo.Pass {
				t.Errorf("%s at %g/s: %+v", mode, rate, share)
			}
			inside := p99.Low <= p99.Predicted && p99.Predicted <= p99.High // near the quota one run says little
			if p50.Outcome != "not judged" || p99.Outcome != "not judged" || math.Abs(p50.Predicted-p50.Measured) > 0.1*p50.Measured ||
				math.Abs(p99.Predicted-p99.Measured) > 0.25*p99.Measured && !inside {
				t.Errorf("%s at %g/s: %+v, %+v", mode, rate, p50, p99)
			}
		}
	}
}
