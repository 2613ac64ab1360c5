package fleet

import (
	"sync"
	"time"

	"trent/hsm"
)

// copyOf is a call with memory of its own, so that it can go on after the caller has gone.
type copyOf struct {
	hsm.Call
	key, target hsm.Key
	memory      []byte
}

var copies = sync.Pool{New: func() any { return new(copyOf) }}

// take copies what a call reads, and gives it as much room for results as the caller has.
func (d *copyOf) take(c *hsm.Call) {
	d.Call = *c
	inputs := [...]*[]byte{&d.AAD, &d.TargetAAD, &d.In, &d.In2, &d.Recipient}
	results := [...]*[]byte{&d.Out, &d.Secret, &d.Public}
	need := 0
	for _, b := range inputs {
		need += len(*b)
	}
	for _, b := range results {
		need += cap(*b) - len(*b)
	}
	if cap(d.memory) < need {
		d.memory = make([]byte, need)
	}
	free := d.memory[:cap(d.memory)]
	for _, b := range inputs {
		if *b != nil {
			n := copy(free, *b)
			*b, free = free[:n:n], free[n:]
		}
	}
	for _, b := range results {
		n := cap(*b) - len(*b)
		if n == 0 {
			*b = nil
			continue
		}
		*b, free = free[:0:n], free[n:]
	}
	if c.Key != nil {
		d.key = *c.Key
		d.Key = &d.key
	}
	if c.Target != nil {
		d.target = *c.Target
		d.Target = &d.target
	}
}

// give hands the results to the caller's call.
func (d *copyOf) give(c *hsm.Call) {
	c.Out = append(c.Out, d.Out...)
	c.Secret = append(c.Secret, d.Secret...)
	c.Public = append(c.Public, d.Public...)
	c.Material = d.Material
}

// free wipes a copy and puts it back.
func (d *copyOf) free() {
	memory := d.memory[:cap(d.memory)]
	clear(memory)
	*d = copyOf{memory: memory}
	copies.Put(d)
}

// ended is a copy whose call has come to its end.
type ended struct {
	copy *copyOf
	err  error
}

// hedge runs a call, and once more on another member when it takes long; the first good answer counts. Both run on
// copies: the loser may go on after the caller has gone. Tokens and identities of keys are shared, not copied: they
// are immutable.
func (f *Fleet) hedge(c *hsm.Call) error {
	answers := make(chan ended, 2)
	start := func(tried uint64) {
		d := copies.Get().(*copyOf)
		d.take(c)
		go func() { answers <- ended{d, f.try(&d.Call, tried)} }()
	}
	key, keyed := placeOf(c)
	var tried uint64
	if m := f.pick(key, keyed, 0); m != nil {
		tried = 1 << m.index // where the first will go, unless loads move meanwhile
	}
	start(0)
	timer := time.NewTimer(f.o.HedgeAfter)
	defer timer.Stop()
	running, hedged := 1, false
	for {
		select {
		case <-timer.C:
			if !hedged && f.pick(key, keyed, tried) != nil {
				hedged = true
				running++
				start(tried)
			}
		case e := <-answers:
			running--
			if e.err == nil || running == 0 || !again(e.err, c.Op) {
				if e.err == nil {
					e.copy.give(c)
				}
				e.copy.free()
				reap(answers, running)
				return e.err
			}
			e.copy.free()
		}
	}
}

// reap wipes the copies of those who lost.
func reap(answers <-chan ended, running int) {
	if running == 0 {
		return
	}
	go func() {
		for range running {
			(<-answers).copy.free()
		}
	}()
}
