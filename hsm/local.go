package hsm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/arena"
	"trent/hsm/internal/domain"
	"trent/hsm/internal/gcm"
)

// Local is the module that runs in this process.
type Local struct {
	pool
	arena      *arena.Arena
	arenaBytes int
	keys       *domain.Ring
	sealed     *domain.Domain // a domain of this module alone; nil for a member
	member     *domain.Member // nil for a module of its own domain
	kernel     gcm.Kernel
	// approvedOnly: the kernel is the one of the FIPS 140-3 mode.
	approvedOnly bool
	random       io.Reader
	slots        int
	gate         gate
	parsed       parsedKeys

	// makeKey is algorithm.Generate, but for tests that hold it up.
	makeKey func(spec algorithm.Spec, random io.Reader) (material, spki []byte, err error)

	now func() time.Time // time.Now, but for tests of what takes days

	epoch atomic.Uint32 // advances twice in Config.SlotIdle

	closing  sync.Once
	stop     chan struct{}
	stopped  chan struct{}
	closeErr error
}

var (
	_ Module  = (*Local)(nil)
	_ Batcher = (*Local)(nil)
)

// Batcher runs several calls; each gets its own Err.
type Batcher interface{ DoBatch(cs []*Call) }

// Open opens the domain kept in cfg.Dir, or makes one where there is none, and starts a module. Errors: those
// listed with ErrSealedByOther, ErrUnlocked, and those of the operating system.
func Open(cfg Config) (*Local, error) {
	return start(cfg, func(l *Local, o domain.Options) (err error) {
		if l.sealed, err = domain.Open(o); err == nil {
			l.keys = &l.sealed.Ring
		}
		return err
	})
}

// start makes a module whose domain open opens.
func start(cfg Config, open func(l *Local, o domain.Options) error) (*Local, error) {
	cfg = cfg.withDefaults()
	kernel, err := gcm.Pick(cfg.Kernel)
	if err != nil {
		return nil, fmt.Errorf("starting the module: %w", err)
	}
	l := &Local{
		kernel:       kernel,
		approvedOnly: kernel.Name() == "std-fips",
		random:       cfg.Random,
		makeKey:      algorithm.Generate,
		now:          time.Now,
		stop:         make(chan struct{}),
		stopped:      make(chan struct{}),
	}
	if l.random == nil {
		l.random = rand.Reader
	}
	l.gate.permits = cfg.AsymmetricEngines
	l.parsed.byTag = map[tokenTag]*parsedKey{}
	l.parsed.parse = l.parse
	if l.arena, l.slots, err = newArena(&cfg); err != nil {
		return nil, err
	}
	l.arenaBytes = l.arena.Bytes()
	o := domain.Options{Dir: cfg.Dir, Name: cfg.Name, Seal: cfg.Seal, Kernel: kernel, Random: l.random, Arena: l.arena, Settle: l.settle,
		Now: func() time.Time { return l.now() },
	}
	if err := open(l, o); err != nil {
		return nil, errors.Join(err, l.arena.Close())
	}
	l.pool.init(l.arena, cfg.Workers, l.slots)
	go l.sweepIdle(cfg.SlotIdle)
	return l, nil
}

// Do implements Module.
func (l *Local) Do(c *Call) error {
	if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
		return ErrDeadline
	}
	if l.member != nil && !l.keys.InService() {
		return ErrOutOfService
	}
	if c.Recipient != nil {
		return l.toRecipient(c)
	}
	if c.Op == OpRandom {
		return l.randomBytes(c)
	}
	if !l.permits(c) {
		return ErrUnsupported
	}
	if c.Op == OpGeneratePool {
		return l.generate(c, true)
	}
	if c.Key == nil {
		return ErrToken
	}
	switch c.Op {
	case OpEncrypt:
		return l.doEncrypt(c)
	case OpDecrypt:
		return l.doDecrypt(c)
	case OpReEncrypt:
		return l.doReEncrypt(c)
	case OpDataKey:
		if !isSymmetric(c.Key, c.Algorithm) {
			return ErrUnsupported
		}
		return l.dataKey(c)
	case OpDataKeyPair:
		return l.dataKeyPair(c)
	case OpSign:
		return l.sign(c)
	case OpVerify:
		return l.verify(c)
	case OpMAC, OpVerifyMAC:
		return l.mac(c)
	case OpGenerate:
		return l.generate(c, false)
	case OpAdopt:
		return l.adopt(c)
	case OpRewrap:
		return l.rewrap(c)
	case OpDerive:
		return l.derive(c)
	case OpEncapsulate:
		return l.encapsulate(c)
	case OpDecapsulate:
		return l.decapsulate(c)
	case OpWrappingKey:
		return l.wrappingKey(c)
	case OpImportToken:
		return l.importToken(c)
	case OpImport:
		return l.importKey(c)
	}
	return ErrUnsupported
}

