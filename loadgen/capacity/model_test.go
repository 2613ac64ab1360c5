package capacity_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/capacity"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
)

// model is a queue with Poisson arrivals, exponential service and c servers (M/M/c, first come first served),
// behind a client that spends a fixed time on each request. It is an engine and the meter beside it, and lives in
// the virtual time of a synctest bubble.
type model struct {
	servers    int
	service    time.Duration // mean
	clientCost time.Duration
	spoil      func(attempt int, samples []machine.Sample) // what the machine does to an attempt; may be nil
	stopAt     int                                         // attempt in which the run is interrupted; 0: none
	cancel     context.CancelFunc

	attempts int
	began    time.Time
	server   []time.Duration // busy time by second of the current attempt
	client   []time.Duration
	capacity []float64 // mean rate of each attempt
}

func (m *model) Name() string { return "model" }

func (m *model) Begin() {
	m.began = time.Now()
	m.server, m.client = nil, nil
	m.attempts++
}

// End makes a sample a second: CPU 0 is the client's, the others are the servers.
func (m *model) End() (time.Time, []machine.Sample) {
	var samples []machine.Sample
	for i := range m.server {
		s := machine.Sample{At: time.Duration(i+1) * time.Second}
		s.Wall, s.HasServer = time.Second, true
		s.ClientCPU, s.ServerCPU = m.client[i], m.server[i]
		s.CPUs = []machine.CPUShare{{CPU: 0, Busy: min(m.client[i].Seconds(), 1)}}
		for c := range m.servers {
			s.CPUs = append(s.CPUs, machine.CPUShare{CPU: c + 1, Busy: m.server[i].Seconds() / float64(m.servers)})
		}
		samples = append(samples, s)
	}
	if m.spoil != nil {
		m.spoil(m.attempts, samples)
	}
	return m.began, samples
}

// spend spreads busy time over the seconds it falls into.
func spend(seconds *[]time.Duration, from, length time.Duration) {
	for length > 0 {
		second := int(from / time.Second)
		for len(*seconds) <= second {
			*seconds = append(*seconds, 0)
		}
		part := min(length, time.Duration(second+1)*time.Second-from)
		(*seconds)[second] += part
		from, length = from+part, length-part
	}
}

func (m *model) Run(ctx context.Context, p *engine.Plan) (engine.Report, error) {
	random := rand.New(rand.NewPCG(p.Seed, 99))
	shard := p.Recorder.NewShard()
	free := make([]time.Duration, m.servers)
	sent, clientFree, last := uint64(0), time.Duration(0), p.Schedule.Duration()
	for hits := p.Schedule.Iterator(); ; {
		hit, ok := hits.Next()
		if !ok {
			break
		}
		due := hit.Due
		handed := max(due, clientFree)
		clientFree = handed + m.clientCost
		spend(&m.client, handed, m.clientCost)
		least := 0
		for i := range free {
			if free[i] < free[least] {
				least = i
			}
		}
		begin := max(clientFree, free[least])
		sample := measure.Sample{N: sent, Due: due, Handed: handed, ConnFree: handed, FirstWrite: handed, FirstByte: measure.Never, Done: due + p.Timeout, Outcome: measure.Timeout}
		if begin < due+p.Timeout {
			work := time.Duration(random.ExpFloat64() * float64(m.service))
			spend(&m.server, begin, work)
			free[least] = begin + work
			if done := begin + work; done <= due+p.Timeout {
				sample.FirstByte, sample.Done, sample.Outcome = done, done, measure.OK
			}
		}
		last = max(last, sample.Done)
		shard.Record(&sample)
		sent++
	}
	for len(m.client) < len(m.server) {
		m.client = append(m.client, 0)
	}
	m.server = append(m.server, make([]time.Duration, max(len(m.client)-len(m.server), 0))...)
	report := engine.Report{Engine: "model", Start: m.began, Elapsed: last, Due: sent, Sent: sent, Done: sent, ClientCPU: time.Duration(sent) * m.clientCost}
	if m.attempts == m.stopAt {
		m.cancel()
		report.Interrupted, report.Elapsed = true, time.Second
	}
	time.Sleep(report.Elapsed)
	return report, nil
}

// search makes a Search over the model.
func (m *model) search(t *testing.T, limits slo.Limits, budget time.Duration) *capacity.Search {
	t.Helper()
	w, err := workload.Load("envelope")
	if err != nil {
		t.Fatal(err)
	}
	s := &capacity.Search{Limits: limits, Budget: budget, Seed: 5, ClientCPUs: []int{0}}
	for c := range m.servers {
		s.ServerCPUs = append(s.ServerCPUs, c+1)
	}
	s.Try = func(ctx context.Context, a capacity.Attempt) (*attack.Result, error) {
		m.capacity = append(m.capacity, a.Schedule.MeanRate())
		trial := attack.Trial{Engine: m, Meter: m, Limits: limits, Warm: a.Warm, ClientCPUs: s.ClientCPUs,
			Plan: engine.Plan{Workload: w, Schedule: a.Schedule, Seed: uint64(a.Number), Timeout: time.Second}}
		return trial.Run(ctx)
	}
	return s
}
