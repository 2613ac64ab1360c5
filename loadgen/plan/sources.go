package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/plan/sim"
	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
	"trent/results"
)

// FromCauses is the demand of a day of a file of causes.
func FromCauses(f *traffic.File) *Demand {
	d := FromFlows("causes of "+f.Name, f.Flows())
	d.KeyCounts = map[string]float64{}
	for _, k := range f.Keys {
		d.KeyCounts[k.Name] = float64(k.Count)
	}
	for _, c := range f.Causes {
		for _, a := range c.Assumptions {
			if text := fmt.Sprintf("%s, %s: %s.", c.Model, a.About, strings.TrimSuffix(a.Text, ".")); !slices.Contains(d.Assumptions, text) {
				d.Assumptions = append(d.Assumptions, text)
			}
		}
	}
	return d
}

// FlowsOf are a workload's entries at a mean rate over all of them, with a day curve: the swing as a share of the mean
// and the time of day of the peak.
func FlowsOf(w *workload.Workload, rate, swing float64, peak time.Duration) []traffic.Flow {
	total := 0.0
	for i := range w.Mix {
		total += w.Mix[i].Weight
	}
	var out []traffic.Flow
	for i := range w.Mix {
		e := &w.Mix[i]
		f := traffic.Flow{Cause: e.Cause, Service: e.Service, Caller: e.Caller, Operation: e.Operation}
		if f.Cause == "" {
			f.Cause = e.Name
		}
		if g := e.Group(); g >= 0 {
			f.Key, f.KeySpec = w.Keys[g].Name, w.Keys[g].Spec
		}
		if e.PairSpec != "" {
			f.KeySpec = e.PairSpec
		}
		mean := rate * e.Weight / total
		f.Rate = traffic.Curve{Mean: mean}
		if swing > 0 {
			f.Rate.Swing, f.Rate.Period, f.Rate.Peak = mean*swing, traffic.Day, peak
		}
		out = append(out, f)
	}
	return out
}

// FromWorkload is the demand of a day of a workload's mix.
func FromWorkload(w *workload.Workload, rate, swing float64, peak time.Duration) *Demand {
	d := FromFlows(fmt.Sprintf("workload %s at %s/s", w.Name, figure(rate)), FlowsOf(w, rate, swing, peak))
	d.KeyCounts = map[string]float64{}
	for _, g := range w.Keys {
		d.KeyCounts[g.Name] = float64(g.Count)
	}
	return d
}

// scheduled is a schedule's hits with the workload's entries drawn for them.
type scheduled struct {
	iterator schedule.Iterator
	sequence *workload.Sequence
}

func (s *scheduled) Next() (time.Duration, int, bool) {
	hit, ok := s.iterator.Next()
	if !ok {
		return 0, 0, false
	}
	var h workload.Hit
	s.sequence.HitOf(hit.N, int(hit.Entry), &h)
	return hit.Due, h.Entry, true
}

// MaxHits bounds the hits of a schedule that are counted one by one.
const MaxHits = 100_000_000

// FromSchedule is the demand of a schedule's own hits. Errors: more than MaxHits of them, no hits, too long.
func FromSchedule(w *workload.Workload, s schedule.Schedule, seed uint64) (*Demand, error) {
	if hits := s.MeanRate() * s.Duration().Seconds(); hits > MaxHits {
		return nil, fmt.Errorf("the schedule has %.3g hits, and a plan counts up to %.3g one by one: use --rate with --swing, or a shorter schedule", hits, float64(MaxHits))
	}
	d, err := FromArrivals(fmt.Sprintf("workload %s, %s", w.Name, s), FlowsOf(w, 1, 0, 0),
		&scheduled{iterator: s.Iterator(), sequence: w.Sequence(seed)}, false)
	if err != nil {
		return nil, err
	}
	d.Seconds = max(d.Seconds, int(math.Ceil(s.Duration().Seconds())))
	d.KeyCounts = map[string]float64{}
	for _, g := range w.Keys {
		d.KeyCounts[g.Name] = float64(g.Count)
	}
	return d, nil
}

