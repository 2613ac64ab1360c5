package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"trent/loadgen/plan/queueing"
	"trent/loadgen/plan/sim"
	"trent/results"
)

// hsmKinds are the operations of an HSM that a profile gives rates of.
var hsmKinds = []string{
	"aes", "hmac", "rsa-2048-private", "rsa-3072-private", "rsa-4096-private", "rsa-2048-public", "rsa-3072-public", "rsa-4096-public",
	"p256-sign", "p256-verify", "p384-sign", "p384-verify", "p521-sign", "p521-verify", "secp256k1-sign", "secp256k1-verify",
	"ed25519-sign", "ed25519-verify", "ml-dsa-sign", "ml-dsa-verify", "key-pair-ec", "key-pair-rsa",
}

var curves = map[string]string{"ECC_NIST_P256": "p256", "ECC_NIST_P384": "p384", "ECC_NIST_P521": "p521", "ECC_SECG_P256K1": "secp256k1", "ECC_NIST_EDWARDS25519": "ed25519"}

// hsmWork is what a call makes an HSM do: a kind of operation, and how many. "" for what needs none.
func hsmWork(operation, spec string) (kind string, times float64) {
	private := operation == "Decrypt" || operation == "Sign"
	switch {
	case strings.HasPrefix(operation, "GenerateDataKeyPair"):
		if strings.HasPrefix(spec, "RSA_") {
			return "key-pair-rsa", 1
		}
		return "key-pair-ec", 1
	case operation == "ReEncrypt":
		return "aes", 2
	case operation == "GenerateMac" || operation == "VerifyMac":
		return "hmac", 1
	case operation == "GenerateDataKey" || operation == "GenerateDataKeyWithoutPlaintext":
		return "aes", 1
	case !slices.Contains([]string{"Encrypt", "Decrypt", "Sign", "Verify"}, operation):
		return "", 0
	case strings.HasPrefix(spec, "RSA_"):
		size := strings.TrimPrefix(spec, "RSA_")
		if private {
			return "rsa-" + size + "-private", 1
		}
		return "rsa-" + size + "-public", 1
	case strings.HasPrefix(spec, "ML_DSA_"):
		return map[bool]string{true: "ml-dsa-sign", false: "ml-dsa-verify"}[private], 1
	case curves[spec] != "":
		return curves[spec] + map[bool]string{true: "-sign", false: "-verify"}[private], 1
	}
	return "aes", 1
}

// work is what a call makes one of the profile's machines do.
func (p *Profile) work(operation, spec string) (kind string, times float64) {
	if p.recorded != nil {
		return operation, 1
	}
	return hsmWork(operation, spec)
}

// hsmLoad is the operations a second by kind at the busiest second that is expected.
func (p *day) hsmLoad(profile *Profile) map[string]float64 {
	total := make([]float64, p.seconds)
	series := make([]float64, p.seconds)
	add := func(visit func(kind string, times float64, series []float64)) {
		for f := range p.demand.Flows {
			if kind, times := profile.work(p.demand.Flows[f].Operation, p.demand.Flows[f].KeySpec); kind != "" {
				p.demand.expected(f, p.options.Scale, series)
				visit(kind, times, series)
			}
		}
	}
	add(func(_ string, times float64, series []float64) {
		for s, n := range series {
			total[s] += n * times
		}
	})
	peak := 0
	for s, n := range total {
		if n > total[peak] {
			peak = s
		}
	}
	load := map[string]float64{}
	add(func(kind string, times float64, series []float64) { load[kind] += series[peak] * times })
	for kind, rate := range load {
		if rate == 0 {
			delete(load, kind)
		}
	}
	return load
}

// maxHSMs is where a search gives up.
const maxHSMs = 1000

// sizes answers for each profile how many HSMs are needed.
func (o *Options) sizes(p *day) (*results.PlanHSMs, error) {
	out := &results.PlanHSMs{Limit: o.Limit, Q: o.Quantile}
	for i := range o.Profiles {
		o.Progress("simulating HSMs: %s", o.Profiles[i].Title)
		load, rate := p.hsmLoad(&o.Profiles[i]), 0.0
		for _, n := range load {
			rate += n
		}
		out.PeakRate = max(out.PeakRate, rate)
		one, err := o.size(&o.Profiles[i], load)
		if err != nil {
			return nil, err
		}
		out.Profiles = append(out.Profiles, *one)
	}
	return out, nil
}

func (o *Options) size(p *Profile, load map[string]float64) (*results.PlanProfile, error) {
	out := &results.PlanProfile{Name: p.Name, Title: p.Title, Assumed: p.Assumed, Engines: p.Engines}
	total, missing := 0.0, 0.0
	var weights []float64
	var services, delays []sim.Sampler
	rate := 0.0
	for _, kind := range slices.Sorted(maps.Keys(load)) { // in a fixed order, so that a seed repeats
		total += load[kind]
		service, other := p.times(kind)
		if service == nil {
			out.Missing = append(out.Missing, kind)
			missing += load[kind]
			continue
		}
		rate += load[kind]
		weights = append(weights, load[kind])
		services, delays = append(services, service), append(delays, other)
	}
	out.MissingShare = shareOf(missing, total)
	switch {
	case rate == 0 && missing > 0:
		out.Why = "no rate is published for " + strings.Join(out.Missing, ", ")
		return out, nil
	case rate == 0:
		out.Why = "the calls need no HSM"
		return out, nil
	}
	mean, scv := sim.Moments(weights, services)
	out.Service = time.Duration(mean * 1e9)
	delay, _ := sim.Moments(weights, delays)
	least := queueing.Servers(rate, mean, scv, 0.999, math.Inf(1), maxHSMs*p.Engines)
	if delay+mean > o.Limit.Seconds() {
		out.Why = fmt.Sprintf("an idle one takes %s on average", time.Duration((delay+mean)*1e9).Round(10*time.Microsecond))
		return out, nil
	}
	if least == 0 {
		out.Why = fmt.Sprintf("more than %d", maxHSMs)
		return out, nil
	}
	return out, o.search(out, p, sizing{rate, mean, scv, weights, services, delays}, max((least+p.Engines-1)/p.Engines, 1))
}

