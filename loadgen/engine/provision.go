package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/workload"
)

// Provisioned is the keys a workload runs on, with the ciphertexts, signatures and MACs its entries send. It is immutable while
// runs use it, and shares its cap on requests with them.
type Provisioned struct {
	workload  *workload.Workload
	client    *Client
	budget    *budget
	options   ProvisionOptions
	keys      [][]string   // IDs by group and index
	artifacts [][]artifact // by entry, then key × made + variant
	made      []int        // artifacts for each key, by entry
	grantee   atomic.Pointer[string]

	mu       sync.Mutex
	released bool
}

// artifact is what an entry sends, and the payload it was made of; both base64.
type artifact struct{ value, payload string }

// pendingDays is the shortest waiting period of a key deletion (ScheduleKeyDeletion, AWS KMS API reference).
const pendingDays = 7

// cleanupTimeout bounds the deletion of the keys that Provision made before it failed: the server may be what failed.
const cleanupTimeout = 10 * time.Second

// attempts bounds how often a request of Provision is tried while the service throttles it.
const attempts = 10

// KeyID is the ID of a key of a group.
func (p *Provisioned) KeyID(group, i int) string { return p.keys[group][i] }

// Artifact is described at workload.Material.
func (p *Provisioned) Artifact(entry, key, variant int) (value, payload string) {
	a := &p.artifacts[entry][key*p.made[entry]+variant]
	return a.value, a.payload
}

// Artifacts is described at workload.Material.
func (p *Provisioned) Artifacts(entry int) int { return p.made[entry] }

// Grantee is the root of the account that the keys are in, to whom grants are made; "" where the service did not say.
func (p *Provisioned) Grantee() string {
	if arn := p.grantee.Load(); arn != nil {
		return *arn
	}
	return ""
}

// rootOf is the ARN of the account's root of a key's ARN, "" of what is no such ARN.
func rootOf(keyARN string) string {
	parts := strings.Split(keyARN, ":") // arn:aws:kms:us-east-1:111122223333:key/…
	if len(parts) != 6 || parts[0] != "arn" {
		return ""
	}
	return "arn:" + parts[1] + ":iam::" + parts[4] + ":root"
}

// Requests is the number of requests sent or set aside (for Release) under the target's cap, runs included.
func (p *Provisioned) Requests() uint64 { return p.budget.used.Load() }

// Provision creates the keys that w needs, tagged created-by=trent-load, and what its entries send. On an error, or when ctx ends,
// the keys already created are scheduled for deletion (unless kept) before it returns. Errors: *TargetError, ErrRequestCap where
// the cap is too small for the requests and the later Release, ErrKeyCap, an *APIError, a *KeyError for keys of the user's that
// do not fit.
func Provision(ctx context.Context, t Target, w *workload.Workload, o ProvisionOptions) (*Provisioned, error) {
	d, err := resolve(ctx, &t)
	if err != nil {
		return nil, err
	}
	return provision(ctx, newClient(t, d), w, o)
}

func provision(ctx context.Context, c *Client, w *workload.Workload, o ProvisionOptions) (*Provisioned, error) {
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.MaxArtifacts <= 0 {
		o.MaxArtifacts = 4096
	}
	p := &Provisioned{workload: w, client: c, budget: c.budget, options: o}
	p.plan()
	if len(c.target.UseKeys) > 0 {
		p.options.Keep = true
		if err := p.useKeys(ctx, c.target.UseKeys); err != nil {
			return nil, err
		}
		if err := p.makeArtifacts(ctx); err != nil {
			return nil, err
		}
		return p, nil
	}
	if most := c.target.MaxKeys; most > 0 && w.KeyCount() > most {
		return nil, fmt.Errorf("workload %s needs %d keys, allowed are %d: %w", w.Name, w.KeyCount(), most, ErrKeyCap)
	}
	if !o.Keep && !p.budget.take(uint64(w.KeyCount())) {
		return nil, fmt.Errorf("setting aside the requests that delete the keys: %w", ErrRequestCap)
	}
	err := p.createKeys(ctx)
	if err == nil {
		err = p.makeArtifacts(ctx)
	}
	if err != nil {
		// The caller's context may have ended; what was created must go all the same.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return nil, errors.Join(err, p.Release(cleanup))
	}
	return p, nil
}

