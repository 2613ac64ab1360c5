package attack

import (
	"fmt"
	"io"
	"sync"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

// Display shows the progress of a run: a live view on a terminal, else a line every few seconds. A nil Display shows nothing. Safe
// for concurrent use. It owns the view's goroutines until Close.
type Display struct {
	out      io.Writer
	terminal bool

	mu     sync.Mutex
	live   *live     // nil before the first message, and where there is no terminal
	last   time.Time // of the latest plain line
	prefix string
}

// plainEvery is the time between lines where nothing can be redrawn.
const plainEvery = 5 * time.Second

// NewDisplay writes to out.
func NewDisplay(out io.Writer, terminal bool) *Display {
	return &Display{out: out, terminal: terminal}
}

// Phase announces what happens next.
func (d *Display) Phase(format string, args ...any) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if d.terminal {
		d.view().send(LivePhase(text))
		return
	}
	d.show(text, true)
}

// Progress shows the state of long work that is no run: redrawn on a terminal, else now and then.
func (d *Display) Progress(format string, args ...any) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if d.terminal {
		d.view().send(LivePhase(text))
		return
	}
	d.show(text, false)
}

// view is the live view, started where it is not. The lock must be held.
func (d *Display) view() *live {
	if d.live == nil {
		d.live = startLive(d.out)
	}
	return d.live
}

// Prefix stands before the progress of the next runs, for example the number of a step.
func (d *Display) Prefix(text string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prefix = text
	if d.terminal {
		d.view().send(LivePrefix(text))
	}
}

// Update returns an engine's progress callback for a schedule of the given length.
func (d *Display) Update(length time.Duration) func(engine.Progress) {
	if d == nil {
		return nil
	}
	var before engine.Progress
	return func(p engine.Progress) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.terminal {
			d.view().send(LiveProgress{Length: length, Progress: p})
			return
		}
		elapsed := (p.Elapsed - before.Elapsed).Seconds()
		if elapsed <= 0 {
			return
		}
		per := func(now, then uint64) float64 { return float64(now-min(then, now)) / elapsed }
		line := fmt.Sprintf("%s%4.0f s  due %.0f/s  ok %.0f/s  p50 %s  p99 %s  not ok %d  %s left", d.prefix, p.Elapsed.Seconds(),
			per(p.Due, before.Due), per(p.Outcomes[measure.OK], before.Outcomes[measure.OK]), short(p.P50), short(p.P99),
			p.Done-p.Outcomes[measure.OK], max(length-p.Elapsed, 0).Round(time.Second))
		before = p
		d.show(line, false)
	}
}

// show writes a line: always an important one, else once in a while.
func (d *Display) show(line string, important bool) {
	if now := time.Now(); important || now.Sub(d.last) >= plainEvery {
		fmt.Fprintln(d.out, line)
		if !important {
			d.last = now
		}
	}
}

// Close takes the view away, so that what follows starts at the left. The display may be used again.
func (d *Display) Close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live != nil {
		d.live.stop()
		d.live = nil
	}
}

// short is a latency in milliseconds, a dash where there were too few answers to say.
func short(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
