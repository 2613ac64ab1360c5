package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trent/fastpath"
	"trent/fastpath/audit"
)

// auditSettings are of the records of requests.
type auditSettings struct {
	Off         bool          `yaml:"off"`
	Dir         string        `yaml:"dir"`
	Gzip        bool          `yaml:"gzip"`
	RotateEvery time.Duration `yaml:"rotate_every"`
	RotateBytes byteSize      `yaml:"rotate_bytes"`
	MaxTotal    byteSize      `yaml:"max_total"`
	OnFull      string        `yaml:"on_full"`
	Throttled   bool          `yaml:"throttled"`
}

// defaultAudit is on, unless TRENT_AUDIT says otherwise as the flag would.
func defaultAudit(getenv func(string) string) auditSettings {
	s := auditSettings{
		RotateEvery: audit.DefaultRotateEvery, RotateBytes: audit.DefaultRotateBytes, MaxTotal: audit.DefaultMaxTotal, OnFull: "drop", Throttled: true,
	}
	_ = s.Set(getenv("TRENT_AUDIT")) // which refuses nothing but an empty text
	return s
}

// String, Set and Type make a flag of it: on, off, or a directory.
func (s *auditSettings) String() string {
	switch {
	case s.Off:
		return "off"
	case s.Dir != "":
		return s.Dir
	}
	return "on"
}

// Set implements pflag.Value.
func (s *auditSettings) Set(text string) error {
	switch text {
	case "":
		return errors.New("expected on, off or a directory")
	case "on", "off":
		s.Off = text == "off"
	default:
		s.Off, s.Dir = false, text
	}
	return nil
}

// Type implements pflag.Value.
func (s *auditSettings) Type() string { return "on|off|DIR" }

// check finds what is wrong in the config file's audit. What is 0 or empty is as usual.
func (s *auditSettings) check() error {
	switch {
	case s.OnFull != "" && s.OnFull != "drop" && s.OnFull != "block":
		return &placedError{"audit.on_full", fmt.Sprintf("must be drop or block, not %q", s.OnFull)}
	case s.RotateEvery != 0 && s.RotateEvery < time.Second:
		return &placedError{"audit.rotate_every", "must be 1s or more"}
	case s.RotateBytes != 0 && s.RotateBytes < 1<<16:
		return &placedError{"audit.rotate_bytes", "must be 64KiB or more"}
	case s.MaxTotal != 0 && s.MaxTotal < s.RotateBytes:
		return &placedError{"audit.max_total", "must not be less than rotate_bytes, " + strconv.FormatInt(int64(s.RotateBytes), 10)}
	}
	return nil
}

// options are what the server is told.
func (s *auditSettings) options(dataDir string) fastpath.AuditOptions {
	if s.Off {
		return fastpath.AuditOptions{}
	}
	dir := s.Dir
	if dir == "" {
		dir = filepath.Join(dataDir, "audit")
	}
	return fastpath.AuditOptions{
		Records: &audit.Options{
			Dir: dir, Gzip: s.Gzip, RotateEvery: s.RotateEvery, RotateBytes: int64(s.RotateBytes), MaxTotal: int64(s.MaxTotal), Block: s.OnFull == "block",
		},
		Unthrottled: !s.Throttled,
		SecurityLog: filepath.Join(dataDir, "security", "security.log"),
		Decisions:   &audit.DecisionOptions{Dir: filepath.Join(dataDir, "decisions")},
	}
}

// byteSize is a number of bytes, in text with or without a unit.
type byteSize int64

var byteUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// UnmarshalYAML implements the YAML library's interface.
func (b *byteSize) UnmarshalYAML(text []byte) error {
	s := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	number, unit := s, int64(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("expected bytes, such as 50MiB, not %q", s)
	}
	*b = byteSize(n * unit)
	return nil
}
