package attack_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

func progress(seconds int, done uint64) engine.Progress {
	p := engine.Progress{Elapsed: time.Duration(seconds) * time.Second, Due: done}
	p.Done = done
	p.Outcomes[measure.OK] = done
	p.P50 = 3 * time.Millisecond
	return p
}

func TestDisplayOnTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := attack.NewDisplay(&out, true)
	d.Phase("making %d keys", 3)
	d.Prefix("search ")
	update := d.Update(10 * time.Second)
	update(progress(1, 500))
	update(progress(2, 1100))
	update(progress(2, 1100)) // no time passed: nothing to say
	d.Close()
	d.Close()
	want := "\r\x1b[Kmaking 3 keys" +
		"\r\x1b[Ksearch    1 s  due 500/s  ok 500/s  p50 3.0 ms  p99 –  not ok 0  9s left" +
		"\r\x1b[Ksearch    2 s  due 600/s  ok 600/s  p50 3.0 ms  p99 –  not ok 0  8s left" +
		"\r\x1b[K"
	if out.String() != want {
		t.Errorf("wrote %q\nwant  %q", out.String(), want)
	}
}

func TestDisplayInALog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := attack.NewDisplay(&out, false)
	d.Phase("making keys")
	update := d.Update(time.Minute)
	for i := range 30 {
		update(progress(i+1, uint64(i)*100))
	}
	d.Phase("releasing the keys")
	d.Close()
	if lines := strings.Count(out.String(), "\n"); lines < 3 || lines > 5 || strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("thirty updates at once wrote %d lines: %q", lines, out.String())
	}
}

func TestNoDisplay(t *testing.T) {
	t.Parallel()
	var d *attack.Display
	d.Phase("x")
	d.Prefix("x")
	d.Close()
	if d.Update(time.Second) != nil {
		t.Error("no display has a callback")
	}
}