// plan lays the tables out and says how many artifacts each entry gets.
func (p *Provisioned) plan() {
	w := p.workload
	for _, g := range w.Keys {
		p.keys = append(p.keys, make([]string, g.Count))
	}
	p.artifacts, p.made = make([][]artifact, len(w.Mix)), make([]int, len(w.Mix))
	wanting := 0
	for i := range w.Mix {
		if w.Mix[i].Artifact() != workload.NoArtifact {
			wanting++
		}
	}
	for i := range w.Mix {
		e := &w.Mix[i]
		if e.Artifact() == workload.NoArtifact {
			continue
		}
		keys := w.Keys[e.Group()].Count
		p.made[i] = min(max(p.options.MaxArtifacts/wanting/keys, 1), e.Variants)
		p.artifacts[i] = make([]artifact, keys*p.made[i])
	}
}

// task is one request of Provision.
type task func(ctx context.Context) error

func (p *Provisioned) createKeys(ctx context.Context) error {
	var tasks []task
	for group := range p.workload.Keys {
		g := &p.workload.Keys[group]
		for i := range g.Count {
			tasks = append(tasks, func(ctx context.Context) error { return p.createKey(ctx, g, group, i) })
		}
	}
	return p.all(ctx, tasks, p.counter(0))
}

func (p *Provisioned) createKey(ctx context.Context, g *workload.KeyGroup, group, i int) error {
	body, err := json.Marshal(map[string]any{
		"KeySpec": g.Spec, "KeyUsage": g.Usage, "Description": "load test " + p.workload.Name,
		"Tags": []map[string]string{{"TagKey": "created-by", "TagValue": "trent-load"}},
	})
	if err != nil {
		return fmt.Errorf("encoding CreateKey: %w", err)
	}
	// A key whose answer is not awaited exists all the same, and nobody would know its ID to delete it.
	ctx, cancel := lingering(ctx, grace)
	defer cancel()
	var out struct{ KeyMetadata struct{ KeyId, Arn string } }
	if err := p.request(ctx, "CreateKey", body, &out); err != nil {
		return err
	}
	if out.KeyMetadata.KeyId == "" {
		return errors.New("CreateKey answered without a KeyId")
	}
	p.keys[group][i] = out.KeyMetadata.KeyId
	root := rootOf(out.KeyMetadata.Arn)
	p.grantee.Store(&root)
	return nil
}

func (p *Provisioned) artifactCount() int {
	n := 0
	for _, list := range p.artifacts {
		n += len(list)
	}
	return n
}

func (p *Provisioned) makeArtifacts(ctx context.Context) error {
	bodies := p.workload.Bodies(p)
	var tasks []task
	for entry, list := range p.artifacts {
		group := p.workload.Mix[entry].Group()
		for i := range list {
			tasks = append(tasks, func(ctx context.Context) error {
				key, variant := i/p.made[entry], i%p.made[entry]
				operation, body, payload := bodies.MakeArtifact(entry, key, variant, p.keys[group][key])
				var out struct{ CiphertextBlob, Signature, Mac string }
				if err := p.request(ctx, operation, body, &out); err != nil {
					return err
				}
				value := out.CiphertextBlob + out.Signature + out.Mac // the one that the operation answers with
				if value == "" {
					return fmt.Errorf("%s answered without its result", operation)
				}
				list[i] = artifact{value: value, payload: payload}
				return nil
			})
		}
	}
	return p.all(ctx, tasks, p.counter(p.workload.KeyCount()))
}

// counter tells the user's Progress of each request after the first done ones.
func (p *Provisioned) counter(done int) func() {
	if p.options.Progress == nil {
		return nil
	}
	total := p.workload.KeyCount() + p.artifactCount()
	return func() {
		done++
		p.options.Progress(done, total)
	}
}

