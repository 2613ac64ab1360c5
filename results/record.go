package results

import (
	"time"
)

// Schema is the version of the file format that this package writes.
const Schema = 1

// Kind is what kind of run a record is of.
type Kind string

// The kinds of runs.
const (
	Attack      Kind = "attack"
	Capacity    Kind = "capacity"
	QuotaVerify Kind = "quota"
	Compare     Kind = "compare"
	Soak        Kind = "soak"
	Replay      Kind = "replay"
	Plan        Kind = "plan"
)

// Record is one run.
type Record struct {
	Schema      int           `json:"schema"`
	Kind        Kind          `json:"kind"`
	Tool        string        `json:"tool"`
	Command     []string      `json:"command"`
	Started     time.Time     `json:"started"`
	Elapsed     time.Duration `json:"elapsed_ns"`
	Seed        uint64        `json:"seed"`
	Interrupted bool          `json:"interrupted,omitempty"`

	Environment Environment `json:"environment"`
	Target      Target      `json:"target"`
	Engine      Engine      `json:"engine"`
	Workload    Text        `json:"workload"`
	SLO         Text        `json:"slo"`
	Schedule    Schedule    `json:"schedule"`

	Total      Operation   `json:"total"`
	Operations []Operation `json:"operations"`
	Lags       Lags        `json:"lags"`
	Series     []Second    `json:"series,omitempty"`
	Heat       *Heat       `json:"heat,omitempty"`
	Machine    []Sample    `json:"machine,omitempty"`

	ServerMetrics *ServerMetrics `json:"server_metrics,omitempty"` // where the server offers them

	Cost Cost `json:"cost"`

	Gates    []Gate    `json:"gates"`
	Verdicts []Verdict `json:"verdicts"`
	Outcome  string    `json:"outcome"`
	ExitCode int       `json:"exit_code"`

	Capacity   *CapacityResult   `json:"capacity,omitempty"`
	Quota      *QuotaResult      `json:"quota,omitempty"`
	Comparison *ComparisonResult `json:"comparison,omitempty"`
	Soak       *SoakResult       `json:"soak,omitempty"`
	Replay     *ReplayResult     `json:"replay,omitempty"`
	Plan       *PlanResult       `json:"plan,omitempty"`
	Agents     *AgentsResult     `json:"agents,omitempty"`

	ClosedLoop  *ClosedLoop  `json:"closed_loop,omitempty"`
	Connections *Connections `json:"connections,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
}

// Environment is the machine's fingerprint and how its CPUs were shared out.
type Environment struct {
	CPUModel   string            `json:"cpu_model"`
	Cores      int               `json:"cores"`
	Features   []string          `json:"cpu_features,omitempty"`
	Kernel     string            `json:"kernel,omitempty"`
	Governor   string            `json:"governor,omitempty"`
	Hypervisor string            `json:"hypervisor,omitempty"`
	MemoryKiB  int64             `json:"memory_kib,omitempty"`
	CPUQuota   float64           `json:"cpu_quota,omitempty"`
	GoVersion  string            `json:"go_version"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	Platform   string            `json:"platform"`
	Build      string            `json:"build,omitempty"`
	Modules    map[string]string `json:"modules,omitempty"`
	ClientCPUs string            `json:"client_cpus,omitempty"` // as a CPU list
	ServerCPUs string            `json:"server_cpus,omitempty"` // where this run chose them
	Pinned     bool              `json:"pinned,omitempty"`
	Stolen     *float64          `json:"stolen,omitempty"` // share of CPU time over the run
}

// Target is the server that was measured.
type Target struct {
	URL     string `json:"url"`
	Region  string `json:"region"`
	Spawned bool   `json:"spawned,omitempty"` // by this run, and stopped after it
}

// Engine is how hits were sent.
type Engine struct {
	Name         string        `json:"name"`
	Connections  int           `json:"connections"`
	Timeout      time.Duration `json:"timeout_ns,omitempty"`
	Due          uint64        `json:"due"`
	Sent         uint64        `json:"sent"`
	Done         uint64        `json:"done"`
	Reconnects   uint64        `json:"reconnects,omitempty"`
	MaxBacklog   int           `json:"max_backlog,omitempty"`
	Capped       uint64        `json:"capped,omitempty"`
	WorkersAtCap uint64        `json:"workers_at_cap,omitempty"`
	SDK          *SDKCalls     `json:"sdk,omitempty"` // engine sdk only
}

// Text is a named input file with its content, so that a record can be repeated without it.
type Text struct {
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"`
	Source  string `json:"source,omitempty"`
}

// Schedule is when hits were due.
type Schedule struct {
	Spec     string        `json:"spec"`
	Duration time.Duration `json:"duration_ns"`
	MeanRate float64       `json:"mean_rate"`
}

