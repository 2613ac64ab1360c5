package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trent/hsm"
)

// poolSpecs are the specs that are worth making ahead, by name: RSA keys, which take from tens of milliseconds to
// seconds. All others take microseconds.
var poolSpecs = map[string]hsm.KeySpec{"RSA_2048": hsm.RSA2048, "RSA_3072": hsm.RSA3072, "RSA_4096": hsm.RSA4096}

// maxPool bounds the keys of a spec that are kept; each takes up to 3 KiB.
const maxPool = 10_000

// ParsePoolSizes reads how many keys of which spec a pool keeps, each as SPEC=NUMBER; none and "none" mean no pool.
func ParsePoolSizes(texts []string) (map[hsm.KeySpec]int, error) {
	sizes := map[hsm.KeySpec]int{}
	for _, text := range texts {
		if text == "none" && len(texts) == 1 {
			break
		}
		name, number, _ := strings.Cut(text, "=")
		spec, ok := poolSpecs[name]
		n, err := strconv.Atoi(number)
		if _, twice := sizes[spec]; !ok || err != nil || n < 0 || n > maxPool || twice {
			return nil, fmt.Errorf("%q is no size of a key pool", text)
		}
		sizes[spec] = n
	}
	return sizes, nil
}

// Delays of a Pool.
const (
	// quiet is how long a pool waits after its start, after a key was taken and while the module is busy.
	quiet = time.Second
	// retry is how long it waits after a failure.
	retry = 30 * time.Second
)

// Pool keeps asymmetric keys made ahead, so that whoever wants one need not wait for its generation. What it keeps
// are the module's pool tokens, in memory only: each is handed out once and then forgotten, and a process that dies
// takes its tokens with it, so that no two keys can ever come of one. Take may be called from anywhere; Run is the
// one goroutine, the caller's.
type Pool struct {
	module hsm.Module
	sizes  map[hsm.KeySpec]int
	logger func(string, ...any)
	taken  chan struct{}

	mu    sync.Mutex
	ready map[hsm.KeySpec][]*hsm.Key
}

// NewPool makes a pool that keeps up to sizes keys of each spec; Run fills it. logger may be nil.
func NewPool(module hsm.Module, sizes map[hsm.KeySpec]int, logger func(string, ...any)) *Pool {
	if logger == nil {
		logger = func(string, ...any) {}
	}
	return &Pool{
		module: module, sizes: maps.Clone(sizes), logger: logger,
		taken: make(chan struct{}, 1), ready: map[hsm.KeySpec][]*hsm.Key{},
	}
}

// Take hands out a pool token of spec, for any usage; nil: there is none at this moment. It never waits.
func (p *Pool) Take(spec hsm.KeySpec) *hsm.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := p.ready[spec]
	if len(keys) == 0 {
		return nil
	}
	last := len(keys) - 1
	key := keys[last]
	keys[last] = nil
	p.ready[spec] = keys[:last]
	select {
	case p.taken <- struct{}{}:
	default: // Run knows, or is about to look
	}
	return key
}

// Level is how full a pool is of one spec.
type Level struct {
	Spec        string // the API's name
	Ready, Size int    // keys
}

// Levels are those of all specs that the pool keeps, in order of their names.
func (p *Pool) Levels() []Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Level
	for _, name := range slices.Sorted(maps.Keys(poolSpecs)) {
		if size := p.sizes[poolSpecs[name]]; size > 0 {
			all = append(all, Level{name, len(p.ready[poolSpecs[name]]), size})
		}
	}
	return all
}

// Rewrap re-encrypts the keys that are not under a version of the domain key, and drops those that cannot be. Keys can be
// taken meanwhile.
func (p *Pool) Rewrap(ctx context.Context, version uint32) {
	var stale []*hsm.Key
	p.mu.Lock()
	for _, keys := range p.ready {
		for _, k := range keys {
			if info, ok := hsm.InfoOf(k.Token); ok && info.Version != version {
				stale = append(stale, k)
			}
		}
	}
	p.mu.Unlock()
	for _, k := range stale {
		if ctx.Err() != nil {
			return
		}
		c := &hsm.Call{Op: hsm.OpRewrap, Key: k, Out: make([]byte, 0, 4<<10), Deadline: time.Now().Add(retry)}
		var fresh *hsm.Key
		if p.module.Do(c) == nil {
			fresh = &hsm.Key{Token: slices.Clone(c.Out), Spec: k.Spec}
		}
		p.replace(k, fresh)
	}
}

// replace puts fresh in the place of a key that is still there; nil: nothing.
func (p *Pool) replace(k, fresh *hsm.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := p.ready[k.Spec]
	i := slices.Index(keys, k)
	switch {
	case i < 0:
	case fresh != nil:
		keys[i] = fresh
	default:
		p.ready[k.Spec] = slices.Delete(keys, i, i+1)
	}
}

// Run fills the pool while the module has nothing else to do, one key at a time, until ctx is done; it returns
// ctx's error. A key in the making cannot be stopped: its goroutine outlives Run by one generation, and what it
// makes is dropped.
func (p *Pool) Run(ctx context.Context) error {
	wait := quiet
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		spec, missing := p.missing()
		if !missing {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-p.taken:
				wait = quiet
				continue
			}
		}
		wait = quiet
		if p.idle(ctx) {
			wait = p.add(ctx, spec)
		}
	}
}

// missing is the spec of which the pool has the fewest keys beside those that it should have.
func (p *Pool) missing() (spec hsm.KeySpec, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fewest := 0
	for _, s := range slices.Sorted(maps.Keys(p.sizes)) {
		if n := len(p.ready[s]); n < p.sizes[s] && (!ok || n < fewest) {
			spec, fewest, ok = s, n, true
		}
	}
	return spec, ok
}

// idle tells whether nobody uses the module's engines or workers, nor waits for them.
func (p *Pool) idle(ctx context.Context) bool {
	s, err := p.module.Status(ctx)
	return err == nil && s.Healthy && s.EnginesBusy == 0 && s.EngineQueue == 0 && s.Busy == 0
}

// add makes one key of spec and says how long to wait before the next.
func (p *Pool) add(ctx context.Context, spec hsm.KeySpec) time.Duration {
	c := &hsm.Call{Op: hsm.OpGeneratePool, Spec: spec, Out: make([]byte, 0, 4<<10), Public: make([]byte, 0, 1<<10)}
	made := make(chan error, 1)
	go func() { made <- p.module.Do(c) }()
	select {
	case <-ctx.Done():
		return 0
	case err := <-made:
		if err != nil {
			p.logger("making a key for the pool failed, will try again: %v", err)
			return retry
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[spec] = append(p.ready[spec], &hsm.Key{Token: slices.Clone(c.Out), Spec: spec})
	return 0
}
