package attack_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

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

func TestLiveView(t *testing.T) {
	t.Parallel()
	var model tea.Model = attack.Live{}
	tell := func(messages ...tea.Msg) string {
		for _, m := range messages {
			model, _ = model.Update(m)
		}
		return colours.ReplaceAllString(model.View().Content, "")
	}
	if got := tell(attack.LivePhase("making 3 keys")); got != "making 3 keys" {
		t.Errorf("before the run: %q", got)
	}
	one, two := progress(1, 500), progress(2, 1100)
	two.Outcomes[measure.OK], two.Outcomes[measure.Throttled], two.P99 = 1000, 100, 9*time.Millisecond
	got := tell(tea.WindowSizeMsg{Width: 70}, attack.LivePrefix("search "), attack.LivePhase("steady"), attack.LiveProgress{Length: 10 * time.Second, Progress: one},
		attack.LiveProgress{Length: 10 * time.Second, Progress: two}, attack.LiveProgress{Length: 10 * time.Second, Progress: two})
	for _, want := range []string{"search steady\n", "████████░", " 20 %  8s left", "due 600/s   ok 500/s   p50 3.0 ms   p99 9.0 ms", "throttled 100   of 1100", "ok/s ██", "p99 ▁█"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, line := range strings.Split(tell(tea.WindowSizeMsg{Width: 20}), "\n") {
		if utf8.RuneCountInString(line) > 20 {
			t.Errorf("a line of %d columns in 20: %q", utf8.RuneCountInString(line), line)
		}
	}
	if got := tell(attack.LiveProgress{Length: time.Second, Progress: one}); strings.Contains(got, "▁█") {
		t.Errorf("a new run keeps the old one's history:\n%s", got)
	}
	if got := tell(attack.LiveEnd{}); got != "" {
		t.Errorf("left behind: %q", got)
	}
}

var colours = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestDisplayOnTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := attack.NewDisplay(&out, true)
	d.Phase("making %d keys", 3)
	update := d.Update(10 * time.Second)
	update(progress(1, 500))
	d.Close() // its goroutines have ended: the buffer is ours
	first := out.Len()
	d.Close()
	if first == 0 || out.Len() != first || !strings.Contains(out.String(), "\x1b[?25h") { // the cursor is back
		t.Errorf("wrote %q", out.String())
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