// Operation is the figures of one entry of the workload, or of all hits together.
type Operation struct {
	Name      string        `json:"name"`
	API       string        `json:"api,omitempty"`  // the API's operation; "" for all together
	From      string        `json:"from,omitempty"` // the service that calls
	Caller    string        `json:"caller,omitempty"`
	Cause     string        `json:"cause,omitempty"` // of the requests, as the workload names it
	Key       string        `json:"key,omitempty"`   // group of keys, as the workload names it
	Due       uint64        `json:"due"`
	Outcomes  []Outcome     `json:"outcomes"`
	Latency   []Percentile  `json:"latency"` // over hits due: what had no good answer ranks as "never"
	Service   []Percentile  `json:"service,omitempty"`
	Mean      time.Duration `json:"mean_ns,omitempty"` // latency of good answers
	Max       time.Duration `json:"max_ns,omitempty"`
	Errors    []ErrorCount  `json:"errors,omitempty"`
	Excluded  uint64        `json:"excluded,omitempty"` // throttled hits left out of Latency by the SLO's rule
	OKPerSec  float64       `json:"ok_rate"`
	DuePerSec float64       `json:"due_rate"`
}

// Outcome is how many hits ended in a certain way, with their times.
type Outcome struct {
	Name    string     `json:"name"` // ok, throttled, failed, timeout, connection, never-sent, malformed
	Count   uint64     `json:"count"`
	Latency *Histogram `json:"latency,omitempty"`
	Service *Histogram `json:"service,omitempty"`
}

// Count is the number of hits that ended in the named way.
func (o *Operation) Count(outcome string) uint64 {
	for i := range o.Outcomes {
		if o.Outcomes[i].Name == outcome {
			return o.Outcomes[i].Count
		}
	}
	return 0
}

// NotOK is the number of hits due without a good answer, whatever the reason.
func (o *Operation) NotOK() uint64 { return o.Due - min(o.Count("ok"), o.Due) }

// Percentile is one percentile with its 95 % interval.
type Percentile struct {
	Q        float64  `json:"q"` // as a share
	Value    Latency  `json:"value_ns"`
	Low      *Latency `json:"low_ns,omitempty"` // left out where there are too few blocks for an interval
	High     *Latency `json:"high_ns,omitempty"`
	Answered *Latency `json:"answered_ns,omitempty"` // over good answers alone
}

// ErrorCount is how often an error came, by the API's exception name or the client's own.
type ErrorCount struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// Lags are the delays before a hit was on the wire.
type Lags struct {
	Pacer  []Percentile `json:"pacer,omitempty"`  // due until handed to a worker
	Wait   []Percentile `json:"wait,omitempty"`   // until a connection was free: the server's doing
	Send   []Percentile `json:"send,omitempty"`   // until the first byte was written
	Client []Percentile `json:"client,omitempty"` // pacer and send together
}

// Second is the hits due in one block of the run.
type Second struct {
	At        time.Duration `json:"at_ns"`
	Width     time.Duration `json:"width_ns"`
	Due       uint64        `json:"due"`
	OK        uint64        `json:"ok"` // of those due in the block
	Throttled uint64        `json:"throttled,omitempty"`
	Bad       uint64        `json:"bad,omitempty"` // any other outcome
	Answered  uint64        `json:"answered"`      // good answers that came in within the block
	P50       *Latency      `json:"p50_ns,omitempty"`
	P99       *Latency      `json:"p99_ns,omitempty"`
	Max       Latency       `json:"max_ns,omitempty"`
}

// Sample is the machine over one interval of the run.
type Sample struct {
	At        time.Duration `json:"at_ns"` // its end
	Wall      time.Duration `json:"wall_ns"`
	Busy      []float64     `json:"busy"` // by CPU
	Stolen    float64       `json:"stolen"`
	ClientCPU time.Duration `json:"client_cpu_ns"`
	ServerCPU time.Duration `json:"server_cpu_ns,omitempty"`
	Pressure  float64       `json:"cpu_pressure"` // share of the interval in which some task waited for a CPU

	Client    Process       `json:"client"`
	Server    *Process      `json:"server,omitempty"`    // where its process tree is visible
	GCCycles  uint64        `json:"gc_cycles,omitempty"` // of the client
	GCPause   time.Duration `json:"gc_pause_ns,omitempty"`
	ClockStep time.Duration `json:"clock_step_ns,omitempty"` // of the wall clock against the monotonic one
	System    Pressure      `json:"pressure"`
	Own       *Pressure     `json:"own_pressure,omitempty"` // of the client's control group
}

// Cost is CPU time a request; nil where it could not be read.
type Cost struct {
	Requests uint64         `json:"requests"`
	Client   *time.Duration `json:"client_cpu_ns,omitempty"`
	Server   *time.Duration `json:"server_cpu_ns,omitempty"`
}

