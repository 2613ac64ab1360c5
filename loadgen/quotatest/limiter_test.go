package quotatest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"trent/loadgen/quota"
	"trent/loadgen/quotatest"
)

// limiter admits requests; its clock is the bubble's.
type limiter interface{ admit(now time.Time) bool }

// fixedWindow gives a budget to each second of the clock, shifted by a phase.
type fixedWindow struct {
	rate   float64
	phase  time.Duration
	second int64
	used   float64
	every  time.Duration
}

func (w *fixedWindow) admit(now time.Time) bool {
	every := max(w.every, time.Second)
	second := now.Add(w.phase).UnixNano() / int64(every)
	if second != w.second {
		w.second, w.used = second, 0
	}
	if w.used+1 > w.rate*every.Seconds() {
		return false
	}
	w.used++
	return true
}

// ownWindow starts a second with the first request after the last one ended.
type ownWindow struct {
	rate  float64
	begun time.Time
	used  float64
}

func (w *ownWindow) admit(now time.Time) bool {
	if now.Sub(w.begun) >= time.Second {
		w.begun, w.used = now, 0
	}
	if w.used+1 > w.rate {
		return false
	}
	w.used++
	return true
}

// bucket holds up to capacity tokens and gets rate of them a second.
type bucket struct {
	rate, capacity float64
	tokens         float64
	last           time.Time
}

func (b *bucket) admit(now time.Time) bool {
	if b.last.IsZero() {
		b.tokens = b.capacity
	} else {
		b.tokens = min(b.capacity, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

type open struct{}

func (open) admit(time.Time) bool { return true }

// service is an endpoint with limiters of its own making.
type service struct {
	table *quota.Table
	// of makes the limiter of a counter; counter names it by way, quota and operation.
	of      func(rate float64) limiter
	counter func(way, quotaName, operation string) string
	refusal string // exception
	status  int
	fail    bool // answers nothing

	mu       sync.Mutex
	limiters map[string]limiter
	calls    int
}

func newService(of func(rate float64) limiter) *service {
	return &service{table: quota.Defaults("us-east-1"), of: of, refusal: "ThrottlingException", status: 400, limiters: map[string]limiter{},
		counter: func(way, name, _ string) string { return way + "/" + name }}
}

// way is an account in a Region.
type way struct {
	service *service
	name    string
	specs   map[string]bool // of its keys
}

func (s *service) way(name string, specs ...string) quotatest.Way {
	w := &way{service: s, name: name, specs: map[string]bool{"": true}}
	for _, spec := range specs {
		w.specs[spec] = true
	}
	return quotatest.Way{Caller: w, Body: w.body}
}

func (w *way) body(c quota.Call, i int) ([]byte, bool) {
	if !w.specs[c.KeySpec] {
		return nil, false
	}
	body, err := json.Marshal(map[string]any{"Spec": c.KeySpec, "N": i})
	return body, err == nil
}

// Call answers after 3 ms.
func (w *way) Call(ctx context.Context, operation string, body []byte) (int, []byte, error) {
	time.Sleep(3 * time.Millisecond)
	s := w.service
	if s.fail {
		return 0, nil, context.DeadlineExceeded
	}
	var in struct{ Spec string }
	if err := json.Unmarshal(body, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for _, name := range s.table.Names(quota.Call{Operation: operation, KeySpec: in.Spec}) {
		id := s.counter(w.name, name, operation)
		if s.limiters[id] == nil {
			q, _ := s.table.Named(name)
			s.limiters[id] = s.of(q.PerSecond)
		}
		if !s.limiters[id].admit(time.Now()) {
			return s.status, fmt.Appendf(nil, `{"__type":%q,"message":"You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."}`, "ns#"+s.refusal), nil
		}
	}
	if operation == "DisableKey" {
		return 400, []byte(`{"__type":"KMSInvalidStateException","message":"pending"}`), nil // admitted all the same
	}
	return 200, []byte("{}"), nil
}
