//go:build unix

package hsm_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"trent/hsm"
)

// BenchmarkDo measures whole calls, one worker pool for all goroutines; run with -cpu 1,2. The CPU time
// counts the garbage collector too, and is comparable where other processes share the machine.
func BenchmarkDo(b *testing.B) {
	for _, slots := range []int{0, -1} {
		for _, size := range []int{32, 4096} {
			l := openLocal(b, hsm.Config{Slots: slots})
			k := newKey(b, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "bench")
			context, _ := hsm.AppendContext(nil, []hsm.ContextPair{{Key: []byte("tenant"), Value: []byte("4711")}})
			plaintext := make([]byte, size)
			sealed := hsm.Call{Op: hsm.OpEncrypt, Key: k, AAD: context, In: plaintext, Out: make([]byte, 0, hsm.BlobSize(size))}
			if err := l.Do(&sealed); err != nil {
				b.Fatal(err)
			}
			for op, call := range map[string]hsm.Call{
				"Encrypt": {Op: hsm.OpEncrypt, Key: k, AAD: context, In: plaintext},
				"Decrypt": {Op: hsm.OpDecrypt, Key: k, AAD: context, In: sealed.Out},
				"DataKey": {Op: hsm.OpDataKey, Key: k, AAD: context, N: size},
			} {
				b.Run(fmt.Sprintf("op=%s/size=%d/slots=%t", op, size, slots == 0), func(b *testing.B) {
					b.ReportAllocs()
					before := cpuTime()
					b.RunParallel(func(pb *testing.PB) {
						c := call
						out, secret := make([]byte, 0, hsm.BlobSize(size)), make([]byte, 0, size)
						for pb.Next() {
							c.Out, c.Secret = out, secret
							if err := l.Do(&c); err != nil {
								b.Error(err)
								return
							}
						}
					})
					b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
