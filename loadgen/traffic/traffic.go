// Package traffic says which calls to the key service a system causes: so many for each object put in a bucket, each
// message in a queue, each pod that starts.
//
// A Flow is a stream of equal calls with one cause. The models make flows from inputs in their user's terms, by the
// published formula of each service; plans and attacks take flows, and attribute what becomes of the calls to who
// caused them. Nothing here sends, times or limits.
//
// All values are immutable once made; no goroutine is started.
package traffic

import "time"

// Flow is a stream of calls with one cause.
type Flow struct {
	Cause     string // name of the cause in the user's file, for example "orders bucket"
	Service   string // who calls: "s3", "sqs", "dynamodb", "application", …
	Caller    string // principal on whose behalf, as the user names it; never empty
	Key       string // as the user names it
	KeySpec   string // of the key; for GenerateDataKeyPair of the pair; "" where the operation uses no key
	Operation string // of the API
	Rate      Curve
	// Storms come on top of Rate.
	Storms []Storm
}

// Curve is calls a second over time. It repeats after its period.
type Curve struct {
	Mean float64 // calls a second
	// Swing is the amplitude of a sine around the mean with the given period: 0 ≤ Swing ≤ Mean. The peak is at Peak.
	Swing  float64
	Period time.Duration // 0: no swing
	Peak   time.Duration // within the period
}

// Storm is Calls calls spread evenly at random over Within from At, again each Every (0: once).
type Storm struct {
	At, Within, Every time.Duration
	Calls             float64
}
