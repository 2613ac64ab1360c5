package replay

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ErrNoFiles is a set of paths without a log file.
var ErrNoFiles = errors.New("no log files")

// delivered is the name that a trail gives its files: account, Region, time of delivery, a random part (AWS CloudTrail user guide,
// "Finding your CloudTrail log files").
var delivered = regexp.MustCompile(`^\d{12}_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_\w+\.json(\.gz)?(\.part)?$`)

// Find lists the log files that paths name: files as they are, and below directories everything whose name ends in .json, .jsonl or
// .log, gzipped or not. Files of trails come in the order of their delivery, which is the order of their events but for the reordering
// that a window absorbs; others by name, before them.
func Find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("looking for logs: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.Contains(path, "CloudTrail-Digest") {
				return err // digests list files and hold no events
			}
			if isLog(entry.Name()) {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking for logs: %w", err)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoFiles, strings.Join(paths, ", "))
	}
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Or(strings.Compare(deliveredAt(a), deliveredAt(b)), strings.Compare(a, b))
	})
	return slices.Compact(files), nil
}

func isLog(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".part"), ".gz") // .part: an emulator still writes it, complete at all times
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".log")
}

// deliveredAt is the time in a trail's file name, "" for another name.
func deliveredAt(path string) string {
	if m := delivered.FindStringSubmatch(filepath.Base(path)); m != nil {
		return m[2]
	}
	return ""
}
