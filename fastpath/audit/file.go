package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A file is one JSON object with a list of records, a record a line. After each write it is complete: the next one begins where
// the closing brackets are. Of gzipped files each write is a member of its own, and the brackets are the last one.
const (
	fileHead = "{\"Records\":[\n"
	fileTail = "\n]}\n"
	// Tail ends a file, and is where its next record begins, as long as it takes records and is not gzipped.
	Tail = fileTail
	// Part ends the name of a file that still takes records.
	Part = ".part"
)

// file is one that takes records of a trail.
type file struct {
	trail   trail
	tree    *tree
	path    string // that it has once it is complete; empty: not made yet
	f       *os.File
	size    int64  // bytes without the tail
	pending []byte // rendered and not written
	waiting uint64 // records in pending
	begun   bool   // some record is written or pending
	opened  time.Time
	used    time.Time
	since   time.Time // of pending's first record
}

// begin is what the next record is appended to.
func (f *file) begin() []byte {
	if len(f.pending) == 0 {
		f.since = f.used
	}
	f.waiting++
	if !f.begun {
		f.begun = true
		return append(f.pending, fileHead...)
	}
	return append(f.pending, ",\n"...)
}

// write puts what is pending into the file. After an error it is still pending, and a later call begins where this one did.
func (f *file) write() error {
	if len(f.pending) == 0 {
		return nil
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	body := len(f.pending)
	data := append(f.pending, fileTail...)
	f.pending = data[:body]
	if f.tree.zip != nil {
		data, body = f.tree.pack(f.pending)
	}
	if _, err := f.f.WriteAt(data, f.size); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	f.size += int64(body)
	f.tree.counts.bytes.Add(uint64(body))
	f.tree.counts.total.Add(int64(body))
	if cap(f.pending) > 4*writeBytes {
		f.pending = nil
	}
	f.pending, f.waiting = f.pending[:0], 0
	return nil
}

func (f *file) open() error {
	path, err := f.tree.name(f.trail)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making a directory of records: %w", err)
	}
	opened, err := os.OpenFile(path+Part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making a file of records: %w", err)
	}
	f.f, f.path, f.opened = opened, path, f.tree.o.Now()
	return nil
}

// complete gives the file its name. It takes no more records.
func (f *file) complete() error {
	if f.f == nil {
		return nil
	}
	err := errors.Join(f.f.Sync(), f.f.Close())
	if err = errors.Join(err, os.Rename(f.path+Part, f.path)); err != nil {
		return fmt.Errorf("completing a file of records: %w", err)
	}
	f.tree.counts.completed.Add(1)
	return f.tree.shrink()
}
