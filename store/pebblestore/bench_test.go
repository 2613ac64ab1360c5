package pebblestore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"trent/store"
	"trent/store/pebblestore"
)

func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, b.TempDir(), pebblestore.Options{})
			value := make([]byte, 300)
			b.ReportAllocs()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := s.Commit(b.Context(), store.Txn{Put: []store.Record{{Key: fmt.Appendf(nil, "key/%09d", i), Value: value}}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			m := s.Metrics()
			b.ReportMetric(float64(m.Commits)/float64(max(1, m.Groups)), "commits/group")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	s := open(b, b.TempDir(), pebblestore.Options{})
	fillKeys(b, s, 10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Load(b.Context(), fmt.Appendf(nil, "key/%09d", i*7919%10_000)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkOpen opens a store of 100,000 records.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, pebblestore.Options{})
	fillKeys(b, s, 100_000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := open(b, dir, pebblestore.Options{})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func fillKeys(b *testing.B, s store.Store, n int) {
	b.Helper()
	value := make([]byte, 300)
	for i := 0; i < n; {
		var txn store.Txn
		for ; len(txn.Put) < store.MaxTxnEntries && i < n; i++ {
			txn.Put = append(txn.Put, store.Record{Key: fmt.Appendf(nil, "key/%09d", i), Value: value})
		}
		if _, err := s.Commit(b.Context(), txn); err != nil {
			b.Fatal(err)
		}
	}
}
