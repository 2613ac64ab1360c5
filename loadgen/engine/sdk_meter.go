package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/measure"
)

// SDKCalls is what the SDK did for the calls of a run, beside their outcomes and latencies, which the recorder has.
type SDKCalls struct {
	Mode        string // "standard" or "adaptive"
	MaxAttempts int
	Calls       uint64
	ByAttempts  []uint64 // calls that took 1, 2, … attempts
	Attempts    uint64   // requests sent or tried
	Throttled   uint64   // attempts that the service throttled
	// Refused counts retries that were not made because the SDK's retry tokens had run out.
	Refused uint64
	// Backoff is what calls waited before retries, Held what adaptive mode kept attempts back, all calls together.
	Backoff, Held time.Duration
	Errors        map[string]uint64 // attempts that were not OK, by the name of their error
	// Latency is of single attempts from their start (signing and the wait for a connection included), in ns; nil without any.
	Latency *hdr.Histogram
}

// Retried is the number of calls that took more than one attempt.
func (c *SDKCalls) Retried() uint64 {
	var n uint64
	for i, calls := range c.ByAttempts {
		if i > 0 {
			n += calls
		}
	}
	return n
}

// sdkMeter counts. Safe for concurrent use.
type sdkMeter struct {
	mu sync.Mutex
	c  SDKCalls

	refused       atomic.Uint64
	backoff, held atomic.Int64
}

func newSDKMeter(o SDKOptions) *sdkMeter {
	m := &sdkMeter{c: SDKCalls{Mode: string(aws.RetryModeStandard), MaxAttempts: o.MaxAttempts, Errors: map[string]uint64{}}}
	if o.Adaptive {
		m.c.Mode = string(aws.RetryModeAdaptive)
	}
	if o.MaxAttempts <= 0 {
		m.c.MaxAttempts = retry.DefaultMaxAttempts
	}
	return m
}

func (m *sdkMeter) report() *SDKCalls {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.c
	c.ByAttempts = slices.Clone(c.ByAttempts)
	c.Refused, c.Backoff, c.Held = m.refused.Load(), time.Duration(m.backoff.Load()), time.Duration(m.held.Load())
	return &c
}

// attempt counts one.
func (m *sdkMeter) attempt(took time.Duration, outcome measure.Outcome, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.c.Attempts++
	keep(&m.c.Latency, took)
	if outcome == measure.Throttled {
		m.c.Throttled++
	}
	if outcome != measure.OK {
		if _, ok := m.c.Errors[name]; !ok && len(m.c.Errors) >= maxErrorNames {
			name = "other"
		}
		m.c.Errors[name]++
	}
}

// maxErrorNames bounds the names of failed attempts, which the server chooses.
const maxErrorNames = 256

// call counts one.
func (m *sdkMeter) call(t *callTrace) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.c.Calls++
	if t.attempts == 0 {
		return
	}
	for len(m.c.ByAttempts) < t.attempts {
		m.c.ByAttempts = append(m.c.ByAttempts, 0)
	}
	m.c.ByAttempts[t.attempts-1]++
}

// retryer is the SDK's own, with its decisions counted.
func (m *sdkMeter) retryer(o SDKOptions) aws.RetryerV2 {
	standard := func(s *retry.StandardOptions) {
		if o.MaxAttempts > 0 {
			s.MaxAttempts = o.MaxAttempts
		}
	}
	if o.Adaptive {
		return &countedRetryer{RetryerV2: retry.NewAdaptiveMode(func(a *retry.AdaptiveModeOptions) {
			a.StandardOptions = append(a.StandardOptions, standard)
		}), meter: m}
	}
	return &countedRetryer{RetryerV2: retry.NewStandard(standard), meter: m}
}

// errStopped is an attempt that the end of the run forbids.
var errStopped = errors.New("run interrupted")

type countedRetryer struct {
	aws.RetryerV2
	meter *sdkMeter
}

// IsErrorRetryable is the SDK's, but the run's cap on requests is final.
func (r *countedRetryer) IsErrorRetryable(err error) bool {
	return !errors.Is(err, ErrRequestCap) && !errors.Is(err, errStopped) && r.RetryerV2.IsErrorRetryable(err)
}

