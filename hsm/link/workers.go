package link

import (
	"sync"
	"time"
)

// workers runs jobs on at most limit goroutines, first in, first out. A goroutine ends when there is nothing to do.
type workers struct {
	limit   int
	mu      sync.Mutex
	queue   []job
	running int
	ended   sync.WaitGroup
}

type job interface{ run() }

// add queues a job. How many there can be is its caller's to bound.
func (w *workers) add(j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, j)
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

func (w *workers) next() (job, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.running--
		w.queue = nil
		return nil, false
	}
	j := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
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
