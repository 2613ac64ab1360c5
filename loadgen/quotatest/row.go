package quotatest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"trent/loadgen/quota"
	"trent/results"
)

// row checks one quota.
func (v *Verifier) row(ctx context.Context, q quota.Quota) results.QuotaRow {
	rate := q.PerSecond * v.scale()
	row := results.QuotaRow{Name: q.Name, Operations: q.Operations, Published: q.PerSecond, Expected: rate, Outcome: "pass"}
	calls := v.sendable(q)
	switch {
	case q.Scope == quota.PerKeyStore, len(calls) == 0:
		row.Outcome = results.NotSendable
		row.Reasons = append(row.Reasons, "no request that counts in it can be made with the keys of this run")
		return row
	case v.MaxRate > 0 && rate*burstFactor > v.MaxRate:
		row.Outcome = results.HostBound
		row.Reasons = append(row.Reasons, fmt.Sprintf("it wants %.0f requests a second, this host offers %.0f; check it at a smaller scale", rate*burstFactor, v.MaxRate))
		return row
	}
	streams := v.drainStreams(calls, rate)
	length := lengthFor(rate, streams)
	answers := run(ctx, streams, length)
	late := v.judgeDrain(&row, streams, answers, length)
	if ctx.Err() != nil || late || row.Throttle.Count == 0 {
		return row
	}
	v.burst(ctx, &row, calls[0])
	return row
}

