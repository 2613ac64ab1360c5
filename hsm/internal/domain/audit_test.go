package domain_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/hsm/internal/domain"
)

// history is a domain's states and log.
type history struct {
	states  []*domain.State
	entries [][]byte
}

func (h *history) last() *domain.State {
	if len(h.states) == 0 {
		return nil
	}
	return h.states[len(h.states)-1]
}

// add does a command as a module does it, keys filled in.
func (h *history) add(t testing.TB, c *cast, cmd domain.Command, by ...string) {
	t.Helper()
	parent := h.last()
	if parent != nil {
		cmd = on(parent, cmd)
	}
	signed := c.sign(t, cmd, by...)
	next, change, err := do(parent, signed, c.module(0), noon.Add(time.Duration(len(h.states))*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for i := range next.Keys {
		if next.Keys[i].Version == change.Make {
			next.Keys[i].Check = [32]byte{byte(change.Make)}
		}
	}
	if change.Recovery {
		_, next.Recovery.Key = newKey(t)
	}
	entry := next.Conclude(parent, signed)
	if err := domain.Step(parent, next, entry); err != nil {
		t.Fatal(err)
	}
	h.states, h.entries = append(h.states, next), append(h.entries, entry)
}

func newHistory(t testing.TB, c *cast) *history {
	h := &history{}
	h.add(t, c, c.creation(3, 1), "op0", "op1")
	h.add(t, c, domain.Command{Kind: domain.RotateKeys}, "host0")
	h.add(t, c, domain.Command{Kind: domain.ActivateKey, Version: 2}, "host0")
	h.add(t, c, domain.Command{Kind: domain.ModifyMembers, Members: slices.Clone(c.modules[:2])}, "op1", "op2")
	h.add(t, c, domain.Command{Kind: domain.ModifySigners, Signers: c.signers(4, 1), Rules: domain.DefaultRules(4), Threshold: 3}, "op0", "op1")
	return h
}

func (h *history) parsed(t testing.TB) []*domain.AuditEntry {
	t.Helper()
	var all []*domain.AuditEntry
	for _, b := range h.entries {
		e, err := domain.ParseEntry(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestLogVerifies(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	h := newHistory(t, c)
	all, err := domain.VerifyLog(h.parsed(t), nil, h.last())
	if err != nil || len(all) != 5 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	for i, r := range all {
		if r.After.Hash() != h.states[i].Hash() {
			t.Fatalf("entry %d makes another state than there was", i+1)
		}
	}
	if len(all[3].Signers) != 2 {
		t.Fatalf("signers: %v", all[3].Signers)
	}
	if _, err := domain.VerifyLog(h.parsed(t)[2:], h.states[1], h.last()); err != nil {
		t.Fatalf("from an older token's state on: %v", err)
	}
}

func TestLogShowsWhatWasDoneToIt(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	h := newHistory(t, c)
	fork := &history{states: slices.Clone(h.states[:4]), entries: slices.Clone(h.entries[:4])}
	fork.add(t, c, domain.Command{Kind: domain.RotateKeys}, "host0")
	edit := func(change func([]*domain.AuditEntry) []*domain.AuditEntry) []*domain.AuditEntry {
		return change(h.parsed(t))
	}
	for _, test := range []struct {
		name  string
		log   []*domain.AuditEntry
		words string
	}{
		{"truncated", h.parsed(t)[:4], "was truncated"},
		{"empty", nil, "empty"},
		{"without its begin", h.parsed(t)[1:], "begins with entry 2"},
		{"without its middle", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry { return slices.Delete(e, 2, 3) }), "between 2 and 4 are missing"},
		{"reordered", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry { e[1], e[2] = e[2], e[1]; return e }), "between 1 and 3 are missing"},
		{"doubled", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry { return slices.Insert(e, 2, e[1]) }), "moved or added"},
		{"another time", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry { e[1].Time = e[1].Time.Add(time.Second); return e }), "another outcome"},
		{"another check value", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry { e[1].Check[0] ^= 1; return e }), "another outcome"},
		{"another command", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry {
			e[1].Signed = c.sign(t, on(h.states[0], domain.Command{Kind: domain.RotateKeys, Expires: noon.Add(90 * time.Minute)}), "op0")
			return e
		}), "quorum"},
		{"an altered signature", edit(func(e []*domain.AuditEntry) []*domain.AuditEntry {
			e[3].Signed[len(e[3].Signed)-1] ^= 1
			return e
		}), "signature of"},
		{"another line", fork.parsed(t), "forked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := domain.VerifyLog(test.log, nil, h.last())
			if !errors.Is(err, domain.ErrAudit) || !strings.Contains(err.Error(), test.words) {
				t.Fatalf("got %v, want one with %q", err, test.words)
			}
		})
	}
}

