package link

import (
	"sync"
	"time"
)

// workers runs jobs on at most limit goroutines: those of a connection first in, first out, those of several in turn, so
// that a host with many does not hold up the others. A goroutine ends when there is nothing to do.
type workers struct {
	limit   int
	mu      sync.Mutex
	jobs    map[*port][]job
	turns   []*port // those that have jobs, whose turn is next first
	running int
	ended   sync.WaitGroup
}

type job interface{ run() }

// add queues a job of a connection. How many there can be is its caller's to bound.
func (w *workers) add(p *port, j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs == nil {
		w.jobs = map[*port][]job{}
	}
	if len(w.jobs[p]) == 0 {
		w.turns = append(w.turns, p)
	}
	w.jobs[p] = append(w.jobs[p], j)
	if w.running < w.limit {
		w.running++
		w.ended.Go(w.work)
	}
}

func (w *workers) work() {
	for {
		j, ok := w.next()
		if !ok {
			return
		}
		j.run()
	}
}

// next takes the first job of the connection whose turn it is; false: there is none, and the caller is counted out.
func (w *workers) next() (job, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.turns) == 0 {
		w.running--
		w.turns = nil
		return nil, false
	}
	p := w.turns[0]
	w.turns[0] = nil
	w.turns = w.turns[1:]
	j, left := w.jobs[p][0], w.jobs[p][1:]
	w.jobs[p][0] = nil
	if len(left) == 0 {
		delete(w.jobs, p)
	} else {
		w.jobs[p] = left
		w.turns = append(w.turns, p)
	}
	return j, true
}

// wait waits until nothing runs. Nothing may be added meanwhile.
func (w *workers) wait() { w.ended.Wait() }

// bucket allows so many events a period, and as many at once.
type bucket struct {
	mu     sync.Mutex
	each   time.Duration // that an event takes to be forgotten
	burst  time.Duration
	filled time.Time // when the bucket will be as good as new
}

func newBucket(n int, period time.Duration) bucket {
	return bucket{each: period / time.Duration(n), burst: period}
}

// take reports whether one more is allowed now.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.filled.Before(now) {
		b.filled = now
	}
	if b.filled.Sub(now)+b.each > b.burst {
		return false
	}
	b.filled = b.filled.Add(b.each)
	return true
}
