package audit_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/fastpath/audit"
)

func decision(i int) audit.DecisionEntry {
	e := audit.DecisionEntry{
		At: time.Unix(1_750_000_000, int64(i)).UTC(), Caller: "arn:aws:iam::111122223333:user/ann", Action: "kms:Decrypt",
		Resource: fmt.Sprintf("arn:aws:kms:us-east-1:111122223333:key/%d", i), Allowed: i%2 == 0, Reason: 1, Kind: 2, Statement: int32(i % 3), AlsoIndex: -1,
		Grant: "grant",
	}
	copy(e.RequestID[:], fmt.Sprintf("7c9eb7c1-3df7-4c3a-9d7f-%012d", i))
	return e
}

func openDecisions(t *testing.T, o audit.DecisionOptions) *audit.Decisions {
	t.Helper()
	d, err := audit.OpenDecisions(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDecisionsAreFoundAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := []byte(`{"Statement":[]}`)
	d := openDecisions(t, audit.DecisionOptions{Dir: dir, Text: func(*audit.DecisionEntry) []byte { return text }})
	want := decision(7)
	want.Policy = sha256.Sum256(text)
	for i := range 500 {
		e := decision(i)
		if i == 7 {
			e = want
			second := want
			second.Place, second.Action = 1, "kms:ReEncryptTo"
			d.Record(1, &second)
		}
		d.Record(0, &e)
	}
	check := func(d *audit.Decisions) {
		t.Helper()
		found, err := d.Find(strings.ToUpper(string(want.RequestID[:])))
		if err != nil || len(found) != 2 || found[0] != want || found[1].Action != "kms:ReEncryptTo" {
			t.Fatalf("%+v, %v", found, err)
		}
		kept, err := d.Policy(fmt.Sprintf("%x", want.Policy))
		if err != nil || kept != string(text) {
			t.Errorf("%q, %v", kept, err)
		}
	}
	check(d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	// A torn end hurts nothing before it, nor what comes.
	names, err := filepath.Glob(filepath.Join(dir, "decisions-*.bin"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	last := names[len(names)-1]
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, append(whole, whole[:50]...), 0o600); err != nil {
		t.Fatal(err)
	}
	d = openDecisions(t, audit.DecisionOptions{Dir: dir})
	check(d)
	e := decision(1000)
	d.Record(0, &e)
	if found, err := d.Find(string(e.RequestID[:])); err != nil || len(found) != 1 || found[0] != e {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := d.Find("00000000-0000-4000-8000-000000000000"); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := d.Find("no id"); !errors.Is(err, audit.ErrRequestID) {
		t.Errorf("%v", err)
	}
	if _, err := d.Policy("../server"); !errors.Is(err, audit.ErrPolicyHash) {
		t.Errorf("%v", err)
	}
}

func TestDecisionsTakeNoMoreThanTheirRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const room = 256 << 10
	d := openDecisions(t, audit.DecisionOptions{Dir: dir, MaxBytes: room})
	const all = 5000
	for i := range all {
		e := decision(i)
		d.Record(0, &e)
		if i%100 == 99 {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var size int64
	for _, path := range files(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > room || size < room/2 {
		t.Errorf("%d bytes", size)
	}
	for i, want := range map[int]int{0: 0, all - 1: 1} {
		e := decision(i)
		if found, err := d.Find(string(e.RequestID[:])); err != nil || len(found) != want {
			t.Errorf("decision %d: %d found, %v", i, len(found), err)
		}
	}
}

func TestDecisionsAllocateNothing(t *testing.T) {
	d := openDecisions(t, audit.DecisionOptions{Dir: t.TempDir()})
	e := decision(1)
	for range 5000 {
		d.Record(0, &e)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { d.Record(0, &e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSecurityLogIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "security", "security.log")
	l, err := audit.OpenSecurityLog(path, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_750_000_000, 0)
	for range 10_000 {
		l.Note(&audit.Incident{At: at, Kind: "signature", Error: "InvalidSignatureException", UserAgent: strings.Repeat("\"\n", 4000)})
	}
	l.Note(&audit.Incident{At: at.Add(time.Minute), Kind: "operation", Error: "UnknownOperationException"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > audit.SecurityBurst+1 || len(text) > 1<<20 {
		t.Errorf("%d lines, %d bytes", len(lines), len(text))
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, `"kind":"operation"`) || !strings.Contains(last, `"missedBefore":`) {
		t.Errorf("%s", last)
	}
}

// Whatever a file of decisions holds, reading it ends well, and finds what is whole before the damage.
func FuzzDecisionFile(f *testing.F) {
	dir := f.TempDir()
	d, err := audit.OpenDecisions(audit.DecisionOptions{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	e := decision(1)
	d.Record(0, &e)
	if err := d.Close(); err != nil {
		f.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "decisions-*.bin"))
	if err != nil || len(names) != 1 {
		f.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:20])
	f.Fuzz(func(t *testing.T, after []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(names[0])), append(whole[:len(whole):len(whole)], after...), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := audit.FindDecisions(dir, string(e.RequestID[:])); err != nil || len(found) == 0 || found[0] != e {
			t.Fatalf("%+v, %v", found, err)
		}
	})
}