// TestStepFindsAFalseState: a member that has gone bad exports another state than was commanded.
func TestStepFindsAFalseState(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	h := newHistory(t, c)
	for name, change := range map[string]func(*domain.State){
		"rules":   func(s *domain.State) { s.Rules = domain.DefaultRules(2) },
		"members": func(s *domain.State) { s.Members = c.modules[:1] },
		"signers": func(s *domain.State) { s.Signers = c.signers(3, 1) },
		"keys":    func(s *domain.State) { s.Keys = s.Keys[1:] },
		"made":    func(s *domain.State) { s.Made = s.Made.Add(time.Hour) },
	} {
		bad := *h.last()
		change(&bad)
		e := h.parsed(t)[4]
		entry := bad.Conclude(h.states[3], e.Signed)
		if err := domain.Step(h.states[3], &bad, entry); !errors.Is(err, domain.ErrAudit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogFile(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	h := newHistory(t, c)
	dir := t.TempDir()
	open := func() *domain.Log {
		t.Helper()
		l, err := domain.OpenLog(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	l := open()
	for _, e := range h.entries[:3] {
		for range 2 { // the second time it is there already
			if err := l.Append(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Append(h.entries[0]); !errors.Is(err, domain.ErrAudit) {
		t.Fatalf("an entry of the past: %v", err)
	}
	path := filepath.Join(dir, domain.AuditFileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := domain.ReadLog(bytes.NewReader(whole)); err != nil || len(got) != 3 || !bytes.Equal(domain.EncodeLog(got), whole) {
		t.Fatalf("%d entries, %v", len(got), err)
	}

	// A crash in the middle of a write, at every place of the last entry.
	last := len(whole) - len(h.entries[2]) - 4
	for _, n := range []int{5, last - 1, last + 2, last + 4, last + 100, len(whole) - 1} {
		if _, err := domain.ReadLog(bytes.NewReader(whole[:n])); !errors.Is(err, domain.ErrAudit) || !strings.Contains(err.Error(), "truncated") {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open()
		for _, e := range h.entries[l.Head().Count:3] {
			if err := l.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("cut at %d, the log came back otherwise: %v", n, err)
		}
	}

	// A member that was out of service has a gap, which another one's log fills.
	l = open()
	if err := l.Append(h.entries[4]); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gap, err := domain.ReadLog(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := domain.VerifyLog(gap, nil, h.last()); !errors.Is(err, domain.ErrAudit) || !strings.Contains(err.Error(), "merge") {
		t.Fatalf("a gap: %v", err)
	}
	merged, err := domain.MergeLogs(gap, h.parsed(t)[3:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := domain.VerifyLog(merged, nil, h.last()); err != nil {
		t.Fatal(err)
	}

	// Its own log takes in what it lacks, and nothing else.
	fork := &history{states: slices.Clone(h.states[:3]), entries: slices.Clone(h.entries[:3])}
	fork.add(t, c, domain.Command{Kind: domain.RotateKeys}, "host0")
	for name, others := range map[string][]*domain.AuditEntry{"of another line": fork.parsed(t), "of another domain": newHistory(t, c).parsed(t)} {
		if n, err := l.Complete(others); !errors.Is(err, domain.ErrAudit) || n != 0 {
			t.Fatalf("entries %s: %d, %v", name, n, err)
		}
	}
	if n, err := l.Complete(h.parsed(t)); err != nil || n != 1 {
		t.Fatalf("filling the gap: %d, %v", n, err)
	}
	h.add(t, c, domain.Command{Kind: domain.RotateKeys}, "host0")
	if err := l.Append(h.entries[5]); err != nil {
		t.Fatal(err)
	}
	if filled, err := os.ReadFile(path); err != nil || !bytes.Equal(filled, domain.EncodeLog(h.parsed(t))) {
		t.Fatalf("the log is not whole: %v", err)
	}

	// What is no log stays as it is.
	if err := os.WriteFile(path, []byte("precious things"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := domain.OpenLog(dir); !errors.Is(err, domain.ErrAudit) {
		t.Fatalf("a file of another kind: %v", err)
	}
	altered := bytes.Clone(whole)
	altered[len(altered)-200] ^= 1
	if err := os.WriteFile(path, altered, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := domain.OpenLog(dir); err == nil {
		// Only the last entry can be altered unseen by the chain; the head in the domain token shows it.
		if err := l.Append(h.entries[3]); !errors.Is(err, domain.ErrAudit) {
			t.Fatalf("an entry after an altered one: %v", err)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	h := newHistory(f, newCast(f))
	for _, e := range h.entries {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := domain.ParseEntry(b)
		if err != nil {
			if !errors.Is(err, domain.ErrAudit) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if !bytes.Equal(e.Append(nil), b) {
			t.Fatal("an entry has a second encoding")
		}
	})
}

func FuzzReadLog(f *testing.F) {
	h := newHistory(f, newCast(f))
	f.Add(domain.EncodeLog(h.parsed(f)))
	f.Add(domain.EncodeLog(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := domain.ReadLog(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, domain.ErrAudit) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if !bytes.Equal(domain.EncodeLog(entries), b) {
			t.Fatal("a log has a second encoding")
		}
	})
}