// all runs tasks, some at a time, and returns the first error. counted is called after each, never concurrently.
func (p *Provisioned) all(ctx context.Context, tasks []task, counted func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range min(p.options.Concurrency, len(tasks)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(tasks) || ctx.Err() != nil {
					return
				}
				if err := tasks[i](ctx); err != nil {
					cancel(err)
					return
				}
				if counted != nil {
					mu.Lock()
					counted()
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// request sends a call under the cap and decodes its answer, waiting and trying again while it is throttled.
func (p *Provisioned) request(ctx context.Context, operation string, body []byte, out any) error {
	if !p.budget.take(1) {
		return fmt.Errorf("%s: %w", operation, ErrRequestCap)
	}
	return p.granted(ctx, operation, body, out)
}

// granted is request with its first attempt counted already.
func (p *Provisioned) granted(ctx context.Context, operation string, body []byte, out any) error {
	for attempt := 1; ; attempt++ {
		status, response, err := p.client.call(ctx, operation, body, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
		outcome, name := verdictOf(&answer{status: status, body: response})
		switch {
		case outcome == measure.OK && out == nil:
			return nil
		case outcome == measure.OK:
			if err := json.Unmarshal(response, out); err != nil {
				return fmt.Errorf("decoding the answer of %s: %w", operation, err)
			}
			return nil
		case outcome != measure.Throttled || attempt == attempts:
			return &APIError{Operation: operation, Status: status, Name: string(name), Message: messageOf(response)}
		}
		if err := pause(ctx, min(100*time.Millisecond<<attempt, 5*time.Second)); err != nil {
			return err
		}
		if !p.budget.take(1) {
			return fmt.Errorf("%s: %w", operation, ErrRequestCap)
		}
	}
}

// lingering is a context that ends a while after its parent.
func lingering(parent context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.AfterFunc(while, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() { stop(); cancel() }
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// APIError is an error answer to a single call.
type APIError struct {
	Operation string
	Status    int
	Name      string // the exception's
	Message   string // the service's, cut to 512 bytes
}

func (e *APIError) Error() string {
	return fmt.Sprintf("%s: %s (HTTP %d): %s", e.Operation, e.Name, e.Status, e.Message)
}

func messageOf(body []byte) string {
	// encoding/json matches names without regard to case: the service writes both spellings.
	var out struct{ Message string }
	if err := json.Unmarshal(body, &out); err != nil {
		return ""
	}
	return out.Message[:min(len(out.Message), 512)]
}

// Release schedules the deletion of the keys in 7 days, unless they are to be kept, and closes the connections. Keys that are
// pending deletion or gone already are none of its errors. A call after one that succeeded does nothing; after one that failed it
// tries again.
func (p *Provisioned) Release(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.client.Close()
	if p.released || p.options.Keep {
		return nil
	}
	var tasks []task
	var mu sync.Mutex
	var failures []error
	for _, group := range p.keys {
		for _, id := range group {
			if id == "" {
				continue
			}
			// One key's failure must not keep the others.
			tasks = append(tasks, func(ctx context.Context) error {
				if err := p.deleteKey(ctx, id); err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
				return nil
			})
		}
	}
	err := p.all(ctx, tasks, nil)
	if err == nil && len(failures) > 0 {
		err = failures[0]
	}
	if err != nil {
		return fmt.Errorf("scheduling the deletion of the keys (tagged created-by=trent-load; %d failed): %w", len(failures), err)
	}
	p.released = true
	return nil
}

// deleteKey uses a request that Provision set aside.
func (p *Provisioned) deleteKey(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]any{"KeyId": id, "PendingWindowInDays": pendingDays})
	if err != nil {
		return fmt.Errorf("encoding ScheduleKeyDeletion: %w", err)
	}
	err = p.granted(ctx, "ScheduleKeyDeletion", body, nil)
	var api *APIError
	if errors.As(err, &api) && (api.Name == "KMSInvalidStateException" || api.Name == "NotFoundException") {
		return nil
	}
	return err
}