// Gate is a condition that may void a run.
type Gate struct {
	Name   string `json:"name"`
	Figure string `json:"figure"`
	Limit  string `json:"limit"`
	Known  bool   `json:"known"`
	Void   bool   `json:"void"`
	Advice string `json:"advice,omitempty"`
}

// Verdict is the judgement of one limit. Value, Low, High and Limit are in Unit; absent where there is no figure
// or it is infinite (Never).
type Verdict struct {
	Metric     string        `json:"metric"`
	Population string        `json:"population,omitempty"`
	Unit       string        `json:"unit"` // "ns", "share" or "rate"
	Limit      float64       `json:"limit"`
	AtLeast    bool          `json:"at_least,omitempty"`
	Value      *float64      `json:"value,omitempty"`
	Low        *float64      `json:"low,omitempty"`
	High       *float64      `json:"high,omitempty"`
	Never      bool          `json:"never,omitempty"` // the judged percentile lies among hits without a good answer
	Answered   time.Duration `json:"answered_ns,omitempty"`
	Outcome    string        `json:"outcome"`
	Reason     string        `json:"reason,omitempty"`
	Needed     time.Duration `json:"needed_ns,omitempty"`
}

// Labels of a capacity result.
const (
	ServerBound  = "server-bound"
	ClientBound  = "client-bound"
	Unattributed = "not attributed" // the server's CPUs are not visible
	NotReached   = "not reached"    // the highest rate allowed passed, or no rate did
	CostOnly     = "cost only"      // fewer than two usable CPUs
)

// CapacityResult is what a capacity run found.
type CapacityResult struct {
	Sustained   float64   `json:"sustained_rate"` // highest rate that passed a confirming run; 0: none
	Label       string    `json:"label"`
	Why         string    `json:"why"`
	HighestPass float64   `json:"highest_pass_rate"`
	LowestFail  float64   `json:"lowest_fail_rate,omitempty"` // 0: nothing failed
	Ceiling     float64   `json:"ceiling_rate,omitempty"`     // estimated: server CPUs ÷ CPU a request
	Resolution  float64   `json:"resolution"`                 // relative width at which the search stops
	Steps       []Step    `json:"steps"`
	Overload    *Overload `json:"overload,omitempty"`

	Bound       *Bound        `json:"bound,omitempty"`
	Noise       *Noise        `json:"noise,omitempty"`
	Trials      *Trials       `json:"trials,omitempty"`
	Sensitivity []Sensitivity `json:"sensitivity,omitempty"`
	Headroom    *Headroom     `json:"headroom,omitempty"`
	Scalability *Scalability  `json:"scalability,omitempty"`
}

// Purposes of a step.
const (
	Calibrate = "calibrate"
	Search    = "search"
	Repeat    = "repeat"
	Confirm   = "confirm"
	Overloads = "overload"
	Recovery  = "recovery"
)

// Step is one rate that was tried.
type Step struct {
	Purpose    string        `json:"purpose"`
	Rate       float64       `json:"rate"`     // asked for
	DueRate    float64       `json:"due_rate"` // of the schedule's own realisation
	OKRate     float64       `json:"ok_rate"`
	Judged     time.Duration `json:"judged_ns"`
	P50        Latency       `json:"p50_ns"`
	P99        Latency       `json:"p99_ns"`
	P99Low     *Latency      `json:"p99_low_ns,omitempty"` // its 95 % interval; nil where the step is too short for one
	P99High    *Latency      `json:"p99_high_ns,omitempty"`
	Outcome    string        `json:"outcome"`
	Thirds     []string      `json:"thirds,omitempty"`
	ClientLag  time.Duration `json:"client_lag_p99_ns"`
	ClientBusy *float64      `json:"client_busy,omitempty"`
	ServerBusy *float64      `json:"server_busy,omitempty"`
	ServerCost time.Duration `json:"server_cpu_ns,omitempty"` // a request
	ClientCost time.Duration `json:"client_cpu_ns,omitempty"`
	Note       string        `json:"note,omitempty"`
}

// Overload is how the server took more than it can serve, and how it came back.
type Overload struct {
	Rate      float64       `json:"rate"`
	Goodput   float64       `json:"goodput_rate"` // good answers within the SLO's latency limit, of those due under overload
	Answered  float64       `json:"answered_rate"`
	Recovered bool          `json:"recovered"`
	After     float64       `json:"recovery_goodput_rate"` // good answers in time back at half the rate
	Half      float64       `json:"recovery_rate"`         // that rate
	Note      string        `json:"note,omitempty"`        // what disturbed it
	Recovery  time.Duration `json:"recovery_ns"`           // until latency was within the limit again at half the rate
}
