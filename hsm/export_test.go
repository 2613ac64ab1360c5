package hsm

import (
	"io"
	"reflect"
	"time"
	"unsafe"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/domain"
	"trent/hsm/internal/kdf"
)

// What the tests of package hsm_test see of the inside.

// Held is what a module keeps ready.
type Held struct{ Slots, Parsed int }

// HeldBy counts what l keeps ready, by claiming each worker.
func HeldBy(l *Local) Held {
	var h Held
	for i := range l.workers {
		w := &l.workers[i]
		l.visit(w, nil)
		h.Slots += w.filled
		l.release(w)
	}
	l.parsed.mu.Lock()
	defer l.parsed.mu.Unlock()
	h.Parsed = len(l.parsed.byTag)
	return h
}

// Claim takes up to n workers; the function gives them back.
func Claim(l *Local, n int) (release func()) {
	var held []*worker
	for range n {
		if w := l.sweep(&Call{}); w != nil {
			held = append(held, w)
		}
	}
	return func() {
		for _, w := range held {
			l.release(w)
		}
	}
}

// SetNow gives l another clock for commands.
func SetNow(l *Local, now func() time.Time) { l.now = now }

// EnterGate takes an engine.
func EnterGate(l *Local) (leave func(), err error) {
	return l.gate.leave, l.gate.enter(time.Time{})
}

// ArenaOf is the memory of l's arena, the workers' addresses and their size.
func ArenaOf(l *Local) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(reflect.ValueOf(l.arena).Elem().FieldByName("mem").Pointer())), l.arena.Bytes())
}

// DomainKeysOf is the domain keys of l, raw, where they lie.
func DomainKeysOf(l *Local) (keys []*[32]byte) {
	cells := unsafe.Slice((*[32]byte)(reflect.ValueOf(l.keys).Elem().FieldByName("raw").UnsafePointer()), 2*domain.MaxKeys)
	for i := range cells {
		if cells[i] != ([32]byte{}) {
			keys = append(keys, &cells[i])
		}
	}
	return keys
}

// MidstateOf is a key's ready form, as bytes in memory order: a needle to look for.
func MidstateOf(l *Local, k *Key) []byte {
	w := l.sweep(&Call{})
	defer l.release(w)
	material, err := l.unwrap(w, k, nil)
	if err != nil {
		panic(err)
	}
	var m kdf.Midstate
	m.Init(material)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))...)
}

// MACKeyOf is MidstateOf for an HMAC key of 64 bytes; where MACs are the standard library's, its material.
func MACKeyOf(l *Local, k *Key) []byte {
	material := MaterialOfKey(l, k)
	if !kdf.OwnMAC() {
		return material
	}
	var m kdf.MACKey
	m.Init(new(kdf.MACScratch), hashOf(k.Spec), material)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))...)
}

func hashOf(s KeySpec) kdf.Hash { return kdf.Hash(s - HMAC224) }

// MaterialOfKey is a key's material.
func MaterialOfKey(l *Local, k *Key) []byte {
	w := l.sweep(&Call{})
	defer l.release(w)
	material, err := l.unwrap(w, k, nil)
	if err != nil {
		panic(err)
	}
	return material
}

// WipeAll is Close without giving the arena back.
func WipeAll(l *Local) { l.closing.Do(l.wipe) }

// Unmap gives back the arena after WipeAll.
func Unmap(l *Local) error { return l.arena.Close() }

// WorkerAddresses are where the workers lie.
func WorkerAddresses(l *Local) []uintptr {
	var all []uintptr
	for i := range l.workers {
		all = append(all, uintptr(unsafe.Pointer(&l.workers[i])))
	}
	return all
}

