package replay

import (
	"container/heap"
	"fmt"
	"time"
)

// Options of reading.
type Options struct {
	// Window is how far events may lie out of order, in their own time: trails deliver within about five minutes on average, some
	// later (AWS CloudTrail user guide). 0: 15 minutes.
	Window time.Duration
	// MaxHeld bounds the events held for the window; with more the window is cut short, which is counted. 0: 500,000.
	MaxHeld int
	// From and To keep the events of [From, To) only; a zero time does not bound.
	From, To time.Time
	// Progress is called now and then with the files done and all; its error ends the reading. May be nil.
	Progress func(done, files int, events uint64) error
}

const defaultWindow = 15 * time.Minute

// Reading is what the files held.
type Reading struct {
	Files, Bytes  int64
	Events        uint64 // given on, in the order of time
	Outside       uint64 // before From or from To on
	Late          uint64 // came after the window had passed them, and were left out
	ShortWindows  uint64 // times that an event left before its window was over
	First, Last   time.Time
	LongestWindow time.Duration // furthest that an event within the window lay behind the newest before it
}

// Stream reads files in order and gives their events in the order of time. Errors: *FileError, what each returned.
func Stream(files []string, o Options, each func(Event) error) (*Reading, error) {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = 500_000
	}
	s := &stream{options: o, each: each, names: map[string]string{}}
	for i, path := range files {
		n, err := readFile(path, s.take, func() error { return s.progress(i, len(files)) })
		s.reading.Bytes += n
		if err != nil {
			return &s.reading, err
		}
		s.reading.Files++
		if err := s.progress(i+1, len(files)); err != nil {
			return &s.reading, err
		}
	}
	for s.held.Len() > 0 {
		if err := s.give(); err != nil {
			return &s.reading, err
		}
	}
	return &s.reading, nil
}

func (s *stream) progress(done, files int) error {
	if s.options.Progress == nil {
		return nil
	}
	return s.options.Progress(done, files, s.reading.Events)
}

// stream puts events in order.
type stream struct {
	options Options
	each    func(Event) error
	reading Reading
	held    events
	newest  time.Time
	given   time.Time // of the latest event given on
	count   uint64
	names   map[string]string
}

func (s *stream) take(e Event) error {
	o := &s.options
	if !o.From.IsZero() && e.Time.Before(o.From) || !o.To.IsZero() && !e.Time.Before(o.To) {
		s.reading.Outside++
		return nil
	}
	if e.Time.Before(s.given) {
		s.reading.Late++
		return nil
	}
	if behind := s.newest.Sub(e.Time); !s.newest.IsZero() && behind > 0 {
		s.reading.LongestWindow = max(s.reading.LongestWindow, behind)
	}
	if e.Time.After(s.newest) {
		s.newest = e.Time
	}
	s.intern(&e)
	s.count++
	heap.Push(&s.held, heldEvent{e, s.count})
	for s.held.Len() > 0 && s.newest.Sub(s.held[0].Time) > o.Window {
		if err := s.give(); err != nil {
			return err
		}
	}
	if s.held.Len() > o.MaxHeld {
		s.reading.ShortWindows++
		return s.give()
	}
	return nil
}

// maxNames bounds the texts kept once for many events.
const maxNames = 200_000

// intern lets events share their texts, which otherwise each hold a copy.
func (s *stream) intern(e *Event) {
	for _, text := range []*string{&e.Operation, &e.Service, &e.Caller, &e.Key, &e.Spec, &e.Region, &e.Account, &e.Error} {
		if known, ok := s.names[*text]; ok {
			*text = known
		} else if len(s.names) < maxNames {
			s.names[*text] = *text
		}
	}
}

func (s *stream) give() error {
	e := heap.Pop(&s.held).(heldEvent)
	s.given = e.Time
	r := &s.reading
	if r.Events == 0 {
		r.First = e.Time
	}
	r.Last = e.Time
	r.Events++
	if err := s.each(e.Event); err != nil {
		return fmt.Errorf("event of %s: %w", e.Time.Format(time.RFC3339), err)
	}
	return nil
}

// heldEvent keeps the order of reading among events of one second.
type heldEvent struct {
	Event
	order uint64
}

type events []heldEvent

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	if !h[i].Time.Equal(h[j].Time) {
		return h[i].Time.Before(h[j].Time)
	}
	return h[i].order < h[j].order
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(heldEvent)) }
func (h *events) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = heldEvent{}
	*h = old[:len(old)-1]
	return last
}
