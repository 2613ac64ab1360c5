package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// tree is the directory of a log's files, laid out as a trail lays out its bucket (AWS CloudTrail User Guide, "Finding your
// CloudTrail log files").
type tree struct {
	o      *Options
	counts *logCounts
	out    bytes.Buffer
	zip    *gzip.Writer // nil: nothing is gzipped
	tail   []byte       // a gzip member with the file's tail
}

// root is the directory that all records lie below.
const root = "AWSLogs"

func openTree(o *Options, counts *logCounts) (*tree, error) {
	t := &tree{o: o, counts: counts}
	if o.Gzip {
		var b bytes.Buffer
		t.zip, _ = gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is a constant
		_, _ = t.zip.Write([]byte(fileTail))               // to memory
		_ = t.zip.Close()
		t.tail = b.Bytes()
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := recoverParts(filepath.Join(o.Dir, root), o.Logf); err != nil {
		return nil, err
	}
	files, err := t.list()
	if err != nil {
		return nil, err
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	counts.total.Store(total)
	return t, t.shrink()
}

// pack is what is written of the text of records where it is gzipped: the first body bytes, then the tail.
func (t *tree) pack(text []byte) (data []byte, body int) {
	t.out.Reset()
	t.zip.Reset(&t.out)
	_, _ = t.zip.Write(text) // to memory
	_ = t.zip.Close()
	body = t.out.Len()
	_, _ = t.out.Write(t.tail)
	return t.out.Bytes(), body
}

// name is a path for a new file.
func (t *tree) name(of trail) (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" // 64
	var random [16]byte
	if _, err := io.ReadFull(t.o.Random, random[:]); err != nil {
		return "", fmt.Errorf("naming a file of records: %w", err)
	}
	for i, b := range random {
		random[i] = letters[:62][int(b)%62]
	}
	now := t.o.Now().UTC()
	account, region, ext := pathPart(of.account), pathPart(of.region), ".json"
	if t.o.Gzip {
		ext += ".gz"
	}
	name := account + "_CloudTrail_" + region + "_" + now.Format("20060102T1504Z") + "_" + string(random[:]) + ext
	return filepath.Join(t.o.Dir, root, account, "CloudTrail", region, now.Format("2006/01/02"), name), nil
}

// pathPart is s where it can be a part of a path.
func pathPart(s string) string {
	for _, c := range []byte(s) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "unknown"
		}
	}
	return cmp.Or(s, "unknown")
}

// kept is a complete file.
type kept struct {
	path, time string // time as the name has it
	size       int64
}

// list finds the complete files.
func (t *tree) list() ([]kept, error) {
	var all []kept
	err := filepath.WalkDir(filepath.Join(t.o.Dir, root), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || strings.HasSuffix(path, Part) {
			return err
		}
		parts := strings.Split(entry.Name(), "_")
		info, err := entry.Info()
		if err != nil || len(parts) != 5 || parts[1] != "CloudTrail" {
			return nil // gone, or somebody else's
		}
		all = append(all, kept{path, parts[3], info.Size()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for files of records: %w", err)
	}
	return all, nil
}

// shrink removes the oldest complete files while all are larger than allowed.
func (t *tree) shrink() error {
	if t.counts.total.Load() <= t.o.MaxTotal {
		return nil
	}
	files, err := t.list()
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b kept) int { return cmp.Or(strings.Compare(a.time, b.time), strings.Compare(a.path, b.path)) })
	for _, f := range files[:max(0, len(files)-1)] { // the newest stays, however large
		if t.counts.total.Load() <= t.o.MaxTotal {
			break
		}
		if err := os.Remove(f.path); err != nil {
			return fmt.Errorf("removing the oldest file of records: %w", err)
		}
		t.counts.total.Add(-f.size)
		t.counts.removed.Add(1)
		for dir, n := filepath.Dir(f.path), 0; n < 3 && os.Remove(dir) == nil; n++ { // day, month and year that are empty now
			dir = filepath.Dir(dir)
		}
	}
	return nil
}