func (r *countedRetryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	d, failure := r.RetryerV2.RetryDelay(attempt, err)
	r.meter.backoff.Add(int64(d))
	return d, failure
}

func (r *countedRetryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	release, failure := r.RetryerV2.GetRetryToken(ctx, err)
	if failure != nil {
		r.meter.refused.Add(1)
	}
	return release, failure
}

func (r *countedRetryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	begun := time.Now()
	release, err := r.RetryerV2.GetAttemptToken(ctx)
	r.meter.held.Add(int64(time.Since(begun)))
	return release, err
}

// callTrace follows one call. Its times count from the origin of the run; measure.Never is one that did not come.
type callTrace struct {
	run      *run
	attempts int
	outcome  measure.Outcome // of the last attempt
	name     string
	status   int

	asked, connFree       time.Duration // of the first attempt: for a connection, and when there was one
	firstWrite, firstByte atomic.Int64  // the first write of the first attempt, the first byte back of the last
	phase                 atomic.Int32
	expired               bool // the last attempt ran out of time
	mu                    sync.Mutex
	broken                error // what ended the last attempt's connection
}

// Phases of an attempt before its request is sent.
const (
	pooled int32 = iota // waits for a connection
	dialling
	handshaking
)

func (c *callTrace) reached(phase int32) { c.phase.Store(phase) }

type callKey struct{}

func newCallTrace(r *run) *callTrace {
	c := &callTrace{run: r, asked: measure.Never, connFree: measure.Never}
	c.firstWrite.Store(int64(measure.Never))
	c.firstByte.Store(int64(measure.Never))
	return c
}

func (c *callTrace) wrote() { c.firstWrite.CompareAndSwap(int64(measure.Never), int64(c.run.now())) }

func (c *callTrace) broke(err error) {
	c.mu.Lock()
	if c.broken == nil {
		c.broken = err
	}
	c.mu.Unlock()
}

// hooks are what the HTTP client calls during an attempt.
func (c *callTrace) hooks() *httptrace.ClientTrace {
	first := c.attempts == 1
	c.mu.Lock()
	c.broken = nil
	c.mu.Unlock()
	c.firstByte.Store(int64(measure.Never))
	c.expired = false
	c.reached(pooled)
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			if first && c.asked == measure.Never {
				c.asked = c.run.now()
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if own, ok := info.Conn.(*sdkConn); ok {
				own.serve(c)
			}
			if first && c.connFree == measure.Never {
				c.connFree = c.run.now()
			}
		},
		GotFirstResponseByte: func() { c.firstByte.Store(int64(c.run.now())) },
	}
}

// times fills a sample in. What passed before a connection was asked for (the SDK's serialising and signing) is the client's: it
// is moved from the wait to the sending lag, by letting the connection be free that much earlier.
func (c *callTrace) times(s *measure.Sample, begun time.Duration) {
	s.FirstWrite, s.FirstByte = time.Duration(c.firstWrite.Load()), time.Duration(c.firstByte.Load())
	if c.connFree != measure.Never {
		s.ConnFree = max(c.connFree-max(c.asked-begun, 0), s.Handed)
	}
}

// verdict sorts the whole call.
func (c *callTrace) verdict(err error) (measure.Outcome, string, int) {
	if c.attempts == 0 || err == nil {
		return c.classify(err)
	}
	if (errors.Is(err, ErrRequestCap) || errors.Is(err, errStopped)) && c.attempts > 0 {
		return c.outcome, c.name, c.status // the retry was not sent: what the attempt before it got stands
	}
	return c.classify(err)
}

