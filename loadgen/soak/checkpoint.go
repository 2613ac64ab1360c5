package soak

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/measure"
)

// Files of a soak in its directory.
const (
	stateFile   = "soak.json"
	samplesFile = "samples.log"
	serverDir   = "server"
)

// stateVersion is the format of the checkpoint.
const stateVersion = 1

// state is a checkpoint: all that a soak needs to go on after it was killed.
type state struct {
	Version  int           `json:"version"`
	ID       string        `json:"id"`
	Config   string        `json:"config"` // what must be the same for the soak to go on
	Command  []string      `json:"command"`
	Started  time.Time     `json:"started"`
	Saved    time.Time     `json:"saved"`
	Position time.Duration `json:"position_ns"` // of the load
	Finished bool          `json:"finished,omitempty"`

	Legs      []Leg          `json:"legs"`
	Keys      []keyEntry     `json:"keys"`
	Samples   reservoirState `json:"samples"`
	Verified  verified       `json:"verified"`
	Actions   []taken        `json:"actions"`
	Next      int            `json:"next_action"`
	Restarted time.Time      `json:"restarted"`
	Rotated   time.Time      `json:"rotated"`
	Outside   uint64         `json:"bad_outside"` // failures that no action explains
	Series    []Series       `json:"series"`
	Lives     []life         `json:"lives"`
	Summary   []byte         `json:"summary"`
}

// Leg is a stretch of the load under one process of the harness.
type Leg struct {
	Started time.Time     `json:"started"`
	From    time.Duration `json:"from_ns"` // of the load
	To      time.Duration `json:"to_ns"`
	Due     uint64        `json:"due"`
	Done    uint64        `json:"done"`
	Ended   string        `json:"ended"`
	Down    time.Duration `json:"down_ns,omitempty"` // from the last checkpoint to the next leg's start
}

// writeState replaces the checkpoint as a whole: a crash leaves the old one or the new one, on disk.
func writeState(dir string, s *state) (err error) {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the checkpoint: %w", err)
	}
	path := filepath.Join(dir, stateFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxState bounds a checkpoint that is read.
const maxState = 256 << 20

// readState reads the checkpoint of a directory. Error: os.ErrNotExist where there is none.
func readState(dir string) (*state, error) {
	f, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("reading the checkpoint: its version is %d, this program reads %d", s.Version, stateVersion)
	}
	return &s, nil
}

// Saved is the command line that a soak in a directory was started with, and whether it has ended.
func Saved(dir string) (command []string, finished bool, err error) {
	s, err := readState(dir)
	if err != nil {
		return nil, false, err
	}
	return s.Command, s.Finished, nil
}

// packed is a measure.Summary with its histograms encoded.
type packed struct {
	Errors     map[string]uint64
	Clamped    uint64
	Width      time.Duration
	MaxBlocks  int
	Entries    []packedEntry
	Histograms [][]byte // in the order of histogramsOf; empty for none
}

type packedEntry struct {
	Name   string
	Counts []uint64
	Errors map[string]uint64
	Blocks []measure.Block
}

// histogramsOf lists where a summary has histograms.
func histogramsOf(s *measure.Summary) []**hdr.Histogram {
	var all []**hdr.Histogram
	for i := range s.Entries {
		e := &s.Entries[i]
		for o := range e.Outcomes {
			all = append(all, &e.Outcomes[o].Latency, &e.Outcomes[o].Service)
		}
		all = append(all, &e.Pacer, &e.Wait, &e.Send, &e.Client)
	}
	return all
}

// packSummary encodes a summary.
func packSummary(s *measure.Summary) ([]byte, error) {
	p := packed{Errors: s.Errors, Clamped: s.Clamped, Width: s.Width, MaxBlocks: s.MaxBlocks}
	for i := range s.Entries {
		e := &s.Entries[i]
		one := packedEntry{Name: e.Name, Errors: e.Errors, Blocks: e.Blocks}
		for o := range e.Outcomes {
			one.Counts = append(one.Counts, e.Outcomes[o].Count)
		}
		p.Entries = append(p.Entries, one)
	}
	for _, h := range histogramsOf(s) {
		var encoded []byte
		if *h != nil {
			var err error
			if encoded, err = (*h).Encode(hdr.V2CompressedEncodingCookieBase); err != nil {
				return nil, fmt.Errorf("encoding a histogram: %w", err)
			}
		}
		p.Histograms = append(p.Histograms, encoded)
	}
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		err = errors.Join(gob.NewEncoder(zip).Encode(&p), zip.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("encoding the measurement: %w", err)
	}
	return out.Bytes(), nil
}

// unpackSummary is the inverse of packSummary; nil for nothing.
func unpackSummary(data []byte) (*measure.Summary, error) {
	if len(data) == 0 {
		return nil, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decoding the measurement: %w", err)
	}
	var p packed
	if err := gob.NewDecoder(zip).Decode(&p); err != nil {
		return nil, fmt.Errorf("decoding the measurement: %w", err)
	}
	s := &measure.Summary{Errors: p.Errors, Clamped: p.Clamped, Width: p.Width, MaxBlocks: p.MaxBlocks}
	for _, one := range p.Entries {
		e := measure.Entry{Name: one.Name, Errors: one.Errors, Blocks: one.Blocks}
		for o := range min(len(one.Counts), len(e.Outcomes)) {
			e.Outcomes[o].Count = one.Counts[o]
		}
		s.Entries = append(s.Entries, e)
	}
	places := histogramsOf(s)
	if len(places) != len(p.Histograms) {
		return nil, errors.New("decoding the measurement: it has another number of histograms than entries")
	}
	for i, encoded := range p.Histograms {
		if len(encoded) == 0 {
			continue
		}
		if *places[i], err = hdr.Decode(encoded); err != nil {
			return nil, fmt.Errorf("decoding a histogram: %w", err)
		}
	}
	return s, nil
}

// later moves the blocks of a summary by a time, to the next multiple of its width, so that it can be merged with an earlier one.
func later(s *measure.Summary, by time.Duration, width time.Duration) {
	width = max(width, s.Width)
	by = (by + width - 1) / width * width
	for i := range s.Entries {
		for j := range s.Entries[i].Blocks {
			s.Entries[i].Blocks[j].Start += by
		}
	}
}
