package results

import "time"

// PlanResult is what a plan predicts. Counts are of the horizon, costs of a month; rates are calls a second.
type PlanResult struct {
	Source       string        `json:"source"` // of the demand
	Region       string        `json:"region"`
	Scale        float64       `json:"scale"`
	Horizon      time.Duration `json:"horizon_ns"`
	Counting     string        `json:"quota_model"` // "window" or "bucket"
	Retry        string        `json:"retry_policy"`
	Clients      int           `json:"clients"` // processes with a retry quota of their own
	WholeSeconds bool          `json:"whole_seconds,omitempty"`
	MeanRate     float64       `json:"mean_rate"`
	Unknown      []string      `json:"operations_without_quota,omitempty"`

	Quotas   []PlanQuota  `json:"quotas"` // the one that throttles first comes first
	Causes   []PlanCause  `json:"causes"` // the costliest first
	Cost     PlanCost     `json:"cost"`
	Tail     *PlanTail    `json:"busiest,omitempty"`
	HSMs     *PlanHSMs    `json:"hsms,omitempty"`
	Remedies []PlanRemedy `json:"remedies,omitempty"`
	Verify   *PlanVerify  `json:"verify,omitempty"`
	Sources  []PlanSource `json:"sources"`
	Cautions []string     `json:"cautions,omitempty"`
	// Assumptions are what the models of causes rest on and nobody published.
	Assumptions []string `json:"assumptions,omitempty"`
}

// PlanQuota is one request quota and what the demand asks of it.
type PlanQuota struct {
	Name       string        `json:"name"`
	KeyStore   string        `json:"key_store,omitempty"` // key whose store it is of
	Scope      string        `json:"scope"`
	Operations []string      `json:"operations"` // that the demand has
	Quota      float64       `json:"quota_rate"`
	Adjustable bool          `json:"adjustable"`
	Window     time.Duration `json:"window_ns"`

	Calls    float64       `json:"calls"`
	MeanRate float64       `json:"mean_rate"`
	PeakRate float64       `json:"peak_rate"` // of the busiest window
	PeakAt   time.Duration `json:"peak_at_ns"`
	P999Rate float64       `json:"p999_rate"` // of windows
	Headroom float64       `json:"headroom"`  // share of the quota free in the busiest window; below 0 it is exceeded

	Attempts       float64 `json:"attempts"` // calls and their retries
	Throttled      float64 `json:"throttled"`
	Failed         float64 `json:"failed"` // calls that gave up
	ThrottledShare float64 `json:"throttled_share"`
	Expected       float64 `json:"expected_throttled"` // without retries, by the distribution

	BeginsAtScale float64    `json:"begins_at_scale"` // above it more than one call a day is throttled
	Needed        float64    `json:"needed_rate"`     // quota at which at most one call a day is
	Ask           float64    `json:"ask_rate,omitempty"`
	AskWhy        string     `json:"ask_why"`
	Hours         []PlanHour `json:"hours"`
}

// PlanHour is a part of the horizon.
type PlanHour struct {
	At        time.Duration `json:"at_ns"`
	Width     time.Duration `json:"width_ns"`
	MeanRate  float64       `json:"mean_rate"`
	PeakRate  float64       `json:"peak_rate"`
	Attempts  float64       `json:"attempts"`
	Throttled float64       `json:"throttled"`
}

// PlanCause is what one stream of calls comes to.
type PlanCause struct {
	Cause     string  `json:"cause"`
	Service   string  `json:"service,omitempty"`
	Caller    string  `json:"caller,omitempty"`
	Key       string  `json:"key,omitempty"`
	Operation string  `json:"operation"`
	Calls     float64 `json:"calls_month"`
	Throttled float64 `json:"throttled"` // of the horizon
	Amount    float64 `json:"amount"`    // a month
}

// PlanCost is the cost of a month.
type PlanCost struct {
	Currency       string        `json:"currency"`
	Month          time.Duration `json:"month_ns"`
	Total          float64       `json:"total"`
	Requests       float64       `json:"requests"`
	Unbilled       float64       `json:"unbilled_requests,omitempty"`
	Classes        []PlanPrice   `json:"classes"`
	Keys           float64       `json:"keys"`
	KeyAmount      float64       `json:"key_amount"`
	RotationAmount float64       `json:"rotation_amount,omitempty"`
}

// PlanPrice is the requests of one price.
type PlanPrice struct {
	Class    string  `json:"class"`
	Requests float64 `json:"requests"`
	Free     float64 `json:"free,omitempty"`
	Per10000 float64 `json:"per_10000"`
	Amount   float64 `json:"amount"`
}

