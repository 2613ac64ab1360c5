// Package measure keeps what became of the hits of a load test: their times, outcomes and errors.
//
// A hit passes through these moments, all counted from the origin of the run:
//
//	due (by the schedule) → handed to a worker → connection free → first byte written → first byte back → done
//
// Latency is done − due, for a hit is late from the moment it was due. Service time is done − first byte written. Three lags are
// kept apart: the pacer's (due → handed over), the wait for a worker or connection (handed over → connection free) and the
// sending lag (connection free → first byte written). The first and the last are the client's own doing, the wait is not.
//
// Workers write samples into shards of their own, rings with one writer each, without a lock. Whoever drains the rings
// (the worker whose ring is full, or Counts and Summary) does it under one mutex into one set of histograms, so that memory
// depends on the number of workers and operations only, not on the length of the run. The package starts no goroutine and reads
// no clock. It judges nothing: limits and verdicts are loadgen/slo's.
package measure

import "time"

// Never marks a moment that did not come.
const Never time.Duration = -1

// Outcome is what became of a hit.
type Outcome uint8

const (
	// OK is a 200 answer.
	OK Outcome = iota
	// Throttled is the service's refusal for too many requests (ThrottlingException and its kin).
	Throttled
	// Failed is any other error answer of the API.
	Failed
	// Timeout is a hit whose answer did not come within the deadline.
	Timeout
	// ConnError is a connection that could not be made, was reset or closed before the whole answer came.
	ConnError
	// NeverSent is a hit that was due and did not go out: no connection came free in time, the run was interrupted, or its
	// cap on requests was reached.
	NeverSent
	// Malformed is an answer that is no HTTP or breaks its own framing.
	Malformed

	// NumOutcomes is the number of outcomes.
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"ok", "throttled", "failed", "timeout", "connection", "never-sent", "malformed"}

// String is the outcome's name in records: ok, throttled, failed, timeout, connection, never-sent or malformed.
func (o Outcome) String() string {
	if o < NumOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// Sample is one hit. Times count from the origin of the run; Never stands for a moment that did not come.
type Sample struct {
	N          uint64 // sequence number
	Due        time.Duration
	Handed     time.Duration
	ConnFree   time.Duration
	FirstWrite time.Duration
	FirstByte  time.Duration
	Done       time.Duration
	Entry      uint16 // index into Config.Entries
	ErrorName  uint16 // from Recorder.Intern; 0 is no error
	Status     uint16 // HTTP status; 0 without an answer
	Outcome    Outcome
}

// Latency is done − due, Never for a hit that was not done.
func (s *Sample) Latency() time.Duration { return between(s.Due, s.Done) }

// Service is done − first byte written.
func (s *Sample) Service() time.Duration { return between(s.FirstWrite, s.Done) }

// PacerLag is how late the hit was handed to a worker.
func (s *Sample) PacerLag() time.Duration { return between(s.Due, s.Handed) }

// Wait is how long the hit had no worker or connection.
func (s *Sample) Wait() time.Duration { return between(s.Handed, s.ConnFree) }

// SendLag is how long the client needed from a free connection to the first byte written.
func (s *Sample) SendLag() time.Duration { return between(s.ConnFree, s.FirstWrite) }

// ClientLag is what the client alone added: pacer lag and send lag, as far as both are known.
func (s *Sample) ClientLag() time.Duration {
	pacer, send := s.PacerLag(), s.SendLag()
	if pacer == Never {
		return send
	}
	return pacer + max(send, 0)
}

func between(from, to time.Duration) time.Duration {
	if from == Never || to == Never {
		return Never
	}
	return max(to-from, 0)
}

// Limits of the histograms. What lies outside is clamped, and counted as clamped.
const (
	Lowest  = 100 * time.Nanosecond
	Highest = time.Hour
	// SuccessDigits and OtherDigits are the significant decimal digits kept for successes, and for errors and lags.
	SuccessDigits = 3
	OtherDigits   = 2
)