// FromRecord is the demand of a recorded run: the rate of each operation, all day long, with the service times of good
// answers. Its arrivals are taken as Poisson. The recorded workload says which keys its entries use; without it (nil)
// they are taken as symmetric and unnamed. Errors: a record without operations, a histogram that does not decode.
func FromRecord(r *results.Record, w *workload.Workload) (*Demand, Times, error) {
	times := Times{ByOperation: map[string]sim.Sampler{}, Text: "service times of the recorded run"}
	if len(r.Operations) == 0 {
		return nil, times, fmt.Errorf("the record holds no operations")
	}
	specs, keys := map[string]string{}, map[string]string{}
	d := FromFlows(fmt.Sprintf("the %s run of %s at %s/s", r.Kind, r.Started.UTC().Format("2006-01-02 15:04 UTC"), figure(r.Total.DuePerSec)), nil)
	d.KeyCounts = map[string]float64{}
	if w != nil {
		for _, f := range w.Mix {
			if g := f.Group(); g >= 0 {
				specs[f.Name], keys[f.Name] = w.Keys[g].Spec, w.Keys[g].Name
				d.KeyCounts[w.Keys[g].Name] = float64(w.Keys[g].Count)
			}
			if f.PairSpec != "" {
				specs[f.Name] = f.PairSpec
			}
		}
	}
	merged := map[string]*hdr.Histogram{}
	for i := range r.Operations {
		op := &r.Operations[i]
		if op.API == "" || op.DuePerSec == 0 {
			continue
		}
		cause := op.Cause
		if cause == "" {
			cause = op.Name
		}
		d.Flows = append(d.Flows, traffic.Flow{Cause: cause, Service: op.From, Caller: op.Caller, Key: keys[op.Name], KeySpec: specs[op.Name],
			Operation: op.API, Rate: traffic.Curve{Mean: op.DuePerSec}})
		if err := addService(merged, op); err != nil {
			return nil, times, err
		}
	}
	if len(d.Flows) == 0 {
		return nil, times, fmt.Errorf("the record holds no operations with a rate")
	}
	for api, h := range merged {
		times.ByOperation[api] = sim.FromHistogram(h)
	}
	return d, times, nil
}

// addService merges the service times of an operation's good answers.
func addService(into map[string]*hdr.Histogram, op *results.Operation) error {
	for _, o := range op.Outcomes {
		if o.Name != "ok" || o.Service == nil {
			continue
		}
		h, err := o.Service.Decode()
		if err != nil {
			return fmt.Errorf("service times of %s: %w", op.Name, err)
		}
		if into[op.API] == nil {
			into[op.API] = h
		} else {
			into[op.API].Merge(h)
		}
	}
	return nil
}

// RecordedProfile is the server of a recorded run as a kind of machine to size with: it works on as many requests at a
// time as it had CPUs, a request keeps one of them for its CPU time (where the record has that; else for its whole service
// time), and the rest of its service time keeps nobody waiting. The times hold what requests waited for each other in
// the recorded run: a run at a low rate says more. ok is false where the record has no service times.
func RecordedProfile(r *results.Record, t Times) (p Profile, ok bool) {
	p = Profile{Name: "recorded", Title: "server as recorded", Source: fmt.Sprintf("the %s run of %s", r.Kind, r.Started.UTC().Format("2006-01-02 15:04 UTC")),
		Date: r.Started.UTC().Format("2006-01-02"), Engines: max(cpus(r), 1), recorded: map[string]recordedTime{}}
	weights, samplers := []float64{}, []sim.Sampler{}
	for i := range r.Operations {
		if s := t.ByOperation[r.Operations[i].API]; s != nil {
			weights, samplers = append(weights, r.Operations[i].DuePerSec), append(samplers, s)
		}
	}
	mean, _ := sim.Moments(weights, samplers)
	for api, sampler := range t.ByOperation {
		e, empirical := sampler.(*sim.Empirical)
		if !empirical || e.Count() == 0 {
			continue
		}
		one := recordedTime{service: e, delay: sim.Constant(0)}
		if r.Cost.Server != nil && mean > 0 && r.Cost.Server.Seconds() < mean {
			part := r.Cost.Server.Seconds() * e.Mean() / mean
			one = recordedTime{service: sim.Constant(part), delay: e.Less(part)}
		}
		p.recorded[api] = one
	}
	p.Assumed = fmt.Sprintf("that it works on %d requests at a time, its CPUs", p.Engines)
	return p, len(p.recorded) > 0
}

// cpus is how many CPUs the recorded server had.
func cpus(r *results.Record) int {
	n := 0
	for _, part := range strings.Split(r.Environment.ServerCPUs, ",") {
		var first, last int
		switch fields, _ := fmt.Sscanf(part, "%d-%d", &first, &last); fields {
		case 1:
			n++
		case 2:
			n += max(last-first+1, 0)
		}
	}
	if n == 0 {
		return r.Environment.Cores
	}
	return n
}
