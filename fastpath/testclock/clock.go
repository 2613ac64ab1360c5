// Package testclock is a clock that can be moved forward: it drives the lifecycle of keys and the dates that are
// answered, so that a test sees in a moment what takes months. It is not for signatures, certificates, sessions or
// deadlines, which go by real time.
//
// A Clock is safe for concurrent use: Now takes no lock; moves wait for each other. How far it is ahead stands in a
// file, is written before anybody can see the new time, and only grows, so that no restart turns time back.
package testclock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// FileName is the clock's file in a data directory.
const FileName = "test-clock.json"

// maxAhead bounds how far a clock can be ahead; beyond, dates would leave what durations can hold.
const maxAhead = 200 * 365 * 24 * time.Hour

// ErrBackwards says that a clock was to be turned back; ErrTooFar, that it would be more than 200 years ahead.
var (
	ErrBackwards = errors.New("the test clock only moves forward")
	ErrTooFar    = errors.New("the test clock can be at most 200 years ahead")
)

// Clock is real time and an offset.
type Clock struct {
	file   string
	offset atomic.Int64 // ns
	moving sync.Mutex
}

// kept is the file's content.
type kept struct {
	Ahead string `json:"ahead"` // as time.Duration prints it
}

// Open makes the clock of a file, which need not be there yet: then it shows real time. Errors: the file's.
func Open(file string) (*Clock, error) {
	c := &Clock{file: file}
	ahead, err := Ahead(file)
	if err != nil {
		return nil, err
	}
	c.offset.Store(int64(ahead))
	return c, nil
}

// Ahead reads how far the clock of a file is ahead: not at all, if there is no file.
func Ahead(file string) (time.Duration, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the test clock: %w", err)
	}
	var k kept
	if err := json.Unmarshal(b, &k); err != nil {
		return 0, fmt.Errorf("reading the test clock %s: %w", file, err)
	}
	ahead, err := time.ParseDuration(k.Ahead)
	if err != nil || ahead < 0 || ahead > maxAhead {
		return 0, fmt.Errorf("reading the test clock %s: %q is not a time that it can be ahead", file, k.Ahead)
	}
	return ahead, nil
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }

// Offset is how far the clock is ahead of real time.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Advance moves the clock forward by some time. On the way work is called once: it does what falls due up to the time
// it is given, and moves the clock with step to each moment at which something does. Errors: ErrBackwards, ErrTooFar,
// the file's (the clock has not moved), work's (it has).
func (c *Clock) Advance(by time.Duration, work func(until time.Time, step func(time.Time)) error) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	return c.advance(by, work)
}

// AdvanceTo is Advance to a time.
func (c *Clock) AdvanceTo(to time.Time, work func(until time.Time, step func(time.Time)) error) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	return c.advance(to.Sub(c.Now()), work)
}

func (c *Clock) advance(by time.Duration, work func(until time.Time, step func(time.Time)) error) error {
	before := c.Offset()
	switch {
	case by < 0:
		return ErrBackwards
	case by > maxAhead-before:
		return ErrTooFar
	}
	if err := c.write(before + by); err != nil {
		return fmt.Errorf("writing the test clock: %w", err)
	}
	err := work(time.Now().Add(before+by), func(t time.Time) {
		// Real time goes on meanwhile: what has come by itself is no step.
		c.forward(min(time.Until(t), before+by))
	})
	c.forward(before + by)
	return err
}

// forward sets the offset unless that would turn the clock back. Only the holder of moving calls it.
func (c *Clock) forward(offset time.Duration) {
	if offset > c.Offset() {
		c.offset.Store(int64(offset))
	}
}

// write replaces the file as a whole and returns when it is on disk.
func (c *Clock) write(ahead time.Duration) error {
	b, err := json.Marshal(kept{ahead.String()})
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.file)
	f, err := os.CreateTemp(dir, filepath.Base(c.file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), c.file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}
