package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/audit"
)

// files lists the files below dir.
func files(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readAll reads the records of the files below dir.
func readAll(t testing.TB, dir string) (all []json.RawMessage) {
	t.Helper()
	for _, path := range files(t, dir) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.Read(bytes.NewReader(text), func(r json.RawMessage) error {
			if !json.Valid(r) {
				t.Fatalf("%s: %s", path, r)
			}
			all = append(all, slices.Clone(r))
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return all
}

func TestFilesLieAsATrailLaysThem(t *testing.T) {
	t.Parallel()
	for _, zip := range []bool{false, true} {
		dir := t.TempDir()
		l := openLog(t, audit.Options{Dir: dir, Gzip: zip, Now: func() time.Time { return time.Date(2026, 3, 1, 9, 5, 0, 0, time.UTC) }})
		for i := range 300 {
			e := usual()
			e.Region = []string{"us-east-1", "eu-west-1"}[i%2]
			l.Record(i, &e)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := len(readAll(t, dir)); n != 300 {
			t.Errorf("zip %v: %d records after the flush", zip, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		all := files(t, dir)
		if len(all) != 2 || len(readAll(t, dir)) != 300 || l.Written() != 300 {
			t.Errorf("zip %v: %v, %d written", zip, all, l.Written())
		}
		form := regexp.MustCompile(`^AWSLogs/111122223333/CloudTrail/(us-east-1|eu-west-1)/2026/03/01/111122223333_CloudTrail_(us-east-1|eu-west-1)_20260301T0905Z_[A-Za-z0-9]{16}\.json(\.gz)?$`)
		for _, path := range all {
			name, _ := filepath.Rel(dir, path)
			info, err := os.Stat(path)
			if err != nil || !form.MatchString(name) || info.Mode().Perm() != 0o600 || strings.HasSuffix(name, ".gz") != zip {
				t.Errorf("%s, %v, %v", name, info.Mode(), err)
			}
		}
	}
}

func TestFilesRotateAndTheOldestGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var clock atomic.Int64
	l := openLog(t, audit.Options{
		Dir: dir, RotateBytes: 64 << 10, MaxTotal: 256 << 10, Block: true,
		Now: func() time.Time { return time.Unix(1_750_000_000+60*clock.Load(), 0) },
	})
	const all = 2000 // of 1.6 kB
	for i := range all {
		e := usual()
		e.ErrorCode = fmt.Sprint("number ", i)
		l.Record(0, &e)
		if i%40 == 39 {
			clock.Add(1)
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	left := readAll(t, dir)
	var size int64
	for _, path := range files(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 260<<10 || len(left) < 100 || len(left) >= all {
		t.Errorf("%d bytes in %d files, %d records", size, len(files(t, dir)), len(left))
	}
	if last := left[len(left)-1]; !strings.Contains(string(last), fmt.Sprintf(`"number %d"`, all-1)) {
		t.Errorf("the newest is %s", last)
	}
}

// What finds no room is dropped, counted, and told in the trail that it is missing from.
func TestDroppedRecordsLeaveAGap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release := make(chan struct{})
	l := openLog(t, audit.Options{Dir: dir, Shards: 1, BufferBytes: 1, Now: func() time.Time {
		<-release // the writer, when it makes a file
		return time.Unix(1_750_000_100, 0)
	}})
	sent := 0
	for l.Dropped() < 5 {
		e := usual()
		l.Record(0, &e)
		sent++
	}
	close(release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var kept, lost int
	for _, raw := range readAll(t, dir) {
		var r struct {
			EventName, EventType, EventTime, RecipientAccountID string
			ServiceEventDetails                                 struct {
				RecordsLost int
				First, Last string
			}
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		if r.EventName != audit.GapEvent {
			kept++
			continue
		}
		lost += r.ServiceEventDetails.RecordsLost
		if r.ServiceEventDetails.First != "2025-06-15T15:06:40Z" || r.ServiceEventDetails.Last != "2025-06-15T15:06:40Z" || r.RecipientAccountID != "111122223333" || r.EventType != "TrentAuditGap" {
			t.Errorf("%s", raw)
		}
	}
	if lost != 5 || kept+lost != sent {
		t.Errorf("%d sent, %d kept, %d lost", sent, kept, lost)
	}
	var b strings.Builder
	l.WritePrometheus(&b)
	if !strings.Contains(b.String(), "trent_audit_records_dropped_total 5\n") {
		t.Error(b.String())
	}
}

func TestBlockLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, audit.Options{Dir: dir, Shards: 2, BufferBytes: 1, Block: true})
	const writers, each = 4, 3000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				e := usual()
				l.Record(w, &e)
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, dir)); n != writers*each || l.Dropped() != 0 {
		t.Errorf("%d of %d records, %d dropped", n, writers*each, l.Dropped())
	}
	e := usual()
	l.Record(0, &e) // does not wait for a writer that is gone
}

// A disk that cannot be written for a while loses nothing that the buffers hold.
func TestWritingGoesOnAfterTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, audit.Options{Dir: dir})
	block := filepath.Join(dir, "AWSLogs")
	if err := os.WriteFile(block, nil, 0o600); err != nil { // a file where a directory must be
		t.Fatal(err)
	}
	for range 10 {
		e := usual()
		l.Record(0, &e)
	}
	if err := l.Flush(); err == nil {
		t.Fatal("no error")
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, dir)); n != 10 {
		t.Errorf("%d records", n)
	}
}

// A disk that never takes the records does not keep the end waiting; the loss is told.
func TestClosingWithoutADisk(t *testing.T) {
	t.Parallel()
	for _, block := range []bool{false, true} {
		dir := t.TempDir()
		l := openLog(t, audit.Options{Dir: dir, Block: block})
		if err := os.WriteFile(filepath.Join(dir, "AWSLogs"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			e := usual()
			l.Record(0, &e)
		}
		if err := l.Close(); err == nil || !strings.Contains(err.Error(), "1000 records are lost") || l.Dropped() != 1000 {
			t.Errorf("%v, %d dropped", err, l.Dropped())
		}
	}
}

// What a crash leaves is completed by the next start: whole records stay, the torn one goes.
func TestUnfinishedFilesAreCompleted(t *testing.T) {
	t.Parallel()
	for _, zip := range []bool{false, true} {
		for _, cutAt := range []int{0, 3, 40, 900} { // bytes off the end
			dir := t.TempDir()
			l := openLog(t, audit.Options{Dir: dir, Gzip: zip})
			for range 3 {
				for range 5 {
					e := usual()
					l.Record(0, &e)
				}
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			part := files(t, dir)[0]
			if !strings.HasSuffix(part, audit.Part) {
				t.Fatal(part)
			}
			text, err := os.ReadFile(part)
			if err != nil {
				t.Fatal(err)
			}
			crashed := t.TempDir()
			name, _ := filepath.Rel(dir, part)
			if err := os.MkdirAll(filepath.Dir(filepath.Join(crashed, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(crashed, name), text[:max(0, len(text)-cutAt)], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := openLog(t, audit.Options{Dir: crashed, Gzip: zip}).Close(); err != nil {
				t.Fatal(err)
			}
			n := len(readAll(t, crashed))
			if cutAt <= 3 && n != 15 || n < 5 && len(files(t, crashed)) > 0 && cutAt < 900 {
				t.Errorf("zip %v, %d bytes cut: %d records", zip, cutAt, n)
			}
			for _, path := range files(t, crashed) {
				if strings.HasSuffix(path, audit.Part) {
					t.Errorf("%s is left", path)
				}
			}
		}
	}
}

// More accounts than files may be open at a time.
func TestManyAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, audit.Options{Dir: dir, Block: true})
	for i := range 300 {
		e := usual()
		e.Recipient = fmt.Sprintf("%012d", i%100)
		l.Record(0, &e)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, dir)); n != 300 {
		t.Errorf("%d records", n)
	}
	accounts, err := os.ReadDir(filepath.Join(dir, "AWSLogs"))
	if err != nil || len(accounts) != 100 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"Records":[{"a":1},{"b":[{}]}]}`))
	f.Add([]byte("{\"a\":1}\n{\"b\":2}\n"))
	f.Add([]byte(`{"Records":[{"a"`))
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		err := audit.Read(bytes.NewReader(data), func(r json.RawMessage) error {
			if !json.Valid(r) {
				t.Fatalf("%q", r)
			}
			return nil
		})
		var wrong *audit.SyntaxError
		if err != nil && !errors.Is(err, audit.ErrTorn) && !errors.As(err, &wrong) {
			t.Fatal(err)
		}
	})
}
