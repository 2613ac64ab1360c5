package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/loadgen/measure"
	"trent/loadgen/workload"
)

// sdkEngine makes each hit a call of aws-sdk-go-v2's KMS client, as an application has it: typed inputs, the SDK's own serialising,
// signing, retries with their token bucket, and HTTP client, whose pool is as large as the plan's connections. A hit is a whole
// call, with what it waits between its attempts.
//
// The SDK (smithy-go 1.28) closes a request's body as soon as the head of its answer is there. Where that is before the HTTP client
// has looked for the body's end, which only very near servers are fast enough for, the client gives the connection up: it shows as
// connections made in mid-run, and is part of what an application sees.
type sdkEngine struct{}

// SDKOptions are what users set of the SDK. The zero value is its default: standard mode, three attempts, no limit for an attempt.
type SDKOptions struct {
	MaxAttempts    int           // of a call; 0: the SDK's default, 3
	Adaptive       bool          // adaptive retry mode, which also slows the client down; else standard
	AttemptTimeout time.Duration // of one attempt; 0: none but that of the call, which is the plan's Timeout
}

// Name is "sdk".
func (sdkEngine) Name() string { return "sdk" }

// Run is described at Engine.
func (sdkEngine) Run(ctx context.Context, p *Plan) (Report, error) {
	if err := p.validate(); err != nil {
		return Report{}, err
	}
	if p.Tap != nil {
		return Report{}, ErrNoTap
	}
	d, err := resolve(ctx, &p.Target)
	if err != nil {
		return Report{}, err
	}
	s, err := prepareSDK(ctx, p, d)
	if err != nil {
		return Report{}, err
	}
	return s.execute(), nil
}

// sdkRun is a plan while the SDK executes it.
type sdkRun struct {
	*run
	transport *sdkTransport
	client    *awshttp.BuildableClient
	clients   []*kms.Client // by entry
	calls     []sdkCall     // by entry
	meter     *sdkMeter
}

// prepareSDK opens the first connections and makes the clients.
func prepareSDK(ctx context.Context, p *Plan, d *destination) (*sdkRun, error) {
	s := &sdkRun{run: newRun(ctx, p, d), meter: newSDKMeter(p.SDK)}
	for i := range p.Workload.Mix {
		call, ok := sdkCalls[p.Workload.Mix[i].Operation]
		if !ok {
			return nil, fmt.Errorf("engine sdk has no call for operation %s: use native", p.Workload.Mix[i].Operation)
		}
		s.calls = append(s.calls, call)
	}
	if p.Connect.Lifetime > 0 || p.Connect.Requests > 1 || p.Connect.HandshakeOnly {
		return nil, errors.New("engine sdk keeps its connections by the rules of its own pool: use native to limit their lifetime or requests")
	}
	s.transport = newSDKTransport(s.run)
	if err := s.transport.warm(); err != nil {
		s.cancelHard()
		s.transport.close()
		return nil, err
	}
	s.client = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext, t.DialTLSContext = s.transport.dial, s.transport.dial
		t.Proxy = nil
		t.MaxConnsPerHost, t.MaxIdleConnsPerHost, t.MaxIdleConns = p.connections(), p.connections(), 0
		t.DisableKeepAlives = p.Connect.Requests == 1
		t.MaxResponseHeaderBytes = maxHead
	}).WithTimeout(max(p.SDK.AttemptTimeout, 0))
	made := map[Caller]*kms.Client{}
	for i := range p.Workload.Mix {
		caller := p.Target.caller(&p.Workload.Mix[i])
		if made[caller] == nil {
			made[caller] = s.newClient(caller)
		}
		s.clients = append(s.clients, made[caller])
	}
	s.begin()
	return s, nil
}

// newClient makes a client as an application does, with the meters' middleware in its stack.
func (s *sdkRun) newClient(c Caller) *kms.Client {
	scheme := "https://"
	if s.destination.tls == nil {
		scheme = "http://"
	}
	return kms.New(kms.Options{
		Region: c.Region, BaseEndpoint: aws.String(scheme + s.destination.host), HTTPClient: s.client,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(c.Credentials.AccessKeyID, c.Credentials.Secret, c.Credentials.SessionToken)),
		Retryer:     s.meter.retryer(s.plan.SDK), APIOptions: s.middleware(),
	})
}