// Enumerations of both packages by name.
var (
	SpecNames = map[KeySpec]algorithm.Spec{
		SymmetricDefault: algorithm.SymmetricDefault, RSA2048: algorithm.RSA2048, RSA3072: algorithm.RSA3072, RSA4096: algorithm.RSA4096,
		P256: algorithm.P256, P384: algorithm.P384, P521: algorithm.P521,
		HMAC224: algorithm.HMAC224, HMAC256: algorithm.HMAC256, HMAC384: algorithm.HMAC384, HMAC512: algorithm.HMAC512,
		SM4: algorithm.SM4, Secp256k1: algorithm.Secp256k1, Ed25519: algorithm.Ed25519, SM2: algorithm.SM2,
		MLDSA44: algorithm.MLDSA44, MLDSA65: algorithm.MLDSA65, MLDSA87: algorithm.MLDSA87,
		MLKEM512: algorithm.MLKEM512, MLKEM768: algorithm.MLKEM768, MLKEM1024: algorithm.MLKEM1024,
	}
	UsageNames = map[Usage]algorithm.Usage{
		EncryptDecrypt: algorithm.EncryptDecrypt, SignVerify: algorithm.SignVerify,
		GenerateVerifyMAC: algorithm.GenerateVerifyMAC, KeyAgreement: algorithm.KeyAgreement,
		EncapsulateDecapsulate: algorithm.EncapsulateDecapsulate,
	}
	AlgorithmNames = map[Algorithm]algorithm.Alg{
		AESGCM: algorithm.AESGCM, OAEPSHA1: algorithm.OAEPSHA1, OAEPSHA256: algorithm.OAEPSHA256,
		PKCS1SHA256: algorithm.PKCS1SHA256, PKCS1SHA384: algorithm.PKCS1SHA384, PKCS1SHA512: algorithm.PKCS1SHA512,
		PSSSHA256: algorithm.PSSSHA256, PSSSHA384: algorithm.PSSSHA384, PSSSHA512: algorithm.PSSSHA512,
		ECDSASHA256: algorithm.ECDSASHA256, ECDSASHA384: algorithm.ECDSASHA384, ECDSASHA512: algorithm.ECDSASHA512,
		HMACSHA224: algorithm.HMACSHA224, HMACSHA256: algorithm.HMACSHA256, HMACSHA384: algorithm.HMACSHA384, HMACSHA512: algorithm.HMACSHA512,
		SM4GCM: algorithm.SM4GCM, ED25519SHA512: algorithm.ED25519SHA512, ED25519PHSHA512: algorithm.ED25519PHSHA512,
		MLDSASHAKE256: algorithm.MLDSASHAKE256, SM2DSA: algorithm.SM2DSA, SM2PKE: algorithm.SM2PKE, ECDH: algorithm.ECDH, MLKEM: algorithm.MLKEM,
	}
	FitSlots   = fitSlots
	ArenaBytes = arenaBytes
)

// SealContent seals content as it is, whatever its header says.
func SealContent(l *Local, c *Call, content []byte) error {
	w := l.sweep(&Call{})
	defer l.release(w)
	return l.seal(w, c, c.Key, c.AAD, content)
}

// HoldGeneration keeps every asymmetric key that l makes from now on from getting ready until release: a value on
// the channel for each that has begun. Then they are P-256 keys, whatever was asked for, where their size matters
// to nobody.
func HoldGeneration(l *Local) (generating <-chan struct{}, release func()) {
	begun, held := make(chan struct{}, 16), make(chan struct{})
	l.makeKey = func(_ algorithm.Spec, random io.Reader) (material, spki []byte, err error) {
		begun <- struct{}{}
		<-held
		return algorithm.Generate(algorithm.P256, random)
	}
	return begun, func() { close(held) }
}

// OwnMAC tells whether MACs are made without the standard library.
func OwnMAC() bool { return kdf.OwnMAC() }

// DomainMidstate is the newest domain key's ready form, as bytes in memory order.
func DomainMidstate(l *Local) []byte {
	_, _, dk := l.keys.Newest()
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(dk)), unsafe.Sizeof(*dk))...)
}

// DerivedOf is the key of one ciphertext under k.
func DerivedOf(l *Local, k *Key, ciphertext []byte) []byte {
	b, ok := blob.Parse(ciphertext)
	if !ok {
		panic("no blob")
	}
	var m kdf.Midstate
	m.Init(MaterialOfKey(l, k))
	var out [kdf.Size]byte
	m.Derive(&out, blob.Label, b.Derivation)
	return out[:]
}

// ArenaSpan is where l's arena lies, and its size in bytes.
func ArenaSpan(l *Local) (from, size uint64) {
	mem := ArenaOf(l)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))), uint64(len(mem))
}
