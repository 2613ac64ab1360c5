package machine

import (
	"math"
	"os"
	"runtime/metrics"
	"time"
)

// Probe reads what Snapshot needs of the client (this process) and, when it is local, of the server. Like a Tree
// it belongs to one goroutine.
type Probe struct {
	host   Host
	client *Tree
	server *Tree // nil: the server is not on this machine, or not known

	clientThreads, serverThreads *threadMeter
}

// NewProbe watches this process and the process tree of serverPID (0: none). Others are further processes that this one started
// and that are no part of the client.
func NewProbe(h Host, serverPID int, others ...int) *Probe {
	p := &Probe{host: h, client: NewTree(h, os.Getpid(), append(others, serverPID)...)}
	p.clientThreads = newThreadMeter(p.client)
	if serverPID > 0 {
		p.server = NewTree(h, serverPID)
		p.serverThreads = newThreadMeter(p.server)
	}
	return p
}

// Snapshot is one reading; the difference of two is a Usage. A part that the system does not tell is left out.
type Snapshot struct {
	at             time.Time // with its monotonic part
	client, server time.Duration
	clientThreads  Activity
	serverThreads  Activity
	clientMemory   Memory
	serverMemory   Memory
	cpus           []CPUTimes
	system, own    Pressures
	hasOwn         bool
	throttled      uint64
	pauses         *metrics.Float64Histogram
	cycles         uint64
}

const (
	pauseMetric = "/sched/pauses/total/gc:seconds"
	cycleMetric = "/gc/cycles/total:gc-cycles"
)

// Snapshot reads everything now.
func (p *Probe) Snapshot() Snapshot {
	s := Snapshot{at: time.Now()}
	s.client, _ = p.client.CPU()
	if p.server != nil {
		s.server, _ = p.server.CPU()
		s.serverThreads, s.serverMemory = p.serverThreads.read(), p.server.memory()
	}
	s.clientThreads, s.clientMemory = p.clientThreads.read(), p.client.memory()
	s.cpus, _ = p.host.CPUs()
	s.system, _ = p.host.Pressure()
	if own, err := p.host.OwnPressure(); err == nil {
		s.own, s.hasOwn = own, true
	}
	s.throttled = p.host.throttled()
	sample := []metrics.Sample{{Name: pauseMetric}, {Name: cycleMetric}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindFloat64Histogram {
		s.pauses = sample[0].Value.Float64Histogram()
	}
	if sample[1].Value.Kind() == metrics.KindUint64 {
		s.cycles = sample[1].Value.Uint64()
	}
	return s
}

// Usage is what happened between two snapshots.
type Usage struct {
	Wall           time.Duration
	ClientCPU      time.Duration // this process and its children, without the server
	ServerCPU      time.Duration // the server's process tree; 0 where unknown
	HasServer      bool
	CPUs           []CPUShare
	ClientDelay    time.Duration // threads of the client, ready but waiting for a CPU, added up
	ClientSlices   uint64        // times one of them was put on a CPU
	ServerDelay    time.Duration // the same of the server's process tree
	ServerSlices   uint64
	ClientSwitches Switches
	ServerSwitches Switches
	ClientMemory   Memory // at the end; of several intervals the largest
	ServerMemory   Memory
	GCCycles       uint64        // of the client
	GCPauses       time.Duration // of the client, added up (upper bounds of the runtime's buckets)
	LongestGCPause time.Duration
	ClockStep      time.Duration // how much the wall clock moved against the monotonic one; of several intervals the widest excursion
	System         Pressures
	Own            Pressures // of the client's own control group
	HasOwn         bool
	Throttled      uint64 // periods in which the own control group's CPU quota was used up
}

// Switches are the context switches of a process tree.
type Switches struct {
	Voluntary   uint64 // a thread waited for something
	Involuntary uint64 // a thread was put off a CPU that it still wanted
}

// Usage is what happened from a to b.
func (p *Probe) Usage(a, b Snapshot) Usage {
	wall := b.at.Sub(a.at)
	client := b.clientThreads.since(a.clientThreads)
	u := Usage{
		Wall:           wall,
		ClientCPU:      b.client - a.client,
		CPUs:           shares(a.cpus, b.cpus),
		ClientDelay:    client.Delay,
		ClientSlices:   client.Slices,
		ClientSwitches: Switches{client.Voluntary, client.Involuntary},
		ClientMemory:   b.clientMemory,
		GCCycles:       b.cycles - a.cycles,
		ClockStep:      b.at.Round(0).Sub(a.at.Round(0)) - wall,
		System:         stalls(a.system, b.system),
		Own:            stalls(a.own, b.own),
		HasOwn:         a.hasOwn && b.hasOwn,
		Throttled:      b.throttled - a.throttled,
	}
	if p.server != nil {
		u.HasServer = true
		u.ServerCPU = max(b.server-a.server, 0)
		server := b.serverThreads.since(a.serverThreads)
		u.ServerDelay, u.ServerSlices = server.Delay, server.Slices
		u.ServerSwitches, u.ServerMemory = Switches{server.Voluntary, server.Involuntary}, b.serverMemory
	}
	if a.pauses != nil && b.pauses != nil {
		u.GCPauses, u.LongestGCPause = pauses(a.pauses, b.pauses)
	}
	return u
}

// Busy is the mean busy share of the given CPUs; NaN where it is not known.
func (u Usage) Busy(cpus []int) float64 {
	return u.mean(cpus, func(c CPUShare) float64 { return c.Busy })
}

// Stolen is the mean share of the given CPUs' time that the hypervisor took; all CPUs when cpus is empty.
func (u Usage) Stolen(cpus []int) float64 {
	return u.mean(cpus, func(c CPUShare) float64 { return c.Stolen })
}

func (u Usage) mean(cpus []int, value func(CPUShare) float64) float64 {
	total, n := 0.0, 0
	for _, c := range u.CPUs {
		if len(cpus) > 0 && !contains(cpus, c.CPU) {
			continue
		}
		total += value(c)
		n++
	}
	if n == 0 {
		return math.NaN()
	}
	return total / float64(n)
}

func contains(cpus []int, cpu int) bool {
	for _, c := range cpus {
		if c == cpu {
			return true
		}
	}
	return false
}

func stalls(a, b Pressures) Pressures {
	diff := func(x, y Pressure) Pressure { return Pressure{Some: y.Some - x.Some, Full: y.Full - x.Full} }
	return Pressures{CPU: diff(a.CPU, b.CPU), Memory: diff(a.Memory, b.Memory), IO: diff(a.IO, b.IO)}
}

// pauses adds up the stop-the-world pauses between two readings of the runtime's histogram. A pause counts as the
// upper edge of its bucket, so that both figures err on the strict side.
func pauses(a, b *metrics.Float64Histogram) (total, longest time.Duration) {
	for i := range min(len(a.Counts), len(b.Counts)) {
		n := b.Counts[i] - a.Counts[i]
		if n == 0 {
			continue
		}
		edge := b.Buckets[i+1]
		if math.IsInf(edge, 1) {
			edge = b.Buckets[i]
		}
		pause := time.Duration(edge * float64(time.Second))
		total += time.Duration(n) * pause
		longest = max(longest, pause)
	}
	return total, longest
}