// permits says whether the kernel lets a call use its keys: the FIPS kernel has only approved specs.
func (l *Local) permits(c *Call) bool {
	if !l.approvedOnly {
		return true
	}
	approved := func(s KeySpec) bool { return s == SpecNone || algorithm.Approved(algorithm.Spec(s)) }
	return approved(c.Spec) && (c.Key == nil || approved(c.Key.Spec)) && (c.Target == nil || approved(c.Target.Spec))
}

// DoBatch implements Batcher: one call after the other.
func (l *Local) DoBatch(cs []*Call) {
	for _, c := range cs {
		c.Err = l.Do(c)
	}
}

// Forget implements Module.
func (l *Local) Forget(ctx context.Context, m MaterialID) error {
	err := l.parsed.forget(ctx, m)
	if !l.visitAll(ctx.Done(), func(s *slot) bool { return s.material == m }) && err == nil {
		err = ctx.Err()
	}
	return err
}

// visitAll wipes the slots that match, at every worker; false: done came first, or Close.
func (l *Local) visitAll(done <-chan struct{}, match func(*slot) bool) bool {
	for i := range l.workers {
		w := &l.workers[i]
		if !l.visit(w, done) {
			return false
		}
		w.wipeWhere(match)
		l.release(w)
	}
	return true
}

// sweepIdle wipes what nobody has used for idle, until Close.
func (l *Local) sweepIdle(idle time.Duration) {
	defer close(l.stopped)
	if idle < 0 {
		<-l.stop
		return
	}
	tick := time.NewTicker(max(idle/2, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		epoch := l.epoch.Add(1)
		l.visitAll(l.stop, func(s *slot) bool { return epoch-s.epoch >= 2 })
		l.parsed.idle(epoch)
	}
}

// Status implements Module.
func (l *Local) Status(context.Context) (Status, error) {
	s := Status{
		Healthy:       !l.pool.closed.Load() && l.keys.InService(),
		Domain:        l.keys.Name(),
		DomainNumber:  l.keys.Number(),
		DomainVersion: l.keys.Version(),
		DomainKeys:    l.keys.Keys(),
		Workers:       len(l.workers),
		Busy:          l.busy(),
		Parked:        l.parked.Load(),
		Slots:         l.slots,
		Kernel:        l.kernel.Name(),
		ArenaKind:     l.arena.Kind().String(),
		ArenaWhy:      l.arena.Why(),
		ArenaBytes:    l.arenaBytes,
		RuntimeSecret: runtimeSecret,
	}
	s.Kernels = append(s.Kernels, s.Kernel)
	for _, k := range gcm.Kernels() {
		if k.Name() != s.Kernel {
			s.Kernels = append(s.Kernels, k.Name())
		}
	}
	l.gate.report(&s)
	return s, nil
}

// Close implements Module. A second Close does nothing.
func (l *Local) Close() error {
	l.closing.Do(func() {
		l.wipe()
		l.closeErr = l.arena.Close()
	})
	return l.closeErr
}

// wipe stops everything and wipes all keys.
func (l *Local) wipe() {
	close(l.stop)
	<-l.stopped
	if l.member != nil {
		l.member.Close()
	} else {
		l.sealed.Close()
	}
	l.gate.close()
	l.parsed.close()
	l.pool.close()
	for i := range l.workers {
		l.workers[i].wipeWhere(func(*slot) bool { return true })
	}
	l.arena.Wipe()
}

// String names the module's domain, never its keys.
func (l *Local) String() string {
	if l.member != nil {
		return "hsm(" + l.member.String() + ")"
	}
	return "hsm(" + l.keys.Name() + ")"
}

// GoString is String, so that %#v does not walk into the keys.
func (l *Local) GoString() string { return l.String() }
