package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recoverParts completes the files below dir that a crash left unfinished.
func recoverParts(dir string, logf func(string, ...any)) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, Part) {
			return err
		}
		if err := recoverPart(path, strings.TrimSuffix(path, Part)); err != nil {
			logf("audit: %v", err)
		}
		return nil
	})
}

// recoverPart keeps the whole records of an unfinished file. Nearly always it is whole: each write completes it.
func recoverPart(part, path string) error {
	data, err := os.ReadFile(part)
	if err != nil {
		return fmt.Errorf("recovering records: %w", err)
	}
	zipped := strings.HasSuffix(path, ".gz")
	text := data
	whole := true
	if zipped {
		text, whole = unzip(data)
	}
	if whole && bytes.HasSuffix(text, []byte(fileTail)) {
		return os.Rename(part, path)
	}
	lines := wholeLines(text)
	if len(lines) == 0 {
		return os.Remove(part)
	}
	var out bytes.Buffer
	out.WriteString(fileHead)
	out.Write(bytes.Join(lines, []byte(",\n")))
	out.WriteString(fileTail)
	packed := out.Bytes()
	if zipped {
		packed = zip(packed)
	}
	if err := os.WriteFile(part, packed, 0o600); err != nil {
		return fmt.Errorf("recovering records: %w", err)
	}
	return os.Rename(part, path)
}

// wholeLines are the records of a file's text that are there in full.
func wholeLines(text []byte) [][]byte {
	var lines [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, ",\n")
		if len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}' && validJSON(line) {
			lines = append(lines, line)
		}
	}
	return lines
}