// PlanTail is whole calls, retries included, over the busiest stretch, by simulation.
type PlanTail struct {
	At             time.Duration `json:"at_ns"`
	Width          time.Duration `json:"width_ns"`
	Thinned        float64       `json:"thinned,omitempty"` // rates and quotas were divided by this
	Calls          uint64        `json:"calls"`
	Attempts       uint64        `json:"attempts"`
	ThrottledShare float64       `json:"throttled_share"`
	FailedShare    float64       `json:"failed_share"` // of calls
	Latency        []Percentile  `json:"latency"`      // of whole calls; those that failed rank as never
	CallTime       string        `json:"call_time"`    // of a call that is not throttled: where it comes from
	Trusted        bool          `json:"trusted"`      // percentiles may be expected to hold within 15 %
}

// PlanHSMs is how many HSMs keep a latency limit.
type PlanHSMs struct {
	Limit    time.Duration `json:"limit_ns"`
	Q        float64       `json:"q"`
	PeakRate float64       `json:"peak_rate"` // operations of the HSMs at the busiest moment
	Profiles []PlanProfile `json:"profiles"`
}

// PlanProfile is the answer for one kind of HSM.
type PlanProfile struct {
	Name         string        `json:"name"`
	Title        string        `json:"title"`
	Assumed      string        `json:"assumed,omitempty"`
	Needed       int           `json:"needed"`                  // with one to spare; 0: see Why
	Missing      []string      `json:"missing,omitempty"`       // operations without a published rate, left out
	MissingShare float64       `json:"missing_share,omitempty"` // of the operations
	Why          string        `json:"why"`
	Service      time.Duration `json:"service_ns"` // mean time of an operation
	Engines      int           `json:"engines"`
	Sizes        []PlanSize    `json:"sizes,omitempty"`
}

// PlanSize is a number of HSMs. Percentiles are by simulation, the mean wait by Allen and Cunneen.
type PlanSize struct {
	HSMs      int           `json:"hsms"`
	Load      float64       `json:"load"` // with all of them
	LoadOne   float64       `json:"load_one_down"`
	MeanWait  time.Duration `json:"mean_wait_ns"`
	P50       Latency       `json:"p50_ns"`
	Tail      Latency       `json:"tail_ns"` // at the percentile asked for
	OneDown   Latency       `json:"tail_one_down_ns"`
	OneLow    *Latency      `json:"tail_one_down_low_ns,omitempty"`
	OneHigh   *Latency      `json:"tail_one_down_high_ns,omitempty"`
	Holds     bool          `json:"holds"` // the limit, with one of them down
	Untrusted bool          `json:"untrusted,omitempty"`
}

// PlanRemedy is a change and the figures with it. The first entry is without any.
type PlanRemedy struct {
	Name           string  `json:"name"`
	Text           string  `json:"text"`
	Calls          float64 `json:"calls_month"`
	ThrottledShare float64 `json:"throttled_share"` // of attempts over the horizon
	Throttled      float64 `json:"throttled"`
	Failed         float64 `json:"failed"`
	P50            Latency `json:"p50_ns"` // whole calls of the busiest stretch
	P99            Latency `json:"p99_ns"`
	Amount         float64 `json:"amount"` // a month
	Applies        bool    `json:"applies"`
}

// PlanVerify is a plan held against a server.
type PlanVerify struct {
	Workload    string        `json:"workload"`
	Rate        float64       `json:"rate"`
	Calibration float64       `json:"calibration_rate"`
	Servers     int           `json:"servers"`
	Occupancy   time.Duration `json:"occupancy_ns"` // mean time of a request on a server
	Model       string        `json:"model"`
	Load        float64       `json:"load"`
	Trusted     bool          `json:"trusted"`
	Why         string        `json:"why,omitempty"` // not trusted, or not verified
	Throttles   bool          `json:"endpoint_throttles"`
	Checks      []PlanCheck   `json:"checks"`
}

// PlanCheck is a figure predicted and measured.
type PlanCheck struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"` // "ns" or "share"
	Predicted float64 `json:"predicted"`
	Measured  float64 `json:"measured"`
	Low       float64 `json:"measured_low,omitempty"` // 95 % interval
	High      float64 `json:"measured_high,omitempty"`
	Tolerance float64 `json:"tolerance"` // relative for ns, absolute for shares
	Outcome   string  `json:"outcome"`   // pass, fail, inconclusive, or "not judged"
}

// PlanSource is where figures come from.
type PlanSource struct {
	What   string `json:"what"`
	Source string `json:"source"`
	Date   string `json:"date,omitempty"`
}
