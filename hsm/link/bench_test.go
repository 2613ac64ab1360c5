//go:build unix

package link_test

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/hsmtest"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// BenchmarkEncrypt compares a call in process with one over a link to a server in this process (for profiles) and in a
// process of its own. cpu-ns/op counts both processes.
func BenchmarkEncrypt(b *testing.B) {
	for _, where := range []string{"local", "here", "child"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("module=%s/callers=%d", where, callers), func(b *testing.B) {
				var m hsm.Module
				child := func() time.Duration { return 0 }
				switch where {
				case "local":
					m = linktest.Local(b)
				case "here":
					m = connect(b, linktest.Local(b), link.ServerOptions{}, link.Options{})
				case "child":
					c := startChild(b, link.Options{})
					m, child = c, func() time.Duration { return c.cpu(b) }
				}
				k := hsmtest.NewKey(b, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, "bench")
				measure(b, m, &k.Key, callers, child)
			})
		}
	}
}

func measure(b *testing.B, m hsm.Module, k *hsm.Key, callers int, child func() time.Duration) {
	context, _ := hsm.AppendContext(nil, []hsm.ContextPair{{Key: []byte("tenant"), Value: []byte("4711")}})
	const deadline = 5 * time.Second
	var took []time.Duration // of a single caller's calls
	var wg sync.WaitGroup
	run := func(n int) {
		c := hsm.Call{Op: hsm.OpEncrypt, Key: k, AAD: context, In: make([]byte, 32)}
		out := make([]byte, 0, hsm.BlobSize(32))
		for range n {
			c.Out, c.Deadline = out, time.Now().Add(deadline)
			if err := m.Do(&c); err != nil {
				b.Error(err)
				return
			}
			if took != nil {
				took = append(took, time.Since(c.Deadline.Add(-deadline)))
			}
		}
	}
	run(1000)
	if callers == 1 {
		took = make([]time.Duration, 0, b.N)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before, beforeChild := cpuTime(), child()
	for i := range callers {
		n := b.N / callers
		if i < b.N%callers {
			n++
		}
		wg.Go(func() { run(n) })
	}
	wg.Wait()
	own, other := cpuTime()-before, child()-beforeChild
	if took != nil {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	}
	b.ReportMetric(float64(own)/float64(b.N), "host-cpu-ns/op")
	b.ReportMetric(float64(own+other)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