// execute sends the hits: by the schedule, or in a closed loop.
func (s *sdkRun) execute() Report {
	stop := s.supervise()
	var loop *Loop
	c := newCrew(workersFor(s.plan.Schedule.MeanRate(), s.timeout, s.plan.connections()), func() func(pending) { return newSDKSender(s).send })
	if l, ok := s.plan.Schedule.(ClosedLoop); ok {
		senders := make([]func(pending), l.Clients)
		for i := range senders {
			senders[i] = newSDKSender(s).send
		}
		done := s.loop(l, senders)
		loop = &done
	} else {
		s.pace(c)
	}
	c.wait()
	interrupted := s.soft.Err() != nil
	stop()
	s.transport.close()
	report := s.finish("sdk", interrupted)
	report.Loop, report.SDK = loop, s.meter.report()
	report.MaxBacklog, report.CapHits = c.most, c.capHits
	return report
}

func (s *sdkRun) pace(c *crew) {
	clock := s.newClock(s.origin)
	defer clock.close()
	for p := newPacer(s.plan.Schedule); ; {
		hit, ok := p.next(s.soft, clock)
		if !ok {
			return
		}
		s.due.Add(1)
		c.take(hit)
	}
}

// sdkSender makes calls of one goroutine.
type sdkSender struct {
	run    *sdkRun
	shard  *measure.Shard
	sample measure.Sample
	hit    workload.Hit
	body   []byte
}

func newSDKSender(s *sdkRun) *sdkSender {
	return &sdkSender{run: s, shard: s.plan.Recorder.NewShard()}
}

// send makes the call of a hit and records it.
func (s *sdkSender) send(p pending) {
	r := s.run
	r.sequence.HitOf(p.n, int(p.entry), &s.hit)
	s.sample = measure.Sample{
		N: p.n, Entry: uint16(s.hit.Entry), Due: p.due, Handed: p.handed,
		ConnFree: measure.Never, FirstWrite: measure.Never, FirstByte: measure.Never, Done: measure.Never,
	}
	outcome, name := s.try(p)
	s.sample.Outcome = outcome
	if name != "" {
		s.sample.ErrorName = r.plan.Recorder.Intern([]byte(name))
	}
	r.recorded.Add(1)
	s.shard.Record(&s.sample)
}

func (s *sdkSender) try(p pending) (measure.Outcome, string) {
	r := s.run
	begun := r.now()
	if r.soft.Err() != nil {
		return measure.NeverSent, nameInterrupted
	}
	if begun-p.due > r.timeout {
		return measure.NeverSent, nameNoConnection
	}
	if p.free {
		begun = p.handed
	}
	s.body = r.bodies.Append(s.body[:0], &s.hit)
	c := newCallTrace(r.run)
	ctx, cancel := context.WithTimeout(context.WithValue(r.hard, callKey{}, c), r.timeout)
	err := r.calls[s.hit.Entry](ctx, r.clients[s.hit.Entry], s.body)
	cancel()
	s.sample.Done = r.now()
	outcome, name, status := c.verdict(err)
	s.sample.Status = uint16(status)
	c.times(&s.sample, begun)
	if s.sample.FirstWrite != measure.Never {
		r.sent.Add(1)
	}
	if errors.Is(err, ErrRequestCap) {
		r.capped.Add(1)
	}
	switch {
	case outcome == measure.OK:
	case r.hard.Err() != nil:
		outcome, name = r.cut()
	case outcome == measure.Timeout && name == nameTimeout && s.sample.ConnFree == measure.Never:
		outcome, name = measure.NeverSent, nameNoConnection
	}
	if name == nameInterrupted && s.sample.FirstWrite == measure.Never {
		outcome = measure.NeverSent
	}
	r.meter.call(c)
	return outcome, name
}