// times are what an operation takes of an engine, and besides; nil where nobody says.
func (p *Profile) times(kind string) (service, delay sim.Sampler) {
	if p.recorded != nil {
		t := p.recorded[kind]
		return t.service, t.delay
	}
	if p.Operations[kind] == 0 {
		return nil, nil
	}
	return sim.Constant(float64(p.Engines) / p.Operations[kind]), sim.Constant(time.Duration(p.Delay).Seconds())
}

// sizing is the operations that HSMs serve.
type sizing struct {
	rate, mean, scv  float64
	weights          []float64
	services, delays []sim.Sampler
}

// search goes up from the fewest HSMs that bear the load until the limit holds with one down, and one beyond.
func (o *Options) search(out *results.PlanProfile, p *Profile, s sizing, least int) error {
	cache := map[int]sim.Quantile{}
	tail := func(n int) (sim.Quantile, error) {
		if q, ok := cache[n]; ok {
			return q, nil
		}
		q, err := o.simulate(s, n*p.Engines)
		cache[n] = q[1]
		return q[1], err
	}
	beyond, before := 0, math.Inf(1)
	for n := least; n <= least+64 && beyond < 2; n++ {
		q, err := o.simulate(s, n*p.Engines)
		if err != nil {
			return err
		}
		cache[n] = q[1]
		size := results.PlanSize{HSMs: n, Load: s.rate * s.mean / float64(n*p.Engines), LoadOne: math.Inf(1), P50: latencyOf(q[0].Value), Tail: latencyOf(q[1].Value),
			MeanWait: time.Duration(min(queueing.WaitGGC(n*p.Engines, s.rate, s.mean, 1, s.scv), 1e9) * 1e9), OneDown: results.Never}
		if n > 1 {
			size.LoadOne = s.rate * s.mean / float64((n-1)*p.Engines)
			if size.LoadOne < 0.999 {
				one, err := tail(n - 1)
				if err != nil {
					return err
				}
				size.OneDown, size.OneLow, size.OneHigh = latencyOf(one.Value), interval(one.Low), interval(one.High)
				// The upper end of the interval decides where there is one.
				size.Holds = one.Value <= o.Limit.Seconds() && !(one.High > o.Limit.Seconds())
			}
		}
		if math.IsInf(size.LoadOne, 0) || size.LoadOne > 1e6 {
			size.LoadOne = 1e6
		}
		size.Untrusted = size.LoadOne > trustedLoad
		out.Sizes = append(out.Sizes, size)
		// Where one more changes nothing, it is the operations themselves that take too long.
		if q[1].Value > o.Limit.Seconds() && q[1].Value > 0.995*before {
			break
		}
		before = q[1].Value
		if size.Holds {
			beyond++
			if out.Needed == 0 {
				out.Needed = n
				out.Why = fmt.Sprintf("with one of %d down they are %.0f %% busy and %s", n, size.LoadOne*100, within(o.Quantile, size.OneDown, o.Limit))
			}
		}
	}
	if out.Needed == 0 {
		out.Why = "no number of them keeps the limit: the operations themselves take too long"
	}
	const shown = 6
	if extra := len(out.Sizes) - shown; extra > 0 {
		out.Sizes = out.Sizes[extra:]
	}
	return nil
}

func within(q float64, value results.Latency, limit time.Duration) string {
	return fmt.Sprintf("p%g is %s, within %s", q*100, value, limit)
}

// simulated is how many operations a size is simulated with.
const simulated = 150_000

// simulate gives the median and the tail of calls with so many engines, first come first served over all of them.
func (o *Options) simulate(s sizing, engines int) ([]sim.Quantile, error) {
	if s.rate*s.mean >= 0.999*float64(engines) {
		return []sim.Quantile{{Value: math.Inf(1)}, {Value: math.Inf(1)}}, nil
	}
	m := sim.Model{Servers: engines}
	for i, service := range s.services {
		m.Classes = append(m.Classes, sim.Class{Service: service, Delay: s.delays[i]})
	}
	// Rare percentiles need as many more operations.
	n := max(float64(simulated), 300/(1-o.Quantile))
	// The fuller, the longer what happened is remembered, and the more it takes to know a percentile.
	free := 1 - s.rate*s.mean/float64(engines)
	n *= min(max(0.1/(free*free), 1), 6)
	length := n / s.rate
	out, err := sim.Run(&m, sim.Poisson(s.rate, length, s.weights, o.Seed), o.Seed)
	if err != nil {
		return nil, err
	}
	// The queue starts empty; the first tenth is left out.
	return out.Quantiles(length/10, false, 0.5, o.Quantile), nil
}

// trustedLoad is the load up to which percentiles are expected to hold within 15 %.
const trustedLoad = 0.8
