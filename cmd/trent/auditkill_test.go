package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/audit"
)

// recordsBelow counts the records in files below dir, and the files that are not complete.
func recordsBelow(t *testing.T, dir string) (records, parts int) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // completed meanwhile
		}
		part := strings.HasSuffix(path, audit.Part)
		if part {
			parts++
		}
		if err := audit.Read(bytes.NewReader(text), func(json.RawMessage) error { records++; return nil }); err != nil && !part {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	return records, parts
}

// TestAuditKilled kills a server. What was in the files stays, and the next server completes them.
func TestAuditKilled(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := startProgram(t, dir)
	records := filepath.Join(dir, "kms", "audit")
	const first, second = 50, 20
	call := func(n int) {
		for range n {
			if _, err := p.KMS().ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	call(first)
	eventually(t, "a file with all records so far", func() bool { n, parts := recordsBelow(t, records); return n == first && parts == 1 })
	call(second)
	p.kill()
	p = startProgram(t, dir)
	if n, parts := recordsBelow(t, records); n < first || n > first+second || parts != 0 {
		t.Errorf("%d records of %d that were written and %d that came last; %d files are not complete", n, first, second, parts)
	}
	call(1)
	eventually(t, "the next file", func() bool { _, parts := recordsBelow(t, records); return parts == 1 })
}
