//go:build pkcs11

package pkcs11_test

import (
	"testing"

	"trent/hsm"
	"trent/hsm/hsmtest"
)

// BenchmarkDevice is what the device does without a server in front: one call at a time, and many.
func BenchmarkDevice(b *testing.B) {
	m := open(b, options())
	key := func(spec hsm.KeySpec, usage hsm.Usage) *hsm.Key {
		return &hsmtest.NewKey(b, m, spec, usage, b.Name()).Key
	}
	symmetric := key(hsm.SymmetricDefault, hsm.EncryptDecrypt)
	for _, c := range []struct {
		name string
		call hsm.Call
	}{
		{"op=Encrypt/size=32", hsm.Call{Op: hsm.OpEncrypt, Key: symmetric, In: make([]byte, 32)}},
		{"op=Decrypt/size=32", hsm.Call{Op: hsm.OpDecrypt, Key: symmetric, In: encrypt(b, m, symmetric)}},
		{"op=DataKey/size=32", hsm.Call{Op: hsm.OpDataKey, Key: symmetric, N: 32}},
		{"op=MAC/spec=HMAC_256", hsm.Call{Op: hsm.OpMAC, Key: key(hsm.HMAC256, hsm.GenerateVerifyMAC), In: make([]byte, 32)}},
		{"op=Sign/spec=ECC_NIST_P256", hsm.Call{Op: hsm.OpSign, Key: key(hsm.P256, hsm.SignVerify), In: make([]byte, 32)}},
		{"op=Sign/spec=RSA_2048", hsm.Call{Op: hsm.OpSign, Algorithm: hsm.PSSSHA256, Key: key(hsm.RSA2048, hsm.SignVerify), In: make([]byte, 32)}},
	} {
		once := func(b *testing.B, buffers *[3][]byte) {
			one := c.call
			one.Out, one.Secret, one.Public = buffers[0], buffers[1], buffers[2]
			if err := m.Do(&one); err != nil {
				b.Fatal(err)
			}
		}
		room := func() *[3][]byte { return &[3][]byte{make([]byte, 0, 512), make([]byte, 0, 512), make([]byte, 0, 512)} }
		b.Run(c.name+"/at=1", func(b *testing.B) {
			b.ReportAllocs()
			for buffers := room(); b.Loop(); {
				once(b, buffers)
			}
		})
		b.Run(c.name+"/at=many", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for buffers := room(); pb.Next(); {
					once(b, buffers)
				}
			})
		})
	}
}
