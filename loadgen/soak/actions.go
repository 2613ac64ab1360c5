package soak

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// restartTimeout bounds a restart, which goes through even when the soak is being interrupted: what was written is read back then.
const restartTimeout = time.Minute

// actions does what the plan says, from the one after the last that was begun.
func (r *run) actions(ctx context.Context) error {
	all := r.o.Plan.Occurrences(r.length, r.o.Seed)
	for {
		r.mu.Lock()
		next := r.st.Next
		r.mu.Unlock()
		if next >= len(all) {
			return nil
		}
		if sleep(ctx, all[next].At-r.position()) != nil {
			return nil
		}
		r.mu.Lock()
		r.st.Next++
		r.mu.Unlock()
		if err := r.act(ctx, all[next]); err != nil {
			return err
		}
	}
}

// act does one thing. The error is one after which the soak cannot go on: the server does not come back.
func (r *run) act(ctx context.Context, o Occurrence) error {
	r.mu.Lock()
	at := r.positionLocked()
	i := len(r.st.Actions)
	r.st.Actions = append(r.st.Actions, taken{Occurrence: o, From: at, Until: at + o.For + o.Allow, Started: time.Now()})
	r.mu.Unlock()
	detail, err := r.perform(ctx, o)
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.st.Actions[i]
	a.To = max(r.positionLocked(), at+1)
	a.Until = a.To + o.Allow
	a.Outcome, a.Detail = "done", detail
	var gone *goneError
	switch {
	case errors.As(err, &gone):
		a.Outcome, a.Detail = "failed", err.Error()
		return err
	case errors.Is(err, errNothing), errors.Is(err, errNoKeys):
		a.Outcome, a.Detail = "skipped", err.Error()
	case err != nil && ctx.Err() != nil:
		a.Outcome, a.Detail = "cut short", "interrupted"
	case err != nil:
		a.Outcome, a.Detail = "failed", err.Error()
	}
	return nil
}

// goneError is a server that did not come back.
type goneError struct{ err error }

func (e *goneError) Error() string { return "the server did not come back: " + e.err.Error() }
func (e *goneError) Unwrap() error { return e.err }

func (r *run) perform(ctx context.Context, o Occurrence) (detail string, err error) {
	if (kinds[o.Kind].server || kinds[o.Kind].ours) && r.w.Server == nil {
		return "", errors.New("the server is none of the harness's")
	}
	switch o.Kind {
	case Kill:
		return r.kill(ctx, o.For)
	case Restart:
		return r.restart(ctx)
	case Pause:
		return r.pause(ctx, o.For)
	case Delay:
		return r.delay(ctx, o)
	case DiskFull:
		return r.fillDisk(ctx, o.For)
	case Rotate:
		return r.rotate(ctx)
	case RotateDomain:
		return r.w.Server.RotateDomain(ctx)
	case ClockStep:
		return r.stepClock(ctx)
	}
	return "", fmt.Errorf("unknown kind %q", o.Kind)
}

// up starts the server again, after it ended or to end it, and begins the books of its new life.
func (r *run) up(ctx context.Context, since time.Time) (time.Duration, error) {
	r.mu.Lock()
	before := r.last.Done + r.own.good.Load()
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartTimeout)
	defer cancel()
	begun := time.Now()
	if err := r.w.Server.Restart(ctx); err != nil {
		return 0, &goneError{err}
	}
	took := time.Since(begun)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.Lives = append(r.st.Lives, life{Started: time.Now(), DoneBefore: before, opening: true})
	r.st.Restarted = since
	return took, nil
}

