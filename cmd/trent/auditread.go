package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trent/fastpath/audit"
)

// auditFile is a file with records.
type auditFile struct {
	path     string
	modified time.Time
	size     int64
}

// files lists the files that the paths name, the oldest first: by the time in their names, which is that of their first records.
func (f *auditFlags) files() ([]auditFile, error) {
	paths := f.paths
	if len(paths) == 0 {
		paths = []string{filepath.Join(f.dataDir, "audit")}
	}
	var all []auditFile
	for _, path := range paths {
		if path == "-" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, usageError(fmt.Errorf("looking for records: %w", err), "give files or a directory of records, or by --data-dir the data directory of a server that keeps them")
		}
		if !info.IsDir() {
			all = append(all, auditFile{path, info.ModTime(), info.Size()})
			continue
		}
		err = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // completed meanwhile
			}
			if err != nil || entry.IsDir() || strings.Contains(path, "CloudTrail-Digest") || !hasRecords(entry.Name()) {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return nil
			}
			all = append(all, auditFile{path, info.ModTime(), info.Size()})
			return nil
		})
		if err != nil {
			return nil, failure(fmt.Errorf("looking for records: %w", err), "")
		}
	}
	slices.SortStableFunc(all, func(a, b auditFile) int {
		return cmp.Or(strings.Compare(timeInName(a.path), timeInName(b.path)), strings.Compare(a.path, b.path))
	})
	return all, nil
}

func hasRecords(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, audit.Part), ".gz")
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl")
}

// timeInName is the time in a trail's file name, "" for another name.
func timeInName(path string) string {
	parts := strings.Split(filepath.Base(path), "_")
	if len(parts) != 5 || parts[1] != "CloudTrail" {
		return ""
	}
	return parts[3]
}

// each gives the records that fit, file by file.
func (f *auditFlags) each(e *environment, each func(*auditRecord) error) error {
	if slices.Contains(f.paths, "-") {
		if err := f.read("standard input", e.Stdin, each); err != nil {
			return err
		}
	}
	files, err := f.files()
	if err != nil {
		return err
	}
	for _, file := range files {
		if f.from != "" && file.modified.Before(f.fromTime) && timeInName(file.path) != "" && f.ours(file) {
			continue
		}
		if err := f.readFile(file.path, each); err != nil {
			return err
		}
	}
	return nil
}

// ours tells whether a file's time of change tells of its last record: only of what the server wrote here itself.
func (f *auditFlags) ours(auditFile) bool { return len(f.paths) == 0 }

func (f *auditFlags) readFile(path string, each func(*auditRecord) error) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(path, audit.Part) {
		path = strings.TrimSuffix(path, audit.Part)
		file, err = os.Open(path)
	}
	if err != nil {
		return failure(fmt.Errorf("reading records: %w", err), "")
	}
	defer file.Close()
	return f.read(path, file, each)
}

// read gives the records of a text that fit. Where a file ends too early, what is before is read all the same.
func (f *auditFlags) read(name string, r io.Reader, each func(*auditRecord) error) error {
	err := audit.Read(r, func(raw json.RawMessage) error {
		record, ok := parseAuditRecord(raw)
		if !ok || !f.matches(record) {
			return nil
		}
		return each(record)
	})
	var wrong *audit.SyntaxError
	switch {
	case errors.Is(err, audit.ErrTorn), errors.As(err, &wrong):
		if strings.HasSuffix(name, audit.Part) {
			return nil // it is being written
		}
		return usageError(fmt.Errorf("%s: %w", name, err), "files must be CloudTrail's: an object with a list Records, or a record a line; gzip or not")
	}
	return err
}

// parseAuditRecord reads a record; false: it is none.
func parseAuditRecord(raw json.RawMessage) (*auditRecord, bool) {
	r := &auditRecord{raw: slices.Clone(raw)}
	if json.Unmarshal(raw, r) != nil || r.EventName == "" {
		return nil, false
	}
	return r, true
}