// sendable are the calls that count in a quota and that the way can make, the first of each operation.
func (v *Verifier) sendable(q quota.Quota) []quota.Call {
	var out []quota.Call
	for _, operation := range q.Operations {
		for _, spec := range specs {
			c := quota.Call{Operation: operation, KeySpec: spec}
			if names := v.Table.Names(c); !slices.Equal(names, []string{q.Name}) {
				continue
			}
			if _, ok := v.Way.Body(c, 0); ok {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// specs are tried in this order: the cheapest of a family first, no key last.
var specs = []string{"SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
	"ML_DSA_44", "RSA_2048", "RSA_3072", "RSA_4096", "SM2", ""}

// controls are operations that are probed because they should be left alone; one that is no part of the quota is taken.
var controls = []quota.Call{{Operation: "DescribeKey", KeySpec: "SYMMETRIC_DEFAULT"}, {Operation: "ListKeys"}}

// drainStreams use the quota up with its first operation, and probe everything else.
func (v *Verifier) drainStreams(calls []quota.Call, rate float64) []stream {
	probe := max(probeShare*rate, min(leastProbe, rate/2))
	streams := []stream{{name: calls[0].Operation, way: v.Way, call: calls[0], rate: rate * drainFactor}}
	add := func(name string, way Way, c quota.Call) {
		streams = append(streams, stream{name: name, way: way, call: c, rate: probe, first: 1_000_000 * len(streams), probe: true})
	}
	for _, c := range calls[1:] {
		add(c.Operation, v.Way, c)
	}
	for _, c := range controls {
		if _, ok := v.Way.Body(c, 0); ok && !slices.Equal(v.Table.Names(c), v.Table.Names(calls[0])) {
			add(c.Operation, v.Way, c)
			streams[len(streams)-1].rate = min(probe, 10)
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Others)) {
		if _, ok := v.Others[name].Body(calls[0], 0); ok {
			add(name, v.Others[name], calls[0])
		}
	}
	return streams
}

// lengthFor gives the rate enough calls to rest on, and each probe ten.
func lengthFor(rate float64, streams []stream) time.Duration {
	seconds := wantedCalls / rate
	for _, s := range streams[1:] {
		seconds = max(seconds, 10/s.rate)
	}
	return min(max(time.Duration(math.Ceil(seconds))*time.Second, shortestRun), longestRun)
}

// judgeDrain fills in what the draining run says; late tells that the host could not offer what was planned.
func (v *Verifier) judgeDrain(row *results.QuotaRow, streams []stream, answers []answer, length time.Duration) (late bool) {
	failed, behind := 0, 0
	for i := range answers {
		if answers[i].failed {
			failed++
		}
		if answers[i].sent-answers[i].due > lateBy {
			behind++
		}
	}
	total := 0.0
	for i := range streams {
		sharing := i == 0 || slices.Contains(row.Operations, streams[i].name) && !v.other(streams[i].name)
		if sharing {
			total += streams[i].rate
		}
		if i > 0 {
			row.Probes = append(row.Probes, probeOf(streams[i].name, i, sharing, answers))
		}
	}
	row.Offered = total
	throttle(row, answers)
	switch {
	case len(answers) == 0:
		return true
	case failed*20 > len(answers):
		row.Outcome = "fail"
		row.Reasons = append(row.Reasons, fmt.Sprintf("%d of %d requests had no answer of the API", failed, len(answers)))
	case row.Throttle.Count == 0 && achieved(answers) > 1.2*row.Expected:
		row.Outcome = "fail"
		row.Reasons = append(row.Reasons, fmt.Sprintf("it is not enforced: nothing was throttled at %.0f/s, %.2f times the quota", achieved(answers), achieved(answers)/row.Expected))
	case behind*20 > len(answers):
		row.Outcome = results.HostBound
		row.Reasons = append(row.Reasons, fmt.Sprintf("%d of %d requests left more than %v late", behind, len(answers), lateBy))
		return true
	case row.Throttle.Count == 0:
		row.Outcome = results.HostBound
		row.Reasons = append(row.Reasons, fmt.Sprintf("nothing was throttled, but only %.3g/s left this host", achieved(answers)))
		return true
	default:
		row.Burst = patternOf(sharers(row, answers), row.Expected).allowance
		v.judgeRate(row, answers, length)
		v.judgeProbes(row)
		v.judgeAnswer(row)
	}
	return false
}

// achieved is the rate at which the first stream's requests really left.
func achieved(answers []answer) float64 {
	n, last := 0, time.Duration(0)
	for i := range answers {
		if answers[i].stream == 0 {
			n++
			last = max(last, answers[i].sent)
		}
	}
	return float64(n) / max(last.Seconds(), 1)
}

const lateBy = 100 * time.Millisecond

func (v *Verifier) other(name string) bool {
	_, ok := v.Others[name]
	return ok
}

// probeOf sums a probe up: shared with the quota where an eighth and more was throttled, apart where nothing was.
func probeOf(name string, at int, expected bool, answers []answer) results.QuotaProbe {
	p := results.QuotaProbe{What: name, Expected: expected, Outcome: "unclear"}
	for i := range answers {
		if answers[i].stream == at && !answers[i].failed {
			p.Sent++
			if answers[i].throttled {
				p.Throttled++
			}
		}
	}
	switch {
	case p.Sent > 0 && p.Throttled*8 >= p.Sent:
		p.Outcome = "shares"
	case p.Sent >= 5 && p.Throttled == 0:
		p.Outcome = "apart"
	}
	return p
}

// throttle says how refusals looked.
func throttle(row *results.QuotaRow, answers []answer) {
	for i := range answers {
		if a := &answers[i]; a.throttled {
			if row.Throttle.Count == 0 {
				row.Throttle = results.Throttle{Name: a.name, Status: a.status, Message: a.message[:min(len(a.message), 256)]}
			}
			row.Throttle.Count++
		}
	}
}

// judgeRate compares the sustained rate: what was admitted over whole periods (a second, or as long as one request takes) at the end
// of the run, after throttling had begun.
func (v *Verifier) judgeRate(row *results.QuotaRow, answers []answer, length time.Duration) {
	first := length
	for i := range answers {
		if answers[i].throttled && answers[i].stream == 0 {
			first = answers[i].due
			break
		}
	}
	period := max(time.Second, time.Duration(float64(time.Second)/row.Expected))
	periods := int((length - first) / period)
	if periods < 1 {
		row.Outcome = "fail"
		row.Reasons = append(row.Reasons, "throttling began too late in the run for a sustained rate; the burst allowance is above the quota's")
		return
	}
	from := length - time.Duration(periods)*period
	admitted := 0
	for _, a := range sharers(row, answers) {
		if a.due >= from && !a.throttled && !a.failed {
			admitted++
		}
	}
	span := (time.Duration(periods) * period).Seconds()
	row.Admitted = float64(admitted) / span
	// A count says nothing finer than one request at each end.
	if off := math.Abs(float64(admitted) - row.Expected*span); off > max(v.tolerance()*row.Expected*span, 1.5) {
		row.Outcome = "fail"
		row.Reasons = append(row.Reasons, fmt.Sprintf("it admits %.4g/s, %.0f %% of the quota", row.Admitted, 100*row.Admitted/row.Expected))
	}
}

// sharers are the answers to the requests that count in the quota.
func sharers(row *results.QuotaRow, answers []answer) []answer {
	sharing := map[int]bool{0: true}
	for i, p := range row.Probes {
		sharing[i+1] = p.Outcome == "shares" && p.Expected
	}
	var out []answer
	for i := range answers {
		if sharing[answers[i].stream] {
			out = append(out, answers[i])
		}
	}
	return out
}

func (v *Verifier) judgeProbes(row *results.QuotaRow) {
	for _, p := range row.Probes {
		switch {
		case p.Outcome == "shares" && !p.Expected:
			row.Outcome = "fail"
			row.Reasons = append(row.Reasons, fmt.Sprintf("%s was throttled too (%d of %d), and should have been left alone", p.What, p.Throttled, p.Sent))
		case p.Outcome == "apart" && p.Expected:
			row.Outcome = "fail"
			row.Reasons = append(row.Reasons, fmt.Sprintf("%s was left alone, and should count in this quota", p.What))
		}
	}
}

func (v *Verifier) judgeAnswer(row *results.QuotaRow) {
	if row.Throttle.Name != "ThrottlingException" || row.Throttle.Status != 400 {
		row.Outcome = "fail"
		row.Reasons = append(row.Reasons, fmt.Sprintf("throttled requests are answered by %s, HTTP %d; the service answers ThrottlingException, HTTP 400", row.Throttle.Name, row.Throttle.Status))
	}
	if row.Throttle.Message != throttleMessage {
		row.Reasons = append(row.Reasons, fmt.Sprintf("the message is %q", row.Throttle.Message))
	}
}

// throttleMessage is the service's (AWS KMS developer guide, "Throttling AWS KMS requests").
const throttleMessage = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
