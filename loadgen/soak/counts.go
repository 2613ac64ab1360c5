package soak

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// life is one process of the server, and what it counted.
type life struct {
	Started time.Time `json:"started"`
	// What the client had counted when the process began: good answers at the next reading, hits done at the one before. The
	// soak's own calls are counted exactly.
	GoodBefore uint64 `json:"good_before"`
	DoneBefore uint64 `json:"done_before"`
	// What both had counted at the end; Server is 0 and Read false where the process was killed.
	Read     bool   `json:"read"`
	Server   uint64 `json:"server"`
	GoodThen uint64 `json:"good_then"`
	DueThen  uint64 `json:"due_then"`
	opening  bool   // the next reading gives GoodBefore
	closing  bool   // the next reading gives DueThen
	closed   bool   // the load has ended
}

// low and high bound what the server must have counted: all that the client has a good answer for, and at the most what it sent.
func (l *life) low() uint64  { return l.GoodThen - min(l.GoodBefore, l.GoodThen) }
func (l *life) high() uint64 { return l.DueThen - min(l.DoneBefore, l.DueThen) }

// scraped is what a server's metrics tell.
type scraped struct {
	Good   float64 // requests answered well; −1: not told
	Gauges map[string]float64
}

// maxMetrics bounds what is read of a server's metrics.
const maxMetrics = 4 << 20

// scrape reads metrics in Prometheus' text format.
func scrape(ctx context.Context, url string) (scraped, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/metrics", nil)
	if err != nil {
		return scraped{}, fmt.Errorf("reading the server's metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return scraped{}, fmt.Errorf("reading the server's metrics: %w", err)
	}
	defer response.Body.Close()
	return readMetrics(io.LimitReader(response.Body, maxMetrics)), nil
}

// readMetrics adds up the good answers and keeps what has no labels. Lines that are not understood are passed over.
func readMetrics(in io.Reader) scraped {
	s := scraped{Good: -1, Gauges: map[string]float64{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || strings.HasPrefix(name, "#") {
			continue
		}
		switch {
		case !strings.Contains(name, "{"):
			s.Gauges[name] = value
		case strings.HasPrefix(name, "trent_requests_total{") && strings.Contains(name, `result="ok"`):
			s.Good = max(s.Good, 0) + value
		}
	}
	return s
}
