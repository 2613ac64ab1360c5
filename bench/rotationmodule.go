package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"trent/hsm"
	"trent/loadgen/machine"
	"trent/results/stats"
)

// rotationInProcess is Rotation without a server: one caller encrypts while the module makes a domain key and encrypts tokens again.
func rotationInProcess(ctx context.Context, r *Report, pairs int) error {
	cpus := machine.Host{}.UsableCPUs()
	restore, err := machine.PinSelf(cpus)
	if err != nil {
		return err
	}
	defer func() { _ = restore() }()
	m, done, err := openModule()
	if err != nil {
		return err
	}
	defer done()
	keys := make([]*hsm.Key, rotationKeys)
	for i := range keys {
		if keys[i], err = generate(m, hsm.SymmetricDefault, hsm.EncryptDecrypt); err != nil {
			return err
		}
	}
	own := func() (time.Duration, error) { return processesCPU(os.Getpid()) }
	found, took, err := collect(ctx, pairs, rounds{cpus, own, rotationOthers}, func() (p rotationPair, err error) {
		for _, i := range rand.Perm(2) {
			rotated := make(chan error, 1)
			if i == 1 {
				go func() { rotated <- rotateModule(m, keys[1:]) }()
			} else {
				rotated <- nil
			}
			n, times, err := encryptFor(m, keys[0], time.Now().Add(rotationSpan/2), make([]float64, 0, 1<<20))
			if err := errors.Join(err, <-rotated); err != nil {
				return p, err
			}
			p.calls += uint64(n)
			if p99 := stats.Quantile(times, 0.99); i == 1 {
				p.rotating = p99
			} else {
				p.calm = p99
			}
		}
		return p, nil
	})
	if err != nil {
		return err
	}
	addRotation(r, found, took, "module in process", "one caller at a time, 255 tokens encrypted again beside it")
	return nil
}

// rotateModule makes a domain key and brings all keys under it.
func rotateModule(m *hsm.Local, keys []*hsm.Key) error {
	if err := m.RotateDomainKey(); err != nil {
		return err
	}
	for i, k := range keys {
		c := hsm.Call{Op: hsm.OpRewrap, Key: k, Out: make([]byte, 0, 512)}
		if err := m.Do(&c); err != nil {
			return err
		}
		moved := *k
		moved.Token = c.Out
		keys[i] = &moved
	}
	return nil
}
