package sts

import (
	"fmt"
	"testing"
	"time"

	"trent/fastpath/identity"
)

// BenchmarkLookup is the cost of an opened session for each request, of one and of many sessions.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s, ids, tokens := opened(b, n)
			ids, tokens = kept(s, ids, tokens)
			n := len(ids)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if c, err := s.Lookup(ids[i%n], tokens[i%n]); c == nil || err != nil {
					b.Fatal(c, err)
				}
			}
		})
	}
}

// opened are sessions in the table, as if they had been opened.
func opened(t testing.TB, n int) (s *Service, ids, tokens [][]byte) {
	t.Helper()
	directory, err := identity.NewDirectory([]identity.Credential{identity.BuiltIn(identity.DefaultAccount)})
	if err != nil {
		t.Fatal(err)
	}
	s = New(Options{Directory: directory})
	now := time.Now()
	for i := range n {
		id, _ := identity.NewAccessKey(identity.TemporaryKey, "111122223333")
		token := fmt.Sprintf("%0600d", i)
		made := &Session{token: token, hash: s.table.hash([]byte(token)), generation: directory.Current().Generation}
		made.Credential.AccessKeyID, made.Credential.Expires = id, now.Add(time.Hour)
		s.table.keep(made, now)
		ids, tokens = append(ids, []byte(id)), append(tokens, []byte(token))
	}
	return s, ids, tokens
}

// kept are those of the sessions that are in the table.
func kept(s *Service, ids, tokens [][]byte) (keptIDs, keptTokens [][]byte) {
	for i := range ids {
		if s.table.find(ids[i], tokens[i], s.table.hash(tokens[i])) != nil {
			keptIDs, keptTokens = append(keptIDs, ids[i]), append(keptTokens, tokens[i])
		}
	}
	return keptIDs, keptTokens
}

// The table is bounded and keeps many sessions at once.
func TestTableHoldsTenThousandSessions(t *testing.T) {
	s, ids, tokens := opened(t, 10_000)
	found, _ := kept(s, ids, tokens)
	if lost := len(ids) - len(found); lost > 100 { // about 10 are expected
		t.Errorf("%d of 10,000 sessions are not kept", lost)
	}
	for i := range ids {
		if other := (i + 1) % len(ids); s.table.find(ids[other], tokens[i], s.table.hash(tokens[i])) != nil {
			t.Fatal("a session is found by another's access key")
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	s, ids, tokens := opened(t, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Lookup(ids[0], tokens[0]) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}
