package testclock_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/testclock"
)

const day = 24 * time.Hour

func open(t *testing.T, file string) *testclock.Clock {
	t.Helper()
	c, err := testclock.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func nothing(time.Time, func(time.Time)) error { return nil }

func TestAdvance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		file := filepath.Join(t.TempDir(), testclock.FileName)
		c := open(t, file)
		if !c.Now().Equal(start) {
			t.Errorf("a new clock shows %v", c.Now())
		}
		// The clock stands at each step, and is written before the first.
		var seen []time.Duration
		err := c.Advance(90*day, func(until time.Time, step func(time.Time)) error {
			if !until.Equal(start.Add(90 * day)) {
				t.Errorf("until %v", until)
			}
			if ahead, err := testclock.Ahead(file); err != nil || ahead != 90*day {
				t.Errorf("written %v, %v", ahead, err)
			}
			for _, at := range []time.Duration{-day, 10 * day, 5 * day, 90 * day, 100 * day} {
				step(start.Add(at))
				seen = append(seen, c.Now().Sub(start)/day)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{0, 10, 10, 90, 90} {
			if seen[i] != want {
				t.Errorf("step %d: day %d, want %d", i, seen[i], want)
			}
		}
		time.Sleep(time.Hour) // real time goes on
		if got := c.Now().Sub(start); got != 90*day+time.Hour {
			t.Errorf("an hour later %v", got)
		}
		if err := c.AdvanceTo(start.Add(100*day), nothing); err != nil || !c.Now().Equal(start.Add(100*day)) {
			t.Errorf("%v, %v", c.Now(), err)
		}
		if got := open(t, file).Now(); !got.Equal(c.Now()) {
			t.Errorf("opened again: %v, want %v", got, c.Now())
		}
		failed := errors.New("failed")
		if err := c.Advance(day, func(time.Time, func(time.Time)) error { return failed }); !errors.Is(err, failed) || c.Offset() != 101*day-time.Hour {
			t.Errorf("%v ahead, %v", c.Offset(), err)
		}
	})
}

func TestRefusedMoves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, filepath.Join(dir, testclock.FileName))
	for _, m := range []struct {
		by   time.Duration
		want error
	}{{-1, testclock.ErrBackwards}, {201 * 365 * day, testclock.ErrTooFar}, {1<<63 - 1, testclock.ErrTooFar}} {
		if err := c.Advance(m.by, nothing); !errors.Is(err, m.want) {
			t.Errorf("%v: %v", m.by, err)
		}
	}
	if err := c.AdvanceTo(time.Now().Add(-time.Hour), nothing); !errors.Is(err, testclock.ErrBackwards) {
		t.Error(err)
	}
	if err := c.AdvanceTo(time.Now().AddDate(400, 0, 0), nothing); !errors.Is(err, testclock.ErrTooFar) {
		t.Error(err)
	}
	if err := open(t, filepath.Join(dir, "none", "clock")).Advance(day, nothing); err == nil || c.Offset() != 0 {
		t.Error("moved without a place to keep it")
	}
	for _, text := range []string{"", "{}", `{"ahead":"-1h"}`, `{"ahead":"10000000h"}`, `{"ahead":7}`} {
		file := filepath.Join(dir, "bad")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := testclock.Open(file); err == nil {
			t.Errorf("opened %q: %v", text, c.Offset())
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestMovesAddUp(t *testing.T) {
	t.Parallel()
	c := open(t, filepath.Join(t.TempDir(), testclock.FileName))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			before := c.Now()
			if err := c.Advance(day, nothing); err != nil {
				t.Error(err)
			}
			if c.Now().Sub(before) < day {
				t.Error("not moved")
			}
		})
	}
	wg.Wait()
	if c.Offset() != 8*day {
		t.Error(c.Offset())
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "1d12h30m5s": day + 12*time.Hour + 30*time.Minute + 5*time.Second, "45s": 45 * time.Second, "0s": 0, "36h": 36 * time.Hour,
	} {
		if got, err := testclock.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "90", "-1d", "1.5d", "1h1d", "1d1d", "1w", "1d ", "99999999999999999999d", "73001d", "73000d1s", "+1d", "1ms", "٣d"} {
		if got, err := testclock.ParseDuration(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got := testclock.FormatDuration(time.Millisecond); got != "0s" {
		t.Error(got)
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"90d", "1d12h30m5s", "", "1h1d", "00d", "73000d", "9223372036854775807s", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := testclock.ParseDuration(text)
		if err != nil {
			return
		}
		if back, err := testclock.ParseDuration(testclock.FormatDuration(d)); err != nil || back != d || d < 0 {
			t.Errorf("%q is %v, written %q", text, d, testclock.FormatDuration(d))
		}
	})
}
