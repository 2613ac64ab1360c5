package quotatest

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"trent/loadgen/quota"
)

// stream is requests of one kind at a steady rate.
type stream struct {
	name  string // in the result
	way   Way
	call  quota.Call
	rate  float64 // a second
	first int     // number of its first request
	probe bool    // only to see whether it is throttled too
}

// answer is what became of one request. Times count from the start of the run.
type answer struct {
	stream    int
	due, sent time.Duration
	throttled bool
	failed    bool // no answer of the API
	status    int
	name      string // of the exception
	message   string
}

// shot is a request to send.
type shot struct {
	at     int // index of its answer
	stream int
	number int
	due    time.Duration
}

// due is when the n-th request of the stream is due. A probe falls anywhere in its turn, drawn by its number: in step with a window
// of whole seconds it would see the same part of it each time.
func (s *stream) due(n int) time.Duration {
	at := float64(n)
	if s.probe {
		at += rand.New(rand.NewPCG(uint64(n), uint64(s.first)+1)).Float64()
	}
	return time.Duration(at / s.rate * float64(time.Second))
}

// plan lists the requests of all streams in the order in which they are due.
func plan(streams []stream, length time.Duration) []shot {
	var shots []shot
	for i := range streams {
		for n := 0; ; n++ {
			due := streams[i].due(n)
			if due >= length {
				break
			}
			shots = append(shots, shot{stream: i, number: streams[i].first + n, due: due})
		}
	}
	slices.SortStableFunc(shots, func(a, b shot) int { return cmp.Compare(a.due, b.due) })
	for i := range shots {
		shots[i].at = i
	}
	return shots
}

// run sends the streams for a while, open loop, and returns the answers by due time. Requests whose time has passed go out at
// once. It returns early when ctx ends.
func run(ctx context.Context, streams []stream, length time.Duration) []answer {
	shots := plan(streams, length)
	answers := make([]answer, len(shots))
	feed := make(chan shot)
	start := time.Now()
	var wg sync.WaitGroup
	for range workers(len(shots), length) {
		wg.Go(func() {
			for s := range feed {
				st := &streams[s.stream]
				sent := time.Since(start)
				a := st.send(ctx, s.number)
				a.stream, a.due, a.sent = s.stream, s.due, sent
				answers[s.at] = a
			}
		})
	}
	sent := len(shots)
	for i, s := range shots {
		if wait := s.due - time.Since(start); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
		if ctx.Err() != nil {
			sent = i
			break
		}
		feed <- s
	}
	close(feed)
	wg.Wait()
	return answers[:sent]
}

// workers are enough for answers that take 50 ms.
func workers(shots int, length time.Duration) int {
	return min(max(int(math.Ceil(float64(shots)/length.Seconds()*0.05)), 16), 512)
}

func (s *stream) send(ctx context.Context, number int) answer {
	var a answer
	body, ok := s.way.Body(s.call, number)
	if !ok {
		a.failed = true
		return a
	}
	status, response, err := s.way.Caller.Call(ctx, s.call.Operation, body)
	if err != nil {
		a.failed = true
		return a
	}
	a.status = status
	if status != 200 {
		a.name, a.message = exception(response)
	}
	a.throttled = throttling[a.name]
	return a
}

// throttling are the names by which services refuse for too many requests.
var throttling = map[string]bool{"ThrottlingException": true, "Throttling": true, "RequestLimitExceeded": true, "TooManyRequestsException": true,
	"SlowDown": true, "RequestThrottled": true, "BandwidthLimitExceeded": true}

// exception reads an error answer of the JSON protocol.
func exception(body []byte) (name, message string) {
	var out struct {
		Type    string `json:"__type"`
		Message string // either spelling
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return "unreadable", ""
	}
	for i := len(out.Type) - 1; i >= 0; i-- {
		if out.Type[i] == '#' { // a namespace before the name
			out.Type = out.Type[i+1:]
			break
		}
	}
	return out.Type, out.Message
}
