package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// ErrNewer is a record of a schema that this version does not know.
var ErrNewer = errors.New("the record was written by a newer version")

// maxRecord bounds a record file. An hour of seconds of fifty operations is far below it.
const maxRecord = 256 << 20

// Write writes r as indented JSON, with Schema set.
func Write(w io.Writer, r *Record) error {
	out := *r
	out.Schema = Schema
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&out); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	return nil
}

// Read reads a record of this schema or an older one. Errors: ErrNewer, or what is wrong with the file.
func Read(r io.Reader) (*Record, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("reading the record: larger than %d bytes", maxRecord)
	}
	// The version first: a newer schema may not even decode.
	var version struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("reading the record: not a run record: %w", err)
	}
	switch {
	case version.Schema == nil || *version.Schema < 1:
		return nil, errors.New("reading the record: not a run record: it has no schema number")
	case *version.Schema > Schema:
		return nil, fmt.Errorf("reading the record: %w: it has schema %d, this one reads up to %d", ErrNewer, *version.Schema, Schema)
	}
	var record Record
	if err := json.Unmarshal(data, &record); err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	if err := record.validate(); err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	return &record, nil
}

// validate checks what rendering relies on.
func (r *Record) validate() error {
	result, known := map[Kind]bool{Attack: true, Capacity: r.Capacity != nil, QuotaVerify: r.Quota != nil, Compare: r.Comparison != nil,
		Soak: r.Soak != nil, Replay: r.Replay != nil, Plan: r.Plan != nil}[r.Kind]
	if !known {
		return fmt.Errorf("unknown kind %q", r.Kind)
	}
	if !result {
		return fmt.Errorf("a record of kind %s without its result", r.Kind)
	}
	for _, s := range r.Series {
		if s.Width <= 0 || s.At < 0 {
			return errors.New("a block of the series has no width")
		}
	}
	for _, op := range append([]Operation{r.Total}, r.Operations...) {
		for _, p := range append(append([]Percentile(nil), op.Latency...), op.Service...) {
			if !(p.Q > 0 && p.Q < 1) || math.IsNaN(p.Q) {
				return fmt.Errorf("percentile %v of %q", p.Q, op.Name)
			}
		}
	}
	return nil
}

// WriteFiles writes record.json and report.html into dir, which it makes if needed. Each file appears whole or
// not at all.
func WriteFiles(dir string, r *Record) (record, report string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("making the output directory: %w", err)
	}
	record, report = filepath.Join(dir, "record.json"), filepath.Join(dir, "report.html")
	if err := writeFile(record, func(w io.Writer) error { return Write(w, r) }); err != nil {
		return "", "", err
	}
	if err := writeFile(report, func(w io.Writer) error { return RenderHTML(w, r) }); err != nil {
		return record, "", err
	}
	return record, report, nil
}

// ReadFile reads a record from a file, or from record.json in a directory.
func ReadFile(path string) (*Record, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "record.json")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	defer file.Close()
	return Read(file)
}

// WriteHTMLFile renders r to one file, which appears whole or not at all.
func WriteHTMLFile(path string, r *Record) error {
	return writeFile(path, func(w io.Writer) error { return RenderHTML(w, r) })
}

func writeFile(path string, render func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".trent-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(file.Name()) // nothing is left of it after the rename
	if err := errors.Join(render(file), file.Chmod(0o644), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
