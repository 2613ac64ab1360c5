// Package traffic says which calls to the key service a system causes: so many for each object put in a bucket, each
// message in a queue, each pod that starts.
//
// A Flow is a stream of equal calls with one cause. The models make flows from inputs in their user's terms, by the
// published formula of each service; a file of causes (Parse, Load) names models and inputs. Flows add up, scale, and
// give random arrivals (NewSource); Compile makes a workload and a schedule of them, so that they can be sent. Plans and
// attacks attribute what becomes of the calls to who caused them. Nothing here sends, times or limits.
//
// Times count from midnight of the modelled day, rates are calls a second. All values are immutable once made, except
// a Source, which belongs to one goroutine; no goroutine is started.
package traffic

import (
	"math"
	"time"
)

// Day is the period of a day curve.
const Day = 24 * time.Hour

// Month is the month that prices are quoted for: a twelfth of 365 days.
const Month = 730 * time.Hour

// Flow is a stream of calls with one cause.
type Flow struct {
	Cause     string `json:"cause"`   // name of the cause in the user's file, for example "orders bucket"
	Service   string `json:"service"` // who calls: "s3", "sqs", "dynamodb", "application", …
	Caller    string `json:"caller"`  // principal on whose behalf, as the user names it; never empty
	Key       string `json:"key,omitempty"`
	KeySpec   string `json:"key_spec,omitempty"` // of the key; for GenerateDataKeyPair of the pair; "" where the operation uses no key
	Operation string `json:"operation"`          // of the API
	Rate      Curve  `json:"rate"`
	// Storms come on top of Rate.
	Storms []Storm `json:"storms,omitempty"`
	// Formula is where the figures come from, with the user's numbers filled in.
	Formula string `json:"formula,omitempty"`
	// Context is the encryption context as the caller would send it; "{v}" stands for a number that varies.
	Context map[string]string `json:"context,omitempty"`
	// Unbilled calls count in quotas, but whoever runs the calling service pays for them.
	Unbilled bool `json:"unbilled,omitempty"`
}

// Curve is calls a second over time. It repeats after its period.
type Curve struct {
	Mean float64 `json:"mean_rate"` // calls a second
	// Swing is the amplitude of a sine around the mean with the given period: 0 ≤ Swing ≤ Mean. The peak is at Peak.
	Swing  float64       `json:"swing_rate,omitempty"`
	Period time.Duration `json:"period_ns,omitempty"` // 0: no swing
	Peak   time.Duration `json:"peak_ns,omitempty"`   // within the period
}

// At is the rate at a moment.
func (c Curve) At(t time.Duration) float64 {
	if c.Period <= 0 {
		return c.Mean
	}
	return c.Mean + c.Swing*math.Cos(c.angle(t))
}

// Integral is the expected calls in [a, b).
func (c Curve) Integral(a, b time.Duration) float64 {
	calls := c.Mean * (b - a).Seconds()
	if c.Period > 0 {
		calls += c.Swing * c.Period.Seconds() / (2 * math.Pi) * (math.Sin(c.angle(b)) - math.Sin(c.angle(a)))
	}
	return max(calls, 0)
}

// angle is 0 at the peak. The modulus keeps its digits over years.
func (c Curve) angle(t time.Duration) float64 {
	return 2 * math.Pi * float64((t-c.Peak)%c.Period) / float64(c.Period)
}

// Max is the highest rate of the curve.
func (c Curve) Max() float64 {
	if c.Period <= 0 {
		return c.Mean
	}
	return c.Mean + c.Swing
}

// Scaled is the curve with all rates times a factor.
func (c Curve) Scaled(factor float64) Curve {
	c.Mean *= factor
	c.Swing *= factor
	return c
}

// Storm is Calls calls spread evenly at random over Within from At, again each Every (0: once).
type Storm struct {
	At     time.Duration `json:"at_ns"`
	Within time.Duration `json:"within_ns"`
	Every  time.Duration `json:"every_ns,omitempty"`
	Calls  float64       `json:"calls"`
}

// window is Within, which divides: calls at one instant count as spread over a nanosecond.
func (s Storm) window() time.Duration { return max(s.Within, 1) }

// begun and over are how many times the storm has begun, and has ended, by t.
func (s Storm) begun(t time.Duration) int64 { return s.times(t - s.At) }
func (s Storm) over(t time.Duration) int64  { return s.times(t - s.At - s.window()) }

func (s Storm) times(since time.Duration) int64 {
	switch {
	case since < 0:
		return 0
	case s.Every <= 0:
		return 1
	}
	return int64(since/s.Every) + 1
}

// start is when the storm begins for the time k, from 0.
func (s Storm) start(k int64) time.Duration { return s.At + time.Duration(k)*s.Every }

// Rate is the expected calls a second at a moment.
func (s Storm) Rate(t time.Duration) float64 {
	return float64(s.begun(t)-s.over(t)) * s.Calls / s.window().Seconds()
}

// Integral is the expected calls in [a, b). What lies before time 0 has not happened.
func (s Storm) Integral(a, b time.Duration) float64 { return s.until(b) - s.until(a) }

func (s Storm) until(t time.Duration) float64 {
	begun, over := s.begun(t), s.over(t)
	under := begun - over
	if under == 0 {
		return float64(over) * s.Calls
	}
	// Those under way have begun evenly spaced in time: an arithmetic series.
	first, last := t-s.start(over), t-s.start(begun-1)
	part := float64(under) * (first.Seconds() + last.Seconds()) / 2 / s.window().Seconds()
	return (float64(over) + part) * s.Calls
}

// At is the expected rate of the flow at a moment, storms included.
func (f *Flow) At(t time.Duration) float64 {
	rate := f.Rate.At(t)
	for _, s := range f.Storms {
		rate += s.Rate(t)
	}
	return rate
}

// Calls is the expected calls of the flow in [a, b), storms included.
func (f *Flow) Calls(a, b time.Duration) float64 {
	calls := f.Rate.Integral(a, b)
	for _, s := range f.Storms {
		calls += s.Integral(a, b)
	}
	return calls
}

// Mean is the calls a second over a day that is like any other: repeated storms count, those that happen once do not.
func (f *Flow) Mean() float64 {
	rate := f.Rate.Mean
	for _, s := range f.Storms {
		if s.Every > 0 {
			rate += s.Calls / s.Every.Seconds()
		}
	}
	return rate
}

// Scaled is the flow with all its calls times a factor.
func (f Flow) Scaled(factor float64) Flow {
	f.Rate = f.Rate.Scaled(factor)
	storms := make([]Storm, 0, len(f.Storms))
	for _, s := range f.Storms {
		s.Calls *= factor
		storms = append(storms, s)
	}
	f.Storms = storms
	return f
}

// Scale is flows with all their calls times a factor.
func Scale(flows []Flow, factor float64) []Flow {
	out := make([]Flow, 0, len(flows))
	for _, f := range flows {
		out = append(out, f.Scaled(factor))
	}
	return out
}

// Rate is the expected rate of all flows together at a moment.
func Rate(flows []Flow, t time.Duration) float64 {
	sum := 0.0
	for i := range flows {
		sum += flows[i].At(t)
	}
	return sum
}

// Calls is the expected calls of all flows together in [a, b).
func Calls(flows []Flow, a, b time.Duration) float64 {
	sum := 0.0
	for i := range flows {
		sum += flows[i].Calls(a, b)
	}
	return sum
}

// Mean is the calls a second of all flows together over a day like any other.
func Mean(flows []Flow) float64 {
	sum := 0.0
	for i := range flows {
		sum += flows[i].Mean()
	}
	return sum
}
