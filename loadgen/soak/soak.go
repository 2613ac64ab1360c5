// Package soak loads an endpoint for hours or days and proves that nothing is lost and nothing creeps.
//
// Beside the load, which an engine sends at a fraction of what the endpoint sustains, a soak
//   - keeps a uniform sample of the ciphertexts, signatures and MACs that the load was given, on disk (reservoir.go), and checks each
//     through the API some time later, after a restart of the server and after a rotation of its key (verify.go);
//   - makes keys and aliases now and then, keeps books of what was acknowledged, refused and left in doubt, and compares with what is
//     there at the end (inventory.go); compares the requests that both sides have counted (counts.go);
//   - reads memory, descriptors, threads, disk use and latency, and judges their trends (series.go);
//   - does what happens to a server in a long life: restarts, kills, pauses, delays, a full disk, rotations, wrong clocks (plan.go,
//     actions.go), and says which of the things that must fall inside did (events.go);
//   - saves all this every so often, so that a soak that was killed goes on (checkpoint.go).
//
// A run owns the goroutines beside the load from the load's start to its end. What they share is behind the run's lock. The parts
// that judge are pure. It never touches a process that it did not start.
package soak

import (
	"context"
	"errors"
	"os"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
)

// Options of a soak.
type Options struct {
	Dir            string // of the checkpoint, the samples and the server's data
	Resume         bool   // go on with what is in Dir
	Workload       *workload.Workload
	WorkloadSource string
	Schedule       schedule.Schedule
	Period         time.Duration // of the schedule's curve; 0: none
	Limits         slo.Limits
	Connections    int
	Timeout        time.Duration
	Seed           uint64
	KeepKeys       bool

	Plan      Plan
	Without   []string      // events that may be missing
	Samples   int           // in the reservoir
	TapEvery  uint64        // one hit in so many is offered to it
	After     time.Duration // before a sample is checked
	CheckRate float64       // checks a second beside the load
	Trickle   time.Duration // from one made key to the next; 0: none is made
	MostKeys  int           // made beside the load's; 0: no cap
	Save      time.Duration // from one checkpoint to the next
	Warm      time.Duration // left out of trends
	Horizon   time.Duration // over which growth is judged
	Budgets   map[string]Budget

	Tool    string
	Command []string
	Display *attack.Display
}

// Server is a process that the harness has started; spawn.Server is one, with LimitFiles.
type Server interface {
	Signal(os.Signal) error
	Restart(ctx context.Context) error
	Exited() <-chan struct{}
	// LimitFiles makes every write to a file fail, as on a full disk, or ends that.
	LimitFiles(full bool) error
	// RotateDomain rotates the domain keys of its HSM, and says what came of it.
	RotateDomain(ctx context.Context) (string, error)
}

// World is what a soak acts on.
type World struct {
	Engine    engine.Engine
	Meter     attack.Meter
	Host      machine.Host
	Target    engine.Target
	Call      Caller
	Skewed    func(time.Duration) Caller // the same with a clock that is wrong
	Server    Server                     // nil: an endpoint that runs already
	Provision func(ctx context.Context) (Keys, error)
	// Read reads memory, descriptors and so on, of client and server, by series.
	Read func(ctx context.Context) []Reading
	// Count is the number of good answers by the server's own count; ok is false where it does not tell.
	Count func(ctx context.Context) (n uint64, ok bool)
}

// Keys are those that the load runs on.
type Keys struct {
	Provisioned *engine.Provisioned
	IDs, Specs  []string
	Requests    uint64 // that it took to make them
	Given       bool   // by the user: neither rotated nor deleted
}

// Reading is one value of a series.
type Reading struct {
	Series
	Reading float64
}

// ErrExists is a directory that has a soak in it already.
var ErrExists = errors.New("the directory has a soak in it already")

// ErrOther is a checkpoint of a soak with other options.
var ErrOther = errors.New("the checkpoint is of a soak with another workload, schedule, seed or plan")

// ErrFinished is a checkpoint of a soak that has ended.
var ErrFinished = errors.New("the soak has ended; there is nothing to go on with")

// LimitsOf a soak where the user gives none.
func LimitsOf() slo.Limits {
	limits, err := slo.Parse("soak", []byte("name: soak\nthroughput: {minimum: 99%}\nerrors: {maximum: 0.1%}\n"))
	if err != nil {
		panic("soak: the built-in limits do not parse: " + err.Error())
	}
	return limits
}
