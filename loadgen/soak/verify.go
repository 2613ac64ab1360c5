package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Loss is something that was lost: acknowledged and not there, or given and not good any more.
type Loss struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// maxLosses bounds the losses that are listed; all are counted.
const maxLosses = 100

// verifier checks samples through the API. Safe for concurrent use.
type verifier struct {
	samples *reservoir
	call    Caller

	mu sync.Mutex
	verified
	cursor int
}

// verified is what the verifier has found.
type verified struct {
	Checks    uint64 `json:"checks"`              // made with a definite answer
	Unsettled uint64 `json:"unsettled,omitempty"` // tries without one
	Lost      uint64 `json:"lost"`
	Losses    []Loss `json:"losses,omitempty"`
	Dropped   uint64 `json:"dropped,omitempty"` // answers that came faster than they could be kept
}

func (v *verifier) snapshot() verified {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.verified
	out.Losses = append([]Loss(nil), v.Losses...)
	return out
}

// innocent are refusals that say nothing of the data.
var innocent = map[string]bool{
	"AccessDeniedException": true, "ExpiredTokenException": true, "IncompleteSignatureException": true, "InvalidClientTokenId": true,
	"InvalidSignatureException": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true, "RequestExpired": true,
}

// check makes the check of a sample. It is settled once there is a definite answer, which is then noted.
func (v *verifier) check(ctx context.Context, i int, checks uint8) (settled bool, err error) {
	s, made, err := v.samples.read(i)
	if err != nil {
		return false, err
	}
	outcome, why := v.ask(ctx, &s)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch outcome {
	case uncertain:
		v.Unsettled++
		return false, nil
	case refused:
		v.Lost++
		if len(v.Losses) < maxLosses {
			v.Losses = append(v.Losses, Loss{fmt.Sprintf("%s by hit %d at %s", s.Operation, s.N, s.Made.UTC().Format(time.RFC3339)), s.Check + ": " + why})
		}
	}
	v.Checks++
	v.samples.passed(i, made, checks, outcome == refused)
	return true, nil
}

// ask answers done where the sample is good, refused where it is not.
func (v *verifier) ask(ctx context.Context, s *sample) (verdict, string) {
	answer, outcome, why := v.once(ctx, s.Check, s.Body)
	if outcome != done {
		return outcome, why
	}
	if len(s.Source) > 0 {
		source, outcome, why := v.once(ctx, "Decrypt", s.Source)
		if outcome != done {
			return outcome, "its source: " + why
		}
		var out struct{ Plaintext string }
		if json.Unmarshal(source, &out) == nil {
			s.Want = digestOf(out.Plaintext)
		}
	}
	if ok, why := s.holds(answer); !ok {
		return refused, why
	}
	return done, ""
}

func (v *verifier) once(ctx context.Context, operation string, body []byte) ([]byte, verdict, string) {
	status, response, err := v.call.Call(ctx, operation, body)
	outcome, name := judge(status, response, err)
	if outcome == refused && innocent[name] {
		outcome = uncertain
	}
	return response, outcome, name
}

// step makes one check that is due, if there is one.
func (v *verifier) step(ctx context.Context, m *moments) (worked bool, err error) {
	i, checks := v.samples.next(v.cursor, m)
	if i < 0 {
		return false, nil
	}
	v.cursor = i + 1
	_, err = v.check(ctx, i, checks)
	return true, err
}

// sweepWorkers check at the end, when no load runs beside.
const sweepWorkers = 8

// sweep makes all checks that are due, trying again what has no definite answer. It returns how many have none in the end.
func (v *verifier) sweep(ctx context.Context, m *moments, progress func(done, total int)) (open int, err error) {
	for attempt := range 5 {
		var todo []int
		var checks []uint8
		for from := 0; ; {
			i, c := v.samples.next(from, m)
			if i < from {
				break
			}
			todo, checks = append(todo, i), append(checks, c)
			from = i + 1
			if from >= v.samples.tally().Samples {
				break
			}
		}
		if len(todo) == 0 {
			return 0, nil
		}
		if attempt > 0 {
			if err := sleep(ctx, 2*time.Second); err != nil {
				return len(todo), nil
			}
		}
		if open, err = v.all(ctx, todo, checks, progress); err != nil || open == 0 || ctx.Err() != nil {
			return open, err
		}
	}
	return open, nil
}

func (v *verifier) all(ctx context.Context, todo []int, checks []uint8, progress func(done, total int)) (open int, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range sweepWorkers {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= len(todo) {
					return
				}
				settled := false
				var failure error
				if ctx.Err() == nil {
					settled, failure = v.check(ctx, todo[n], checks[n])
				}
				mu.Lock()
				if failure != nil {
					err = failure
				}
				if !settled {
					open++
				}
				if n%1000 == 999 {
					progress(n+1, len(todo))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return open, err
}

// sleep waits, or returns the context's error as soon as it ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// insist calls until there is a definite answer, some 30 s long; a refusal is an error.
func insist(ctx context.Context, c Caller, operation string, body []byte) ([]byte, error) {
	name := ""
	for attempt := range 18 {
		status, response, err := c.Call(ctx, operation, body)
		var outcome verdict
		switch outcome, name = judge(status, response, err); outcome {
		case done:
			return response, nil
		case refused:
			return nil, fmt.Errorf("%s: %s", operation, name)
		}
		if err := sleep(ctx, min(100*time.Millisecond<<min(attempt, 8), 2*time.Second)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: no definite answer: %s", operation, name)
}
