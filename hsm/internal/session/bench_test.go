package session_test

import (
	"fmt"
	"testing"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/session"
)

// BenchmarkHandshake is both ends of a handshake: two signatures made and two checked, and the agreement.
func BenchmarkHandshake(b *testing.B) {
	for _, hybrid := range []bool{false, true} {
		pool, d := newPool(b, session.PoolOptions{}), newDomain(1)
		h, _ := d.admit(b, pool, hybrid)
		r, _ := d.join(b, pool, hybrid)
		b.Run(fmt.Sprintf("hybrid=%v", hybrid), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				handshake(b, h, r).Wipe()
			}
		})
	}
}

// BenchmarkConnect is both ends of the start of a connection: a signature made and checked.
func BenchmarkConnect(b *testing.B) {
	pool, d := newPool(b, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(b, pool, false)
	r, _ := d.join(b, pool, false)
	ticket := handshake(b, h, r)
	b.ReportAllocs()
	for b.Loop() {
		host, module := connect(b, ticket, r)
		host.Close()
		module.Close()
	}
}

// BenchmarkRefusal is what a hello of somebody unknown costs.
func BenchmarkRefusal(b *testing.B) {
	pool, d := newPool(b, session.PoolOptions{}), newDomain(1)
	stranger := &session.Host{Peers: &host{d, newSigner(b)}, Pool: pool, Hybrid: true}
	r, _ := d.join(b, pool, true)
	hello, hs, err := stranger.Hello(nil)
	if err != nil {
		b.Fatal(err)
	}
	hs.Abandon()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Answer(nil, hello, start); err == nil {
			b.Fatal("answered")
		}
	}
}

// BenchmarkEnvelope seals at one end and opens at the other, beside the kernel alone.
func BenchmarkEnvelope(b *testing.B) {
	for _, k := range gcm.Kernels() {
		for _, size := range []int{64, 512} {
			pool := newPool(b, session.PoolOptions{Slots: 4, Kernel: k.Name()})
			plaintext := make([]byte, size)
			envelope := make([]byte, 0, size+session.Overhead)
			opened := make([]byte, 0, size)
			b.Run(fmt.Sprintf("op=SealOpen/size=%d/kernel=%s", size, k.Name()), func(b *testing.B) {
				host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
				defer host.Close()
				defer module.Close()
				b.ReportAllocs()
				for b.Loop() {
					envelope, _ = host.Seal(envelope[:0], plaintext)
					var err error
					if opened, err = module.Open(opened[:0], envelope); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("op=Seal/size=%d/kernel=%s", size, k.Name()), func(b *testing.B) {
				host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
				defer host.Close()
				defer module.Close()
				b.ReportAllocs()
				for b.Loop() {
					envelope, _ = host.Seal(envelope[:0], plaintext)
				}
			})
			b.Run(fmt.Sprintf("op=KernelSeal/size=%d/kernel=%s", size, k.Name()), func(b *testing.B) {
				var key [gcm.KeySize]byte
				var nonce [gcm.NonceSize]byte
				var state gcm.State
				aad := make([]byte, 14)
				b.ReportAllocs()
				for b.Loop() {
					envelope = k.Seal(&state, envelope[:0], &key, &nonce, plaintext, aad)
				}
			})
		}
	}
}
