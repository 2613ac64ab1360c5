package machine

import (
	"sync"
	"time"
)

// Sample is the Usage of one interval of a run.
type Sample struct {
	At time.Duration // end of the interval, since Start
	Usage
}

// Sampler reads the machine at a steady interval, which doubles whenever maxSamples have gathered. It owns one goroutine from Start
// to Stop.
type Sampler struct {
	probe    *Probe
	interval time.Duration // the present one; used by the goroutine only
	began    time.Time     // written by the goroutine, read after it ended

	mu      sync.Mutex
	samples []Sample

	stop chan struct{}
	done chan struct{}
}

// maxSamples bounds the samples of a long run, about half a megabyte on a machine of a few CPUs; even.
const maxSamples = 1800

// StartSampler starts sampling through p, which the sampler's goroutine owns until Stop returns.
func StartSampler(p *Probe, interval time.Duration) *Sampler {
	s := &Sampler{probe: p, interval: interval, stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *Sampler) run() {
	defer close(s.done)
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	s.reserve()
	first := s.probe.Snapshot()
	s.began = first.at
	last := first
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			now := s.probe.Snapshot()
			s.mu.Lock()
			s.samples = append(s.samples, Sample{At: now.at.Sub(first.at), Usage: s.probe.Usage(last, now)})
			if len(s.samples) >= maxSamples {
				s.samples = halved(s.samples)
				s.interval *= 2
				ticker.Reset(s.interval)
			}
			s.mu.Unlock()
			last = now
		}
	}
}

// reserve takes the memory for all samples from the system, so that a run does not grow by them.
func (s *Sampler) reserve() {
	room := make([]Sample, maxSamples)
	for i := range room {
		room[i].At = -1 // an untouched page is not there yet
	}
	clear(room)
	s.mu.Lock()
	s.samples = room[:0]
	s.mu.Unlock()
}

// halved makes one sample of every two; a last odd one stays.
func halved(samples []Sample) []Sample {
	n := 0
	for i := 0; i < len(samples); i += 2 {
		pair := samples[i:min(i+2, len(samples))]
		samples[n] = Sample{At: pair[len(pair)-1].At, Usage: Combined(pair)}
		n++
	}
	clear(samples[n:])
	return samples[:n]
}

// Latest is the newest sample, for a live display; ok is false before the first.
func (s *Sampler) Latest() (latest Sample, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.samples) == 0 {
		return Sample{}, false
	}
	return s.samples[len(s.samples)-1], true
}

// Stop ends the goroutine and returns when it began and all samples. It must be called once.
func (s *Sampler) Stop() (began time.Time, samples []Sample) {
	close(s.stop)
	<-s.done
	return s.began, s.samples
}

// Combined is the usage of several intervals together.
func Combined(samples []Sample) Usage {
	var all Usage
	index := map[int]int{}
	var clock, lowest, highest time.Duration
	for _, s := range samples {
		for _, c := range s.CPUs {
			i, ok := index[c.CPU]
			if !ok {
				i = len(all.CPUs)
				index[c.CPU] = i
				all.CPUs = append(all.CPUs, CPUShare{CPU: c.CPU})
			}
			all.CPUs[i].Busy += c.Busy * s.Wall.Seconds()
			all.CPUs[i].Stolen += c.Stolen * s.Wall.Seconds()
		}
		all.Wall += s.Wall
		all.ClientCPU += s.ClientCPU
		all.ServerCPU += s.ServerCPU
		all.HasServer = all.HasServer || s.HasServer
		all.ClientDelay += s.ClientDelay
		all.ClientSlices += s.ClientSlices
		all.ServerDelay += s.ServerDelay
		all.ServerSlices += s.ServerSlices
		all.GCPauses += s.GCPauses
		all.LongestGCPause = max(all.LongestGCPause, s.LongestGCPause)
		clock += s.ClockStep
		lowest, highest = min(lowest, clock), max(highest, clock)
		all.ClientSwitches, all.ServerSwitches = all.ClientSwitches.plus(s.ClientSwitches), all.ServerSwitches.plus(s.ServerSwitches)
		all.ClientMemory, all.ServerMemory = all.ClientMemory.atLeast(s.ClientMemory), all.ServerMemory.atLeast(s.ServerMemory)
		all.GCCycles += s.GCCycles
		all.System = added(all.System, s.System)
		all.Own = added(all.Own, s.Own)
		all.HasOwn = all.HasOwn || s.HasOwn
		all.Throttled += s.Throttled
	}
	// A step there and one back are two, though nothing is left of them.
	all.ClockStep = highest - lowest
	for i := range all.CPUs {
		all.CPUs[i].Busy /= max(all.Wall.Seconds(), 1e-9)
		all.CPUs[i].Stolen /= max(all.Wall.Seconds(), 1e-9)
	}
	return all
}

func added(a, b Pressures) Pressures {
	plus := func(x, y Pressure) Pressure { return Pressure{Some: x.Some + y.Some, Full: x.Full + y.Full} }
	return Pressures{CPU: plus(a.CPU, b.CPU), Memory: plus(a.Memory, b.Memory), IO: plus(a.IO, b.IO)}
}

func (s Switches) plus(t Switches) Switches {
	return Switches{Voluntary: s.Voluntary + t.Voluntary, Involuntary: s.Involuntary + t.Involuntary}
}

func (m Memory) atLeast(other Memory) Memory {
	return Memory{Resident: max(m.Resident, other.Resident), Anonymous: max(m.Anonymous, other.Anonymous)}
}
