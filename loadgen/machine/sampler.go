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

// Sampler reads the machine at a steady interval. It owns one goroutine from Start to Stop.
type Sampler struct {
	probe    *Probe
	interval time.Duration

	mu      sync.Mutex
	samples []Sample

	stop chan struct{}
	done chan struct{}
}

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
	first := s.probe.Snapshot()
	last := first
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			now := s.probe.Snapshot()
			s.mu.Lock()
			s.samples = append(s.samples, Sample{At: now.at.Sub(first.at), Usage: s.probe.Usage(last, now)})
			s.mu.Unlock()
			last = now
		}
	}
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

// Stop ends the goroutine and returns all samples. It must be called once.
func (s *Sampler) Stop() []Sample {
	close(s.stop)
	<-s.done
	return s.samples
}
