package attack

import (
	"crypto/tls"
	"errors"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/results"
)

// fillConnections says how connections were made.
func fillConnections(r *results.Record, t *Trial, res *Result) error {
	p := &t.Plan.Connect
	pool := t.Plan.Connections
	if pool == 0 {
		pool = res.Report.Connections
	}
	c := &results.Connections{Pool: pool, Lifetime: p.Lifetime, Requests: p.Requests, HandshakeOnly: p.HandshakeOnly, Late: p.Late,
		Resumption: p.Resume, Curves: p.Curves}
	if p.Version != 0 {
		c.TLSVersion = tls.VersionName(p.Version)
	}
	var openingErr, duringErr error
	c.Opening, openingErr = handshakes(res.Report.Opening)
	c.During, duringErr = handshakes(res.Report.Handshakes)
	length := min(t.Plan.Schedule.Duration(), res.Report.Elapsed)
	if _, cold := t.Plan.Schedule.(engine.ColdStart); cold {
		c.ColdStart = coldStart(res)
		length = res.Report.Elapsed
	}
	if length > 0 {
		c.Rate = float64(c.During.Made) / length.Seconds()
	}
	r.Connections = c
	return errors.Join(openingErr, duringErr)
}

func handshakes(h engine.Handshakes) (results.Handshakes, error) {
	out := results.Handshakes{Made: h.Made, Failed: h.Failed, Resumed: h.Resumed, Dial: quantiles(h.Dial), TLS: quantiles(h.TLS)}
	if len(h.Kinds) > 0 {
		out.Kinds = h.Kinds
	}
	var dialErr, tlsErr error
	out.DialHistogram, dialErr = results.EncodeHistogram(h.Dial)
	out.TLSHistogram, tlsErr = results.EncodeHistogram(h.TLS)
	return out, errors.Join(dialErr, tlsErr)
}

// coldStart says when the clients of a storm had their answers. All were due at the beginning, so latency is the time since then.
func coldStart(res *Result) *results.ColdStart {
	c := &results.ColdStart{Clients: res.Report.Due, Served: res.Summary.Count(measure.OK), AllServed: results.Never}
	h := res.Summary.Latency(measure.OK)
	if h == nil {
		return c
	}
	first := results.Latency(h.Min())
	c.First = &first
	if c.Served == c.Clients {
		c.AllServed = results.Latency(measure.Quantile(h, 1))
	}
	return c
}

// fillSDK says what the SDK did.
func fillSDK(r *results.Record, t *Trial, res *Result) error {
	s := res.Report.SDK
	if s == nil {
		return nil
	}
	packed, err := results.EncodeHistogram(s.Latency)
	r.Engine.SDK = &results.SDKCalls{Mode: s.Mode, MaxAttempts: s.MaxAttempts, AttemptTimeout: t.Plan.SDK.AttemptTimeout, Calls: s.Calls,
		ByAttempts: s.ByAttempts, Attempts: s.Attempts, Throttled: s.Throttled, Retried: s.Retried(), Refused: s.Refused,
		Backoff: s.Backoff, Held: s.Held, Errors: errorCounts(s.Errors), Latency: quantiles(s.Latency), Histogram: packed}
	return err
}
