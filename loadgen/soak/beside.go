package soak

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// beside starts what runs beside the load; the returned function ends it and waits.
func (r *run) beside(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, f := range []func(context.Context) error{r.keep, r.checks, r.makeKeys, r.readings, r.actions, r.saves} {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				r.fail(err)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// fail ends the load for a reason that makes going on pointless.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.fatal == nil {
		r.fatal = err
	}
	r.mu.Unlock()
	r.cancel(err)
}

// keep puts what the load was given into the reservoir, and what is left when the load ends.
func (r *run) keep(ctx context.Context) error {
	for {
		select {
		case t := <-r.taps:
			if s, ok := newSample(&t); ok {
				if err := r.samples.offer(s, time.Now()); err != nil {
					return err
				}
			}
			continue
		default:
		}
		select {
		case t := <-r.taps:
			if s, ok := newSample(&t); ok {
				if err := r.samples.offer(s, time.Now()); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			if len(r.taps) == 0 {
				return nil
			}
		}
	}
}

// moments are those of the checks that are due now.
func (r *run) moments() *moments {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &moments{now: time.Now(), restarted: r.st.Restarted, rotated: r.st.Rotated, after: r.o.After}
}

// checks verifies samples at a steady rate.
func (r *run) checks(ctx context.Context) error {
	gap := time.Duration(float64(time.Second) / r.o.CheckRate)
	for {
		worked, err := r.verify.step(ctx, r.moments())
		if err != nil {
			return err
		}
		wait := gap
		if !worked {
			wait = max(gap, min(max(r.o.After/20, 200*time.Millisecond), 30*time.Second))
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// makeKeys makes a key now and then.
func (r *run) makeKeys(ctx context.Context) error {
	for made := 0; r.o.Trickle > 0 && (r.o.MostKeys == 0 || made < r.o.MostKeys) && sleep(ctx, r.o.Trickle) == nil; made++ {
		// A call that has begun is answered or fails by itself, so that an interruption leaves no more in doubt than it must.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		r.stock.grow(call, r.own)
		cancel()
	}
	return nil
}

// readings takes four to a block.
func (r *run) readings(ctx context.Context) error {
	gap := max(r.series.width/4, 500*time.Millisecond)
	for {
		now := r.w.Read(ctx)
		r.mu.Lock()
		at := r.positionLocked()
		for _, reading := range now {
			number := 0
			switch {
			case reading.Anew && strings.HasPrefix(reading.Name, "server-"):
				number = len(r.st.Lives)
			case reading.Anew:
				number = len(r.st.Legs)
			}
			r.series.add(reading.Series, at, number, reading.Reading)
		}
		r.mu.Unlock()
		if sleep(ctx, gap) != nil {
			return nil
		}
	}
}

// saves writes checkpoints.
func (r *run) saves(ctx context.Context) error {
	for sleep(ctx, r.o.Save) == nil {
		if err := r.save(); err != nil {
			return err
		}
	}
	return nil
}

// digestText names a text by the beginning of its SHA-256.
func digestText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
