package scrape

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Fetch returns the text of one exposition.
type Fetch func(ctx context.Context) ([]byte, error)

// HTTP fetches from a URL over a connection of its own; it follows no redirect. Errors: no answer, another status than
// 200, an answer larger than MaxBytes.
func HTTP(url string) Fetch {
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0; q=0.5, text/plain; version=0.0.4")
		answer, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(io.LimitReader(answer.Body, MaxBytes+1))
		switch {
		case err != nil:
			return nil, err
		case answer.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("answered %s", answer.Status)
		case len(text) > MaxBytes:
			return nil, fmt.Errorf("answered more than %d bytes", MaxBytes)
		}
		return text, nil
	}
}

// Options of a Scraper.
type Options struct {
	Interval    time.Duration      // 0: 1 s
	Keep        func(*Sample) bool // which series are kept; nil: all
	MaxReadings int                // beyond it every other reading is dropped, again and again; 0: 900
}

// Reading is the kept series at one moment.
type Reading struct {
	At     time.Time
	Values map[string]float64 // by Sample.ID
}

// Log is what a Scraper read.
type Log struct {
	Readings []Reading
	Kinds    map[string]Kind // by Sample.ID
	Failed   int             // scrapes without a result
	Failure  error           // the latest of them
}

// Scraper reads metrics at a steady interval. It owns one goroutine from Start to Stop.
type Scraper struct {
	fetch   Fetch
	options Options
	cancel  context.CancelFunc
	done    chan struct{}
	log     Log
	stride  int // readings between two that are kept
	taken   int
}

// fetchTimeout bounds one scrape.
const fetchTimeout = 2 * time.Second

// Start begins to scrape, at once and then at the interval.
func Start(fetch Fetch, o Options) *Scraper {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.MaxReadings <= 1 {
		o.MaxReadings = 900
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Scraper{fetch: fetch, options: o, cancel: cancel, done: make(chan struct{}), log: Log{Kinds: map[string]Kind{}}, stride: 1}
	go s.run(ctx)
	return s
}

func (s *Scraper) run(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(s.options.Interval)
	defer ticker.Stop()
	s.scrape(ctx, false)
	for {
		select {
		case <-ctx.Done():
			// What happened since the last tick belongs to the run too.
			s.scrape(context.WithoutCancel(ctx), true)
			return
		case <-ticker.C:
			s.scrape(ctx, false)
		}
	}
}

// scrape takes one reading; the last one is kept whatever the stride.
func (s *Scraper) scrape(ctx context.Context, last bool) {
	s.taken++
	if !last && (s.taken-1)%s.stride != 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	text, err := s.fetch(within)
	at := time.Now()
	var samples []Sample
	if err == nil {
		samples, err = Parse(text)
	}
	if err != nil {
		if ctx.Err() == nil { // else Stop came meanwhile
			s.log.Failed++
			s.log.Failure = fmt.Errorf("scraping metrics: %w", err)
		}
		return
	}
	r := Reading{At: at, Values: map[string]float64{}}
	for i := range samples {
		if s.options.Keep == nil || s.options.Keep(&samples[i]) {
			id := samples[i].ID()
			r.Values[id], s.log.Kinds[id] = samples[i].Value, samples[i].Kind
		}
	}
	s.log.Readings = append(s.log.Readings, r)
	if len(s.log.Readings) > s.options.MaxReadings {
		kept := s.log.Readings[:0]
		for i := 0; i < len(s.log.Readings); i += 2 {
			kept = append(kept, s.log.Readings[i])
		}
		clear(s.log.Readings[len(kept):])
		s.log.Readings, s.stride = kept, 2*s.stride
	}
}

// Stop takes a last reading, ends the goroutine and returns everything read. It must be called once.
func (s *Scraper) Stop() *Log {
	s.cancel()
	<-s.done
	return &s.log
}

// Rate is the increase of a counter from one value to a later one, a second. A counter that fell began anew, with a
// restart of the server.
func Rate(before, after float64, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	if after < before {
		before = 0
	}
	return (after - before) / elapsed.Seconds()
}
