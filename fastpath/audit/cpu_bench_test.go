//go:build unix

package audit_test

import (
	"syscall"
	"testing"

	"trent/fastpath/audit"
)

// BenchmarkAll is all that the server does for a record: copies, rendering, zipping and writing, with the kernel's
// part, as cpu-ns/op. A page cache that has to grow costs more than one that is reused.
func BenchmarkAll(b *testing.B) {
	for _, c := range []struct {
		name string
		zip  bool
	}{{"plain", false}, {"gzip", true}} {
		b.Run(c.name, func(b *testing.B) {
			l := openLog(b, audit.Options{Gzip: c.zip, Block: true, MaxTotal: 1 << 30})
			e := usual()
			n := 0
			b.ReportAllocs()
			var before, after syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				vary(&e, n)
				n++
				l.Record(0, &e)
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
				b.Fatal(err)
			}
			cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(cpu)/float64(n), "cpu-ns/op")
		})
	}
}
