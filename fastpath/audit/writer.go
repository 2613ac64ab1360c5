package audit

import (
	"errors"
	"fmt"
	"time"
)

// How the writer paces itself.
const (
	writeEvery  = 250 * time.Millisecond // what was recorded is in the file so soon
	zipEvery    = time.Second            // gzipped in larger pieces, for their size
	writeBytes  = 256 << 10              // of one file that do not wait
	maxPending  = 16 << 20               // rendered bytes that may wait for a disk that fails
	maxOpen     = 64                     // files; the one that waited longest for a record is completed for another
	reportEvery = time.Minute            // trouble with the disk is logged no more often
)

// writer is the goroutine that makes files of records.
type writer struct {
	log      *Log
	tree     *tree
	renderer renderer
	files    map[trail]*file
	last     *file
	lost     losses
	oldest   time.Time // of the records rendered since the last write
	pending  int       // bytes rendered and not written, of all files
	reported time.Time
}

func newWriter(l *Log) (*writer, error) {
	t, err := openTree(&l.o, &l.counts)
	if err != nil {
		return nil, err
	}
	return &writer{log: l, tree: t, files: map[trail]*file{}}, nil
}

func (w *writer) run() {
	l := w.log
	defer close(l.stopped)
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		full := l.buffer.full
		if w.pending >= maxPending {
			full = nil // the disk fails: first what waits, then more
		}
		select {
		case c := <-full:
			w.consume(c)
			w.writeLarge()
		case <-ticker.C:
			w.sweep()
			w.report(errors.Join(w.writeAll(false), w.rotate()))
		case done := <-l.flushes:
			w.sweep()
			err := errors.Join(w.writeAll(true), w.rotate())
			w.report(err)
			done <- err
		case <-l.stop:
			l.closed.Store(true)
			l.turnOver()
			w.finish()
			return
		}
	}
}

// consume renders a chunk's records.
func (w *writer) consume(c *chunk[Entry]) {
	for i := range c.entries {
		e := &c.entries[i]
		if w.oldest.IsZero() || e.At.Before(w.oldest) {
			w.oldest = e.At
		}
		f := w.file(trail{e.Recipient, e.Region})
		before := len(f.pending)
		f.pending = w.renderer.record(f.begin(), e)
		w.pending += len(f.pending) - before
	}
	w.log.buffer.recycle(c)
	if w.log.o.Block {
		w.log.turnOver()
	}
}

// sweep renders all that was recorded before, and the gaps.
func (w *writer) sweep() {
	b := w.log.buffer
	w.drain()
	b.sweep(&w.lost)
	w.drain()
	if w.lost.any && w.pending < maxPending {
		w.writeGaps()
	}
}

func (w *writer) drain() {
	for w.pending < maxPending {
		select {
		case c := <-w.log.buffer.full:
			w.consume(c)
			w.writeLarge()
		default:
			return
		}
	}
}

// file is the file of a trail that takes records.
func (w *writer) file(t trail) *file {
	if w.last != nil && w.last.trail == t {
		return w.last
	}
	f := w.files[t]
	if f == nil {
		if len(w.files) >= maxOpen {
			w.report(w.completeIdlest())
		}
		f = &file{trail: t, tree: w.tree}
		w.files[t] = f
		w.log.counts.open.Store(int64(len(w.files)))
	}
	f.used = w.log.o.Now()
	w.last = f
	return f
}

// completeIdlest makes room for a file. One that cannot be written stays.
func (w *writer) completeIdlest() error {
	var idlest *file
	for _, f := range w.files {
		if idlest == nil || f.used.Before(idlest.used) {
			idlest = f
		}
	}
	return w.complete(idlest)
}

func (w *writer) complete(f *file) error {
	if err := w.write(f); err != nil {
		return err
	}
	delete(w.files, f.trail)
	if w.last == f {
		w.last = nil
	}
	w.log.counts.open.Store(int64(len(w.files)))
	return f.complete()
}

func (w *writer) write(f *file) error {
	n := len(f.pending)
	records := f.waiting
	if err := f.write(); err != nil {
		return err
	}
	w.pending -= n
	w.log.counts.written.Add(records)
	return nil
}

// writeLarge writes what is worth a write by itself.
func (w *writer) writeLarge() {
	if f := w.last; f != nil && len(f.pending) >= writeBytes && w.pending < maxPending {
		w.report(w.write(f))
		if f.size >= w.log.o.RotateBytes {
			w.report(w.complete(f))
		}
	}
}

// writeAll writes what waits; with now also what could wait a little longer.
func (w *writer) writeAll(now bool) error {
	var errs []error
	at := w.log.o.Now()
	waiting := false
	for _, f := range w.files {
		if len(f.pending) == 0 {
			continue
		}
		if w.log.o.Gzip && !now && at.Sub(f.since) < zipEvery && len(f.pending) < writeBytes {
			waiting = true
			continue
		}
		if err := w.write(f); err != nil {
			errs, waiting = append(errs, err), true
		}
	}
	switch {
	case w.oldest.IsZero():
		w.log.counts.lag.Store(0)
	default:
		w.log.counts.lag.Store(int64(max(0, at.Sub(w.oldest))))
	}
	if !waiting {
		w.oldest = time.Time{}
	}
	return errors.Join(errs...)
}

// rotate completes the files that took records long enough, or enough of them.
func (w *writer) rotate() error {
	var errs []error
	now := w.log.o.Now()
	for _, f := range w.files {
		if f.size >= w.log.o.RotateBytes || !f.opened.IsZero() && now.Sub(f.opened) >= w.log.o.RotateEvery {
			errs = append(errs, w.complete(f))
		}
	}
	return errors.Join(errs...)
}

// finish writes all that is left and completes all files. What the disk does not take now is lost.
func (w *writer) finish() {
	var err error
	for i := 0; err == nil && (i < 2 || len(w.log.buffer.full) > 0); i++ { // what a full buffer kept back comes with the second
		w.sweep()
		err = w.writeAll(true)
	}
	errs := []error{err}
	for _, f := range w.files {
		errs = append(errs, w.complete(f))
	}
	var lost uint64
	for _, f := range w.files {
		lost += f.waiting
	}
	for len(w.log.buffer.full) > 0 {
		lost += uint64(len((<-w.log.buffer.full).entries))
	}
	if lost > 0 {
		w.log.counts.dropped.Add(lost)
		errs = append(errs, fmt.Errorf("%d records are lost", lost))
	}
	w.log.err = errors.Join(errs...)
}

// report counts and logs trouble with the disk.
func (w *writer) report(err error) {
	if err == nil {
		return
	}
	w.log.counts.errors.Add(1)
	if now := w.log.o.Now(); w.reported.IsZero() || now.Sub(w.reported) >= reportEvery {
		w.reported = now
		w.log.o.Logf("audit: %v; will try again", err)
	}
}
