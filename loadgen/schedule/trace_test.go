package schedule_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trent/loadgen/schedule"
)

func writeTrace(t testing.TB, text string, zip bool) string {
	t.Helper()
	data := []byte(text)
	if zip {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(data)
		w.Close()
		data = out.Bytes()
	}
	path := filepath.Join(t.TempDir(), "arrivals")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTraceFile(t *testing.T) {
	t.Parallel()
	const text = "# arrivals of a morning\n\n0 1\n0.5\r\n0.5 0\n2.000000001\t7\n4"
	for _, zip := range []bool{false, true} {
		path := writeTrace(t, text, zip)
		for suffix, want := range map[string][]schedule.Hit{
			"":     {{0, 0, 1}, {1, 500 * ms, -1}, {2, 500 * ms, 0}, {3, 2*s + 1, 7}, {4, 4 * s, -1}},
			" ×2":  {{0, 0, 1}, {1, 250 * ms, -1}, {2, 250 * ms, 0}, {3, s + 1, 7}, {4, 2 * s, -1}},
			" x.5": {{0, 0, 1}, {1, s, -1}, {2, s, 0}, {3, 4*s + 2, 7}, {4, 8 * s, -1}},
		} {
			sch, err := schedule.Parse("trace:"+path+suffix, 1)
			if err != nil {
				t.Fatal(err)
			}
			equalHits(t, hits(sch.Iterator()), want)
			equalHits(t, hits(sch.IteratorAt(want[1].Due+1)), want[3:])
			file := sch.(*schedule.FileTrace)
			if file.Entries() != 8 || file.Hits() != 5 || file.Err() != nil {
				t.Errorf("%d entries, %d hits, error %v", file.Entries(), file.Hits(), file.Err())
			}
			// Four gaps over the time of the last hit, and one more.
			if last := want[4].Due; sch.Duration() != last+last/4 || sch.MeanRate() != 5/sch.Duration().Seconds() {
				t.Errorf("%v long, %v/s", sch.Duration(), sch.MeanRate())
			}
			again, err := schedule.Parse(sch.String(), 1)
			if err != nil || again.String() != sch.String() {
				t.Fatalf("%q again is %v, error %v", sch, again, err)
			}
			equalHits(t, hits(again.Iterator()), want)
		}
	}
}

func TestTraceErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "it has no hits",
		"# nothing\n":                  "it has no hits",
		"1\n0.5\n":                     "line 2, column 1: 500ms lies before the hit above it, which is due at 1s",
		"x":                            "line 1, column 1: expected the seconds since the start, such as 12.345",
		"-1":                           "line 1, column 1: expected the seconds since the start, such as 12.345",
		" 1":                           "line 1, column 1: expected the seconds since the start, such as 12.345",
		"1.":                           "line 1, column 3: expected a digit after the point",
		"1.0000000000":                 "line 1, column 12: more than nine digits after the point",
		"1e3":                          `line 1, column 2: unexpected 'e' in the number of seconds`,
		"0\n\n1 x":                     "line 3, column 3: expected the index of an entry of the workload's mix",
		"1 ":                           "line 1, column 3: expected the index of an entry of the workload's mix",
		"1 2 3":                        `line 1, column 4: unexpected ' ' after the entry index`,
		"1 65536":                      "line 1, column 3: the entry index is above 65535",
		"99999999":                     "line 1, column 1: the time lies beyond 720h0m0s",
		"9999999999999999999999999999": "line 1, column 1: the time lies beyond 720h0m0s",
		"0\n#" + strings.Repeat("x", schedule.MaxTraceLine): "line 2, column 257: the line is longer than 256 bytes",
	} {
		path := writeTrace(t, text, false)
		_, err := schedule.Parse("trace:"+path, 1)
		if want := fmt.Sprintf("schedule %q: trace %s: %s", "trace:"+path, path, want); err == nil || err.Error() != want {
			t.Errorf("%q: got  %v\nwant %s", text, err, want)
		}
	}
	path := writeTrace(t, "0\n1\n", false)
	for spec, want := range map[string]string{
		"trace:":                    "trace: no file",
		"trace: x2":                 "trace: no file",
		"trace:" + path + " x0":     "speed 0: expected",
		"trace:" + path + " ×1e9":   "speed 1e+09: expected",
		"trace:" + path + "-absent": "no such file",
		"trace:" + os.DevNull:       "not a regular file",
		"poisson:trace:" + path:     "a trace has its own arrivals",
		"trace:" + cutGzip(t):       "unexpected EOF",
	} {
		if _, err := schedule.Parse(spec, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", spec, err, want)
		}
	}
}

// cutGzip is a gzipped trace that lacks its end.
func cutGzip(t *testing.T) string {
	path := writeTrace(t, strings.Repeat("0\n", 10_000), true)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-10)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A trace longer than the places that are kept of it is entered in its middle, plain and gzipped, by each agent.
