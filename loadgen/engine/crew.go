package engine

import "sync"

// crew gives hits to goroutines, each with a sender of its own: to one that is idle (the latest first), else to a new one as long as
// there are fewer than the limit, else to the first that comes free, in order.
type crew struct {
	limit  int
	enlist func() func(pending)
	wg     sync.WaitGroup

	mu      sync.Mutex
	idle    []chan pending
	waiting []pending // from first on
	first   int
	size    int
	closed  bool
	capHits uint64 // hits that had to wait
	most    int    // at one time
}

func newCrew(limit int, enlist func() func(pending)) *crew {
	return &crew{limit: limit, enlist: enlist}
}

// take hands a hit over. It does not wait.
func (c *crew) take(hit pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hit.free = true
	if n := len(c.idle); n > 0 {
		c.idle[n-1] <- hit // has room: an idle goroutine's channel is empty
		c.idle = c.idle[:n-1]
		return
	}
	if c.size < c.limit {
		c.size++
		c.wg.Go(func() { c.work(hit) })
		return
	}
	hit.free, hit.held = false, true
	c.capHits++
	c.waiting = append(c.waiting, hit)
	c.most = max(c.most, len(c.waiting)-c.first)
}

func (c *crew) work(hit pending) {
	send, own := c.enlist(), make(chan pending, 1)
	for ok := true; ok; {
		send(hit)
		hit, ok = c.next(own)
	}
}

// next is a goroutine's next hit; ok is false after the last.
func (c *crew) next(own chan pending) (hit pending, ok bool) {
	c.mu.Lock()
	if c.first < len(c.waiting) {
		hit = c.waiting[c.first]
		if c.first++; c.first == len(c.waiting) {
			c.waiting, c.first = c.waiting[:0], 0
		}
		c.mu.Unlock()
		return hit, true
	}
	if c.closed {
		c.mu.Unlock()
		return pending{}, false
	}
	c.idle = append(c.idle, own)
	c.mu.Unlock()
	hit, ok = <-own
	return hit, ok
}

// wait returns when all hits have been sent and no goroutine is left. Nothing may be taken any more.
func (c *crew) wait() {
	c.mu.Lock()
	c.closed = true
	for _, own := range c.idle {
		close(own)
	}
	c.idle = nil
	c.mu.Unlock()
	c.wg.Wait()
}