// readCount reads the server's count before its process is asked to end.
func (r *run) readCount(ctx context.Context) {
	r.mu.Lock()
	good := r.last.Good + r.own.good.Load()
	r.mu.Unlock()
	n, ok := r.w.Count(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := len(r.st.Lives); l > 0 && ok && !r.st.Lives[l-1].closed {
		p := &r.st.Lives[l-1]
		p.Read, p.Server, p.GoodThen, p.closing = true, n, good, true
	}
}

func (r *run) kill(ctx context.Context, down time.Duration) (string, error) {
	since := time.Now()
	if err := r.w.Server.Signal(syscall.SIGKILL); err != nil {
		return "", fmt.Errorf("killing the server: %w", err)
	}
	<-r.w.Server.Exited()
	_ = sleep(ctx, down) // an interruption brings the server back early
	took, err := r.up(ctx, since)
	return fmt.Sprintf("down for %v, ready again within %v", down, took.Round(time.Millisecond)), err
}

func (r *run) restart(ctx context.Context) (string, error) {
	since := time.Now()
	r.readCount(ctx)
	took, err := r.up(ctx, since)
	return fmt.Sprintf("drained and ready again within %v", took.Round(time.Millisecond)), err
}

func (r *run) pause(ctx context.Context, d time.Duration) (string, error) {
	if err := r.w.Server.Signal(syscall.SIGSTOP); err != nil {
		return "", fmt.Errorf("stopping the server: %w", err)
	}
	wait := sleep(ctx, d)
	if err := r.w.Server.Signal(syscall.SIGCONT); err != nil {
		return "", fmt.Errorf("continuing the server: %w", err)
	}
	return fmt.Sprintf("stood still for %v", d), wait
}

// delay lets the server run half of the time.
func (r *run) delay(ctx context.Context, o Occurrence) (string, error) {
	for end := time.Now().Add(o.For); time.Now().Before(end); {
		if _, err := r.pause(ctx, o.By); err != nil {
			return "", err
		}
		if err := sleep(ctx, o.By); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("answers up to %v later for %v", o.By, o.For), nil
}

// fillDisk writes while no file can be written, then sees whether the server comes through or must be started again.
func (r *run) fillDisk(ctx context.Context, d time.Duration) (string, error) {
	since := time.Now()
	r.readCount(ctx)
	if err := r.w.Server.LimitFiles(true); err != nil {
		return "", fmt.Errorf("keeping the server from writing: %w", err)
	}
	writes := len(r.stock.snapshot())
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		call, cancel := context.WithTimeout(ctx, min(d, 5*time.Second))
		r.stock.grow(call, r.own)
		cancel()
		_ = sleep(ctx, d/4)
	}
	counts := map[string]int{}
	for _, k := range r.stock.snapshot()[writes:] {
		counts[k.State]++
	}
	detail := fmt.Sprintf("no file could be written for %v; of the keys asked for meanwhile %d were made, %d refused, %d in doubt",
		d, counts[madeIt], counts[refusedIt], counts[ambiguous]+counts[wanted])
	lifted := r.w.Server.LimitFiles(false)
	select {
	case <-r.w.Server.Exited():
	case <-time.After(100 * time.Millisecond):
		if lifted != nil {
			return "", fmt.Errorf("letting the server write again: %w", lifted)
		}
		if r.writes(ctx) {
			return detail + "; the server came through", nil
		}
		_, err := r.up(ctx, since)
		return detail + "; it took a restart before it wrote again", err
	}
	_, err := r.up(ctx, since)
	return detail + "; the server gave up and was started again", err
}

// writes tells whether the server makes keys.
func (r *run) writes(ctx context.Context) bool {
	for range 3 {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		n := len(r.stock.snapshot())
		r.stock.grow(call, r.own)
		cancel()
		if r.stock.snapshot()[n].State == madeIt {
			return true
		}
		_ = sleep(ctx, 500*time.Millisecond)
	}
	return false
}

// Rotations of nothing.
var (
	errNothing = errors.New("the load has no symmetric key of its own")
	errNoKeys  = errors.New("the server's HSM has no domain keys that rotate")
)

// maxRotated bounds the keys that are rotated at a time.
const maxRotated = 100

func (r *run) rotate(ctx context.Context) (string, error) {
	ids := r.stock.rotatable()
	since, rotated := time.Now(), 0
	var failure error
	for _, id := range ids[:min(len(ids), maxRotated)] {
		if _, err := insist(ctx, r.own, "RotateKeyOnDemand", fields("KeyId", id)); err != nil {
			failure = err
			continue
		}
		rotated++
	}
	switch {
	case len(ids) == 0:
		return "", errNothing
	case rotated == 0:
		return "", failure
	case rotated == min(len(ids), maxRotated):
		r.mu.Lock()
		r.st.Rotated = since
		r.mu.Unlock()
	}
	detail := fmt.Sprintf("%d of %d symmetric keys of the load have new material", rotated, len(ids))
	if failure != nil {
		detail += ", " + failure.Error()
	}
	return detail, nil
}

// wrongBy is far beyond what the service forgives a client's clock, 5 minutes.
const wrongBy = 20 * time.Minute

func (r *run) stepClock(ctx context.Context) (string, error) {
	for _, by := range []time.Duration{wrongBy, -wrongBy} {
		wrong := &counted{Caller: r.w.Skewed(by)}
		if _, err := insist(ctx, wrong, "ListKeys", fields("Limit", 1)); err == nil {
			return "", fmt.Errorf("a request that was signed by a clock %v off was answered well", by)
		}
	}
	if _, err := insist(ctx, r.own, "ListKeys", fields("Limit", 1)); err != nil {
		return "", fmt.Errorf("after the clock was set right: %w", err)
	}
	return fmt.Sprintf("requests signed by a clock %v off to either side were refused, the next by the right clock was answered", wrongBy), nil
}
