package engine

// fifo is hits in the order in which they came. It keeps its room.
type fifo struct {
	ring  []pending // length is 0 or a power of two
	head  int       // next to take
	count int
}

func (f *fifo) push(hit pending) {
	if f.count == len(f.ring) {
		f.grow()
	}
	f.ring[(f.head+f.count)&(len(f.ring)-1)] = hit
	f.count++
}

func (f *fifo) pop() (hit pending, ok bool) {
	if f.count == 0 {
		return pending{}, false
	}
	hit = f.ring[f.head]
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.count--
	return hit, true
}

func (f *fifo) grow() {
	ring := make([]pending, max(2*len(f.ring), 1024))
	n := copy(ring, f.ring[f.head:])
	copy(ring[n:], f.ring[:f.head])
	f.ring, f.head = ring, 0
}
