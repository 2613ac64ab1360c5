package scrape_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/scrape"
)

func TestScraper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := scrape.Start(func(context.Context) ([]byte, error) {
			if n++; n == 3 {
				return nil, errors.New("no")
			}
			if n == 4 {
				return []byte("<html>"), nil
			}
			return fmt.Appendf(nil, "# TYPE a_total counter\na_total %d\nb 1\n", 10*n), nil
		}, scrape.Options{Keep: func(s *scrape.Sample) bool { return s.Name != "b" }})
		time.Sleep(5*time.Second + 500*time.Millisecond)
		log := s.Stop()
		// At 0, 1, 4, 5 and 5.5 s; those at 2 and 3 s failed.
		if len(log.Readings) != 5 || log.Failed != 2 || log.Failure == nil || !strings.Contains(log.Failure.Error(), "wants the name") {
			t.Fatalf("%d readings, %d failed: %v", len(log.Readings), log.Failed, log.Failure)
		}
		last := log.Readings[4]
		if last.Values["a_total"] != 70 || len(last.Values) != 1 || log.Kinds["a_total"] != scrape.Counter || last.At.Sub(log.Readings[0].At) != 5500*time.Millisecond {
			t.Errorf("last reading %+v, kinds %v", last, log.Kinds)
		}
	})
}

// A long run keeps a bounded number of readings, over its whole length.
func TestScraperIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scrape.Start(func(context.Context) ([]byte, error) { return []byte("a 1\n"), nil }, scrape.Options{MaxReadings: 10})
		time.Sleep(time.Hour)
		log := s.Stop()
		if n := len(log.Readings); n < 5 || n > 11 {
			t.Fatalf("%d readings", n)
		}
		gap := log.Readings[1].At.Sub(log.Readings[0].At)
		for i := 1; i < len(log.Readings)-1; i++ {
			if d := log.Readings[i].At.Sub(log.Readings[i-1].At); d != gap {
				t.Errorf("readings %v and %v apart", gap, d)
			}
		}
		if covered := log.Readings[len(log.Readings)-1].At.Sub(log.Readings[0].At); covered != time.Hour {
			t.Errorf("covered %v", covered)
		}
	})
}

// A server that never answers must not keep a run from ending.
func TestScraperOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scrape.Start(func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }, scrape.Options{})
		time.Sleep(3 * time.Second)
		start := time.Now()
		if log := s.Stop(); len(log.Readings) != 0 || log.Failed == 0 || time.Since(start) > 3*time.Second {
			t.Errorf("%+v after %v", log, time.Since(start))
		}
	})
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			fmt.Fprintln(w, "a 1")
		case "/moved":
			http.Redirect(w, r, "/metrics", http.StatusFound)
		case "/endless":
			for range 20 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{"/metrics": "", "/moved": "302", "/none": "404", "/endless": "more than"} {
		text, err := scrape.HTTP(s.URL + path)(t.Context())
		if want == "" && (err != nil || string(text) != "a 1\n") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after, want float64 }{{100, 150, 25}, {100, 40, 20}, {5, 5, 0}} {
		if got := scrape.Rate(c.before, c.after, 2*time.Second); got != c.want {
			t.Errorf("from %v to %v in 2 s: %v, want %v", c.before, c.after, got, c.want)
		}
	}
}
