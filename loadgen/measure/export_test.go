package measure_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"trent/loadgen/measure"
)

func TestRawLogHasEveryHit(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	log := measure.NewRawLog(&file)
	r := measure.NewRecorder(measure.Config{Entries: []string{"a", "b, \"c\""}, Raw: log})
	shard := r.NewShard()
	const hits = 5000
	for n := range uint64(hits) {
		s := ok(n, uint16(n%2), time.Duration(n)*ms, 5*ms)
		if n == 7 {
			s = never(n, 1, time.Duration(n)*ms, measure.NeverSent, r.Intern([]byte("No,connection\n")))
		}
		shard.Record(&s)
	}
	r.Summary()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(zip).ReadAll()
	if err != nil || len(lines) != hits+1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if got := strings.Join(lines[0], ",") + "\n"; got != measure.RawHeader {
		t.Errorf("header %q", got)
	}
	for _, c := range []struct {
		line int
		want string
	}{
		{1, "0|0|10000|30000|60000|5000000|5000000|a|ok||200"},
		{8, "7|7000000||||||b___c_|never-sent|No_connection_|"},
		{hits, "4999|4999000000|4999010000|4999030000|4999060000|5004000000|5004000000|b___c_|ok||200"},
	} {
		if got := strings.Join(lines[c.line], "|"); got != c.want {
			t.Errorf("line %d: %s, want %s", c.line, got, c.want)
		}
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestRawLogOnAFullDisk(t *testing.T) {
	t.Parallel()
	log := measure.NewRawLog(&full{room: 100})
	r := measure.NewRecorder(measure.Config{Entries: []string{"a"}, Raw: log})
	shard := r.NewShard()
	for n := range uint64(200_000) {
		s := ok(n, 0, time.Duration(n)*us*17, time.Duration(n*7919%1000)*us)
		shard.Record(&s)
	}
	if got := r.Summary().Count(measure.OK); got != 200_000 {
		t.Errorf("%d hits measured", got)
	}
	if err := log.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v, want the writer's", err)
	}
}

func TestHdrLogMergesToTheWhole(t *testing.T) {
	t.Parallel()
	r := recorder("a", "b c")
	shard := r.NewShard()
	for n := range uint64(3000) {
		s := ok(n, uint16(n%2), time.Duration(n)*ms, time.Duration(1+n*7919%5000)*10*us)
		shard.Record(&s)
	}
	s := r.Summary()
	var file bytes.Buffer
	start := time.UnixMilli(1_700_000_000_000)
	if err := s.WriteHdrLog(&file, start, "trent test"); err != nil {
		t.Fatal(err)
	}
	reader := hdr.NewHistogramLogReader(&file)
	merged := map[string]*hdr.Histogram{}
	intervals := 0
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		intervals++
		if merged[h.Tag()] == nil {
			merged[h.Tag()] = hdr.New(int64(measure.Lowest), int64(measure.Highest), measure.SuccessDigits)
		}
		merged[h.Tag()].Merge(h)
	}
	for tag, entry := range map[string]int{"a": 0, "b_c": 1} {
		want := s.Entries[entry].Outcomes[measure.OK].Latency
		if merged[tag] == nil || cmp.Diff(want.Export().Counts, merged[tag].Export().Counts) != "" {
			t.Errorf("%s: the log's histograms do not add up to the whole", tag)
		}
	}
	if intervals != 6 {
		t.Errorf("%d intervals, want 6", intervals)
	}
}