// classify sorts an error of the SDK by its types.
func (c *callTrace) classify(err error) (outcome measure.Outcome, name string, status int) {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	var connect *connectError
	switch {
	case err == nil:
		return measure.OK, "", 200
	case errors.Is(err, ErrRequestCap):
		return measure.NeverSent, nameCap, 0
	case errors.Is(err, errStopped):
		return measure.NeverSent, nameInterrupted, 0
	case c.asked == measure.Never && c.run.hard.Err() == nil && !isTimeout(err):
		return measure.Failed, nameSDK, 0 // it was not even sent
	case errors.As(err, &connect):
		outcome, name = connectOutcome(connect.err), connectFault(connect.err)
	case errors.As(err, &api):
		outcome, name = apiFault(api.ErrorCode(), status)
	case c.expired || isTimeout(err):
		outcome, name = measure.Timeout, c.lateName()
	case status != 0 && status != 200:
		outcome, name = apiFault("", status)
	default:
		outcome, name = c.fault(err)
	}
	return outcome, name, status
}

// lateName says for what time ran out.
func (c *callTrace) lateName() string {
	switch phase := c.phase.Load(); {
	case c.connFree != measure.Never || phase == pooled:
		return nameTimeout
	case phase == dialling:
		return nameSlowConnect
	}
	return nameSlowHandshake
}

// apiFault sorts an error answer. "UnknownError" is the SDK's name for one without a name.
func apiFault(code string, status int) (measure.Outcome, string) {
	name := identifier([]byte(code))
	if len(name) == 0 || code == (&smithy.GenericAPIError{}).ErrorCode() || code == "UnknownError" {
		name = statusName(status)
	}
	if status == 429 || throttles(name) {
		return measure.Throttled, string(name)
	}
	return measure.Failed, string(name)
}

// fault sorts a failed exchange. The HTTP client hides some causes behind errors of its own, so what happened to the connection
// decides where the error itself does not.
func (c *callTrace) fault(err error) (measure.Outcome, string) {
	answering := time.Duration(c.firstByte.Load()) != measure.Never
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	var undecodable *smithy.DeserializationError
	outcome, name := faultOf(err)
	if broken == errMalformed {
		outcome, name = faultOf(broken)
	}
	bySDK := errors.Is(err, net.ErrClosed)
	if bySDK && broken != nil && !errors.Is(broken, net.ErrClosed) {
		// The client closed what had ended already.
		outcome, name = faultOf(broken)
		bySDK = false
	}
	if name == nameConnection && broken != nil && !answering {
		outcome, name = faultOf(broken)
	}
	switch {
	case bySDK:
		return measure.ConnError, nameSDKClosed
	case outcome == measure.Timeout || outcome == measure.Malformed || name == nameReset:
		return outcome, name
	case answering && (errors.Is(err, io.ErrUnexpectedEOF) || name == nameClosed):
		return measure.ConnError, nameTruncated
	case answering || errors.As(err, &undecodable):
		return measure.Malformed, nameMalformed
	}
	return outcome, name
}

// middleware is put into the stack of the SDK: around each attempt, and below the decoder.
func (s *sdkRun) middleware() []func(*middleware.Stack) error {
	attempt := middleware.FinalizeMiddlewareFunc("CountAttempt", s.attempt)
	body := middleware.DeserializeMiddlewareFunc("BoundBody", boundBody)
	return []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
		return errors.Join(stack.Finalize.Insert(attempt, "Retry", middleware.After), stack.Deserialize.Add(body, middleware.After))
	}}
}

// attempt sends one attempt of a call and counts it.
func (s *sdkRun) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	c := ctx.Value(callKey{}).(*callTrace)
	if s.soft.Err() != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, errStopped
	}
	if !s.budget.take(1) {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, ErrRequestCap
	}
	c.attempts++
	ctx = httptrace.WithClientTrace(ctx, c.hooks())
	begun := time.Now()
	out, metadata, err := next.HandleFinalize(ctx, in)
	c.expired = errors.Is(ctx.Err(), context.DeadlineExceeded)
	c.outcome, c.name, c.status = c.classify(err)
	if s.hard.Err() != nil && err != nil {
		c.outcome, c.name = s.cut()
	}
	s.meter.attempt(time.Since(begun), c.outcome, c.name)
	return out, metadata, err
}

// boundBody keeps a server from filling the memory.
func boundBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response.Response != nil && response.Body != nil {
		response.Body = &bounded{ReadCloser: response.Body, left: maxBody}
	}
	return out, metadata, err
}