func TestLongTrace(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	const n = 200_000
	for i := range n {
		if i%1000 == 0 {
			text.WriteString("# another thousand\n")
		}
		fmt.Fprintf(&text, "%d.%03d %d\n", i/1000, i%1000, i%3)
	}
	for _, zip := range []bool{false, true} {
		sch, err := schedule.OpenTrace(writeTrace(t, text.String(), zip), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []uint64{0, 1, 1023, 1024, 1025, 150_001, 199_999} {
			hit, ok := sch.IteratorAt(time.Duration(n) * ms).Next()
			if want := (schedule.Hit{N: n, Due: time.Duration(n) * ms, Entry: int32(n % 3)}); !ok || hit != want {
				t.Errorf("hit %+v, want %+v", hit, want)
			}
		}
		p := schedule.Partition{Seed: 1, Agents: 2}
		a, b := hits(p.Share(sch, 0).Iterator()), hits(p.Share(sch, 1).IteratorAt(0))
		if len(a)+len(b) != n || len(a) < n/2-2000 || len(b) < n/2-2000 {
			t.Errorf("%d and %d hits", len(a), len(b))
		}
	}
}

// A trace that is cut after it was checked ends early, and says so.
func TestTraceThatChanges(t *testing.T) {
	t.Parallel()
	path := writeTrace(t, strings.Repeat("0\n", 50_000)+"1\n", false)
	sch, err := schedule.OpenTrace(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 80_000); err != nil {
		t.Fatal(err)
	}
	share := schedule.Partition{Agents: 2}.Share(sch, 0)
	if n := len(hits(sch.Iterator())); n != 40_000 || sch.Err() == nil || !strings.Contains(sch.Err().Error(), "ends after 40000 hits of 50001") {
		t.Errorf("%d hits, error %v", n, sch.Err())
	}
	if e, ok := share.(interface{ Err() error }); !ok || e.Err() == nil {
		t.Error("a share does not tell of it")
	}
}

func TestTraceInMemory(t *testing.T) {
	t.Parallel()
	sch := schedule.Trace([]time.Duration{3 * s, s, -s, s})
	equalHits(t, hits(sch.Iterator()), []schedule.Hit{{0, 0, -1}, {1, s, -1}, {2, s, -1}, {3, 3 * s, -1}})
	if sch.Duration() != 4*s || sch.MeanRate() != 1 || schedule.Trace(nil).Duration() != 0 {
		t.Errorf("%v, %v/s", sch.Duration(), sch.MeanRate())
	}
	if lone := schedule.Trace([]time.Duration{s}); lone.Duration() != 2*s || schedule.Count(lone, 0, 2*s) != 1 {
		t.Errorf("a lone hit: %v", lone.Duration())
	}
	if !strings.HasPrefix(sch.String(), "trace of 4 hits") || schedule.Randomise(sch, 1).String() != sch.String() {
		t.Errorf("%q", sch)
	}
}

// What reads as a trace reads again from its canonical text to the same hits; what does not names a place inside the text.
func FuzzTrace(f *testing.F) {
	for _, seed := range []string{"", "0\n", "# c\n0 1\n0.5\r\n0.5 0\n2.000000001\t7\n4", "1\n0.5\n", "1.", "1.0000000000", "1 65536", "99999999", "1 2 3",
		"0\n#" + strings.Repeat("x", 300), "\n\n\r\n7", "2592000", "2592000.000000001", "00001.10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var canonical strings.Builder
		var all []schedule.Hit
		for r := schedule.NewTraceReader(strings.NewReader(text)); ; {
			hit, err := r.Read()
			var wrong *schedule.TraceError
			switch {
			case err == io.EOF:
			case errors.As(err, &wrong):
				lines := strings.Split(text, "\n")
				if wrong.Line < 1 || wrong.Line > len(lines) || wrong.Column < 1 || wrong.Column > len(lines[wrong.Line-1])+1 {
					t.Fatalf("%q: error at line %d, column %d", text, wrong.Line, wrong.Column)
				}
			case err != nil:
				t.Fatal(err)
			default:
				all = append(all, hit)
				fmt.Fprintf(&canonical, "%d.%09d", hit.Due/s, hit.Due%s)
				if hit.Entry != schedule.AnyEntry {
					fmt.Fprintf(&canonical, " %d", hit.Entry)
				}
				canonical.WriteByte('\n')
				continue
			}
			break
		}
		r := schedule.NewTraceReader(strings.NewReader(canonical.String()))
		for i, want := range all {
			hit, err := r.Read()
			if err != nil || hit != want || i > 0 && hit.Due < all[i-1].Due || hit.Due > schedule.MaxDuration {
				t.Fatalf("%q: hit %+v, want %+v, error %v", text, hit, want, err)
			}
		}
		if _, err := r.Read(); err != io.EOF {
			t.Fatalf("%q: canonical text ends with %v", text, err)
		}
	})
}

// The hits of any schedule, written as a trace and read into memory, are the same hits over the same length.
func TestTraceCopies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sch := drawSchedule(t)
		var text bytes.Buffer
		if err := schedule.WriteTrace(&text, sch, 1<<30); err != nil {
			t.Fatal(err)
		}
		again, err := schedule.ReadTrace(&text, sch.Duration(), 1<<30)
		if err != nil || again.Duration() != sch.Duration() {
			t.Fatalf("%v, %v", again, err)
		}
		equalHits(t, hits(again.Iterator()), hits(sch.Iterator()))
	})
	long := schedule.Constant(10, s)
	var text bytes.Buffer
	if err := schedule.WriteTrace(&text, long, 9); err == nil {
		t.Error("ten hits were written where nine may be")
	}
	if _, err := schedule.ReadTrace(strings.NewReader("0\n0\n"), s, 1); err == nil {
		t.Error("two hits were read where one may be")
	}
	if _, err := schedule.ReadTrace(strings.NewReader("0\n1\n"), s, 9); err == nil {
		t.Error("a hit beyond the end was read")
	}
}
