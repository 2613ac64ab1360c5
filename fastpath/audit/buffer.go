package audit

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Sizes of a chunk: what one shard gathers before it hands over.
const (
	chunkEntries = 128
	chunkText    = 64 << 10 // bytes; an entry with more text gets a chunk with a larger buffer
)

// chunk is entries of one shard on their way to the writer, with the text that they point into.
type chunk[T any] struct {
	entries []T
	text    []byte
}

// keep copies b into the chunk's text. There must be room.
func (c *chunk[T]) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	from := len(c.text)
	c.text = append(c.text, b...)
	return c.text[from:len(c.text):len(c.text)]
}

// keepString is keep for a string, which lasts as long as the chunk's text.
func (c *chunk[T]) keepString(s string) string {
	if len(s) == 0 {
		return ""
	}
	from := len(c.text)
	c.text = append(c.text, s...)
	return unsafe.String(&c.text[from], len(s))
}

// buffer gathers entries by shard and hands them to one reader in chunks. Writers never wait for each other: a shard
// belongs to whoever takes it, for as long as a copy takes, and others go on to the next.
type buffer[T any] struct {
	shards []bufferShard[T]
	full   chan *chunk[T]
	free   chan *chunk[T]
	made   atomic.Int64
	limit  int64 // of chunks
}

type bufferShard[T any] struct {
	held    atomic.Bool
	current *chunk[T]
	lost    losses
	_       [64]byte // the next shard is another core's
}

// newBuffer makes a buffer of so many shards and at most so many chunks, one for each shard at the least.
func newBuffer[T any](shards, chunks int) *buffer[T] {
	shards = max(1, shards)
	chunks = max(2*shards, chunks)
	b := &buffer[T]{
		shards: make([]bufferShard[T], shards), full: make(chan *chunk[T], chunks), free: make(chan *chunk[T], chunks), limit: int64(chunks),
	}
	for i := range b.shards {
		b.shards[i].current = newChunk[T]()
		b.free <- newChunk[T]()
	}
	b.made.Store(int64(2 * shards))
	return b
}

func newChunk[T any]() *chunk[T] {
	return &chunk[T]{entries: make([]T, 0, chunkEntries), text: make([]byte, 0, chunkText)}
}

// take gives the caller a shard, beginning the search at one; release gives it back.
func (b *buffer[T]) take(from int) *bufferShard[T] {
	for {
		for i := range b.shards {
			s := &b.shards[(from+i)%len(b.shards)]
			if !s.held.Load() && s.held.CompareAndSwap(false, true) {
				return s
			}
		}
		runtime.Gosched()
	}
}

func (s *bufferShard[T]) release() { s.held.Store(false) }

// next gives room for an entry with so much text in the shard s, which the caller holds; nil: there is none.
func (b *buffer[T]) next(s *bufferShard[T], text int) *T {
	c := s.current
	if len(c.entries) == cap(c.entries) || len(c.text)+text > cap(c.text) {
		if c = b.turn(s, text); c == nil {
			return nil
		}
	}
	c.entries = c.entries[:len(c.entries)+1]
	return &c.entries[len(c.entries)-1]
}

// turn hands the shard's chunk over and gives it another.
func (b *buffer[T]) turn(s *bufferShard[T], text int) *chunk[T] {
	other := b.empty()
	if other == nil {
		return nil
	}
	if text > cap(other.text) {
		other.text = make([]byte, 0, text)
	}
	if len(s.current.entries) > 0 {
		b.full <- s.current // has room for all chunks
	} else {
		b.free <- s.current
	}
	s.current = other
	return other
}

// empty is an empty chunk; nil: all are in use.
func (b *buffer[T]) empty() *chunk[T] {
	select {
	case c := <-b.free:
		return c
	default:
	}
	for {
		n := b.made.Load()
		if n >= b.limit {
			return nil
		}
		if b.made.CompareAndSwap(n, n+1) {
			return newChunk[T]()
		}
	}
}

// sweep hands over what the shards hold, and collects their losses. Only the reader calls it.
func (b *buffer[T]) sweep(lost *losses) {
	for i := range b.shards {
		s := &b.shards[i]
		for !s.held.CompareAndSwap(false, true) {
			runtime.Gosched()
		}
		if len(s.current.entries) > 0 {
			b.turn(s, 0) // where no chunk is free, the full ones come first
		}
		if s.lost.any {
			lost.merge(&s.lost)
			s.lost = losses{}
		}
		s.release()
	}
}

// recycle takes back a chunk that the reader is done with. A few stay ready, the others go.
func (b *buffer[T]) recycle(c *chunk[T]) {
	clear(c.entries)
	clear(c.text)
	if cap(c.text) != chunkText || len(b.free) >= 2*len(b.shards) {
		b.made.Add(-1)
		return
	}
	c.entries, c.text = c.entries[:0], c.text[:0]
	b.free <- c
}
