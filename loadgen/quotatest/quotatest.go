// Package quotatest finds out whether an endpoint really enforces the request quotas that it claims.
//
// For each quota of a table it offers more than the quota admits and looks at what is let through: the sustained rate, the burst
// after a rest, whether the limiter is a bucket or a window, which operations count together, whether other accounts and
// Regions are left alone, and how a throttled request is answered. A row passes, fails, or is host-bound where this
// machine cannot offer enough; quotas can be checked at a scale, where the endpoint was set up with one.
//
// A request counts as admitted when its answer is anything but a throttling error: one that is refused for the state of a key was let
// through all the same. The package limits nothing itself and knows no server. A Verifier's goroutines end before Run returns;
// everything else is pure.
package quotatest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"trent/loadgen/quota"
	"trent/results"
)

// Caller sends one signed request and returns its answer; safe for concurrent use. engine.Client is one.
type Caller interface {
	Call(ctx context.Context, operation string, body []byte) (status int, response []byte, err error)
}

// Way is a way into the endpoint: one account in one Region, with the bodies that its keys allow.
type Way struct {
	Caller Caller
	// Body makes the i-th request of an operation; ok is false where the way has none, as for want of a key.
	Body func(c quota.Call, i int) (body []byte, ok bool)
}

// Verifier checks the rows of a table.
type Verifier struct {
	Table *quota.Table
	Scale float64 // of the rates that the endpoint was set up with; 0 is 1
	Way   Way
	// Others are to be left alone while the quota is used up, by what they are: "another account", "another Region".
	Others map[string]Way
	// MaxRate is the most requests a second that this host can offer; 0: no bound.
	MaxRate float64
	// Tolerance is how far the sustained rate may lie from the quota's, as a share; 0 is 0.05.
	Tolerance float64
	// Progress is called before each row, never concurrently; may be nil.
	Progress func(done, total int, name string)
}

// How long and how hard a row is tried.
const (
	drainFactor  = 2.0 // of the quota, while sharing and isolation are looked at
	burstFactor  = 3.0 // of the quota, for burst and shape
	shortestRun  = 6 * time.Second
	longestRun   = 60 * time.Second
	wantedCalls  = 12 // admitted, that a rate rests on
	rest         = 2 * time.Second
	burstRun     = 3 * time.Second
	probeShare   = 0.05 // of the quota, for each operation that is only probed
	leastProbe   = 2.0  // requests a second
	mostTogether = 100.0
)

func (v *Verifier) scale() float64 {
	if v.Scale <= 0 {
		return 1
	}
	return v.Scale
}

func (v *Verifier) tolerance() float64 {
	if v.Tolerance <= 0 {
		return 0.05
	}
	return v.Tolerance
}

// Run checks the rows with the given names, all of them for none. Rows of small quotas run beside each other: quotas are
// independent. When ctx ends, the rows finished so far are returned with its error. Errors: a name that is no quota.
func (v *Verifier) Run(ctx context.Context, names []string) (*results.QuotaResult, error) {
	rows := v.Table.All()
	if len(names) > 0 {
		rows = nil
		for _, name := range names {
			q, ok := v.Table.Named(name)
			if !ok {
				return nil, fmt.Errorf("unknown quota %q", name)
			}
			rows = append(rows, q)
		}
	}
	out := &results.QuotaResult{Region: v.Table.Region, Scale: v.scale(), HostRate: v.MaxRate}
	done := make([]*results.QuotaRow, len(rows))
	var small, large []int
	for i, q := range rows {
		if q.PerSecond*v.scale() <= mostTogether {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	finished := 0
	for _, batch := range batches(small, large) {
		if ctx.Err() != nil {
			break
		}
		if v.Progress != nil {
			var named []string
			for _, i := range batch {
				named = append(named, rows[i].Name)
			}
			v.Progress(finished, len(rows), strings.Join(named, ", "))
		}
		v.together(ctx, rows, batch, done)
		finished += len(batch)
	}
	for _, row := range done {
		if row != nil {
			out.Rows = append(out.Rows, *row)
		}
	}
	return out, ctx.Err()
}

// atATime is how many small rows run beside each other.
const atATime = 8

// batches are the small rows by the handful, then each large one alone.
func batches(small, large []int) [][]int {
	var out [][]int
	for part := range slices.Chunk(small, atATime) {
		out = append(out, part)
	}
	for _, i := range large {
		out = append(out, []int{i})
	}
	return out
}

// together runs a batch; a row cut short by ctx is left out.
func (v *Verifier) together(ctx context.Context, rows []quota.Quota, batch []int, done []*results.QuotaRow) {
	ended := make(chan struct{})
	for _, i := range batch {
		go func() {
			row := v.row(ctx, rows[i])
			if ctx.Err() == nil {
				done[i] = &row
			}
			ended <- struct{}{}
		}()
	}
	for range batch {
		<-ended
	}
}
