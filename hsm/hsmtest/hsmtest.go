// Package hsmtest is the suite that every hsm.Module passes.
//
// What this package is not: it does not look inside a module. Run starts goroutines of its own in one test
// and waits for them.
package hsmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"trent/hsm"
)

// Options are Run's.
type Options struct {
	LargeRSA bool // RSA_3072 and RSA_4096 too, which take seconds to make, and every byte altered; never under -short
	Approved bool // the module has the key specs of Go's FIPS 140-3 module alone, and refuses the others
	Lacks    Lacks
}

// Run runs the suite. open returns a working module, which the suite does not close; it is called once.
func Run(t *testing.T, o Options, open func(t testing.TB) hsm.Module) {
	s := &suite{Module: open(t), largeRSA: o.LargeRSA && !testing.Short(), approved: o.Approved, lacks: o.Lacks}
	nameLacking(t, &s.lacks)
	for _, test := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"RoundTrip", (*suite).roundTrip},
		{"Capacity", (*suite).capacity},
		{"Context", (*suite).context},
		{"TamperedBlob", (*suite).tamperedBlob},
		{"DataKey", (*suite).dataKey},
		{"DataKeyPair", (*suite).dataKeyPair},
		{"Recipient", (*suite).recipient},
		{"RecipientRefusals", (*suite).recipientRefusals},
		{"ReEncrypt", (*suite).reEncrypt},
		{"Signatures", (*suite).signatures},
		{"MACs", (*suite).macs},
		{"RSAEncryption", (*suite).rsaEncryption},
		{"Forms", (*suite).forms},
		{"SM2Encryption", (*suite).sm2Encryption},
		{"SM4", (*suite).sm4},
		{"Agreement", (*suite).agreement},
		{"Encapsulation", (*suite).encapsulation},
		{"Random", (*suite).random},
		{"Generate", (*suite).generate},
		{"ForgedTokens", (*suite).forgedTokens},
		{"Metadata", (*suite).metadata},
		{"Pool", (*suite).pool},
		{"AnyUsage", (*suite).anyUsage},
		{"Rewrap", (*suite).rewrap},
		{"Import", (*suite).imports},
		{"ImportRefusals", (*suite).importRefusals},
		{"WrappingPool", (*suite).wrappingPool},
		{"HostileTokens", (*suite).hostileTokens},
		{"Refusals", (*suite).refusals},
		{"Forget", (*suite).forget},
		{"Together", (*suite).together},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(s, t) })
	}
}

type suite struct {
	hsm.Module
	largeRSA bool
	approved bool
	lacks    Lacks
	mu       sync.Mutex
	rsa      [hsm.RSA4096 + 1][hsm.KeyAgreement + 1]*Key
	pairs    [hsm.RSA4096 + 1]*hsm.Key // pool tokens
}

// Key is a key and its public half.
type Key struct {
	hsm.Key
	Public []byte
}

// Identity is the encoding of a key with that id.
func Identity(id string) []byte {
	return hsm.AppendIdentity(nil, "aws", "000000000000", id, "us-east-1")
}

// NewKey generates a key in m.
func NewKey(t testing.TB, m hsm.Module, spec hsm.KeySpec, usage hsm.Usage, id string) *Key {
	t.Helper()
	c := hsm.Call{
		Op: hsm.OpGenerate, Spec: spec, Usage: usage, Key: &hsm.Key{Identity: Identity(id)},
		Out: make([]byte, 0, 4096), Public: make([]byte, 0, 3072),
	}
	if err := m.Do(&c); err != nil {
		t.Fatalf("generating %d for %d: %v", spec, usage, err)
	}
	return &Key{hsm.Key{Token: c.Out, Identity: Identity(id), Material: c.Material, Spec: spec, Usage: usage}, c.Public}
}

// key is NewKey with the test's name; RSA keys, which are slow to make, are shared.
func (s *suite) key(t testing.TB, spec hsm.KeySpec, usage hsm.Usage) *Key {
	t.Helper()
	if !isRSA(spec) {
		return NewKey(t, s, spec, usage, t.Name())
	}
	pooled := s.pooled(t, spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rsa[spec][usage] == nil {
		to := hsm.Key{Identity: Identity(fmt.Sprint(t.Name(), "/", usage)), Spec: spec, Usage: usage}
		made := s.do(t, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &to})
		to.Token, to.Material = made.Out, made.Material
		s.rsa[spec][usage] = &Key{to, made.Public}
	}
	return s.rsa[spec][usage]
}

// pooled is the pair of an RSA spec of which the suite makes all its keys but those that are to be made anew; nil for
// other specs.
func (s *suite) pooled(t testing.TB, spec hsm.KeySpec) *hsm.Key {
	t.Helper()
	if !isRSA(spec) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pairs[spec] == nil {
		s.pairs[spec] = &hsm.Key{Token: s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: spec}).Out, Spec: spec}
	}
	return s.pairs[spec]
}

// stride is how far apart the bytes are that are altered where each costs an RSA decryption.
func (s *suite) stride() int {
	if s.largeRSA {
		return 1
	}
	return 13
}

// rsaSpecs leaves out the slow ones unless asked for.
func (s *suite) rsaSpecs() []hsm.KeySpec {
	if s.largeRSA {
		return []hsm.KeySpec{hsm.RSA2048, hsm.RSA3072, hsm.RSA4096}
	}
	return []hsm.KeySpec{hsm.RSA2048}
}

// do runs a call with room for every result, and fails the test on an error.
func (s *suite) do(t testing.TB, c hsm.Call) *hsm.Call {
	t.Helper()
	if err := s.try(&c); err != nil {
		t.Fatalf("op %d: %v", c.Op, err)
	}
	return &c
}

func (s *suite) try(c *hsm.Call) error {
	if c.Out == nil {
		c.Out = make([]byte, 0, 6144)
	}
	if c.Secret == nil {
		c.Secret = make([]byte, 0, 6144)
	}
	if c.Public == nil {
		c.Public = make([]byte, 0, 3072)
	}
	return s.Do(c)
}

// refuse runs a call that must fail with want and append nothing.
func (s *suite) refuse(t testing.TB, want error, c hsm.Call) {
	t.Helper()
	err := s.try(&c)
	if !errors.Is(err, want) {
		t.Errorf("op %d: error %v, want %v", c.Op, err, want)
	}
	if len(c.Out) != 0 || len(c.Secret) != 0 || len(c.Public) != 0 {
		t.Errorf("op %d: results with error %v", c.Op, err)
	}
	if !bytes.Equal(c.Secret[:cap(c.Secret)], make([]byte, cap(c.Secret))) {
		t.Errorf("op %d: plaintext behind c.Secret after %v", c.Op, err)
	}
}

func contextOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var list []hsm.ContextPair
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, hsm.ContextPair{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	b, err := hsm.AppendContext(nil, list)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *suite) random(t *testing.T) {
	a := s.do(t, hsm.Call{Op: hsm.OpRandom, N: 1024}).Secret
	b := s.do(t, hsm.Call{Op: hsm.OpRandom, N: 1024}).Secret
	if len(a) != 1024 || len(b) != 1024 || bytes.Equal(a, b) {
		t.Errorf("%d and %d bytes, equal %t", len(a), len(b), bytes.Equal(a, b))
	}
	if err := s.Do(&hsm.Call{Op: hsm.OpRandom, N: 2, Secret: make([]byte, 0, 1)}); !errors.Is(err, hsm.ErrShort) {
		t.Errorf("error %v", err)
	}
}

func (s *suite) refusals(t *testing.T) {
	symmetric := &s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt).Key
	mac := &NewKey(t, s, hsm.HMAC256, hsm.GenerateVerifyMAC, "mac").Key
	ecc := &NewKey(t, s, hsm.P256, hsm.SignVerify, "ecc").Key
	in := []byte("in")
	for op := hsm.OpEncrypt; op < hsm.NumOps; op++ {
		if op != hsm.OpRandom && op != hsm.OpGeneratePool {
			s.refuse(t, hsm.ErrToken, hsm.Call{Op: op, In: in, N: 1})
		}
		s.refuse(t, hsm.ErrDeadline, hsm.Call{Op: op, Key: symmetric, In: in, N: 1, Deadline: time.Now().Add(-time.Second)})
	}
	for _, c := range []hsm.Call{
		{Op: hsm.OpNone, Key: symmetric},
		{Op: hsm.NumOps, Key: symmetric},
		{Op: hsm.OpEncrypt, Key: mac, In: in},
		{Op: hsm.OpEncrypt, Key: ecc, In: in},
		{Op: hsm.OpEncrypt, Key: symmetric, Algorithm: hsm.OAEPSHA256, In: in},
		{Op: hsm.OpDecrypt, Key: ecc, In: in},
		{Op: hsm.OpDataKey, Key: mac, N: 32},
		{Op: hsm.OpDataKey, Key: ecc, N: 32},
		{Op: hsm.OpSign, Key: symmetric, In: in},
		{Op: hsm.OpSign, Key: ecc, Algorithm: hsm.ECDSASHA384, In: in},
		{Op: hsm.OpVerify, Key: mac, In: in, In2: in},
		{Op: hsm.OpMAC, Key: symmetric, In: in},
		{Op: hsm.OpMAC, Key: mac, Algorithm: hsm.HMACSHA512, In: in},
		{Op: hsm.OpVerifyMAC, Key: ecc, In: in, In2: in},
		{Op: hsm.OpReEncrypt, Key: symmetric, Target: mac, In: make([]byte, hsm.BlobSize(1))},
		{Op: hsm.OpDerive, Key: ecc, In: in},
		{Op: hsm.OpDerive, Key: symmetric, In: in},
		{Op: hsm.OpEncapsulate, Key: ecc},
		{Op: hsm.OpDecapsulate, Key: symmetric, In: in},
		{Op: hsm.OpSign, Key: ecc, In: make([]byte, 64), ExternalMu: true},
		{Op: hsm.OpSign, Key: ecc, In: make([]byte, 64), ExternalMu: true, Digest: true},
		{Op: hsm.OpVerify, Key: ecc, In: make([]byte, 64), In2: in, ExternalMu: true, Digest: true},
	} {
		s.refuse(t, hsm.ErrUnsupported, c)
	}
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpDataKey, Key: symmetric, N: 0})
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpDataKey, Key: symmetric, N: -1})
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpDataKey, Key: symmetric, N: 4097})
}

func (s *suite) forget(t *testing.T) {
	symmetric := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	ecc := NewKey(t, s, hsm.P256, hsm.SignVerify, "ecc")
	sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &symmetric.Key, In: []byte("x")}).Out
	signature := s.do(t, hsm.Call{Op: hsm.OpSign, Key: &ecc.Key, In: []byte("x")}).Out
	for _, m := range []hsm.MaterialID{symmetric.Material, ecc.Material, {}} {
		if err := s.Forget(context.Background(), m); err != nil {
			t.Errorf("Forget: %v", err)
		}
	}
	// Ready state is gone, the token is not: whoever has it may use it.
	s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &symmetric.Key, In: sealed})
	s.do(t, hsm.Call{Op: hsm.OpVerify, Key: &ecc.Key, In: []byte("x"), In2: signature})
}

// together runs everything at once on few keys, with Forget in between, and checks every result.
func (s *suite) together(t *testing.T) {
	goroutines, rounds := 64, 40
	if s.lacks.Speed {
		goroutines, rounds = 32, 8
	}
	symmetric := []*Key{NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, "a"), NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, "b")}
	mac, ecc := NewKey(t, s, hsm.HMAC512, hsm.GenerateVerifyMAC, "m"), NewKey(t, s, hsm.P256, hsm.SignVerify, "e")
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				if err := s.oneOfEach(symmetric[(g+i)%2], symmetric[i%2], mac, ecc, fmt.Appendf(nil, "%d %d", g, i)); err != nil {
					t.Errorf("goroutine %d, round %d: %v", g, i, err)
					return
				}
				if (g+i)%16 == 0 {
					for _, k := range []*Key{symmetric[0], symmetric[1], mac, ecc} {
						if err := s.Forget(context.Background(), k.Material); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
}

func (s *suite) oneOfEach(a, b, mac, ecc *Key, message []byte) error {
	run := func(c hsm.Call) (*hsm.Call, error) {
		for {
			// A module that is busy has done nothing: on a loaded machine few workers may be out of reach for long.
			if err := s.try(&c); !errors.Is(err, hsm.ErrBusy) {
				return &c, err
			}
		}
	}
	sealed, err := run(hsm.Call{Op: hsm.OpEncrypt, Key: &a.Key, In: message, AAD: nil})
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	moved, err := run(hsm.Call{Op: hsm.OpReEncrypt, Key: &a.Key, Target: &b.Key, In: sealed.Out})
	if err != nil {
		return fmt.Errorf("re-encrypt: %w", err)
	}
	opened, err := run(hsm.Call{Op: hsm.OpDecrypt, Key: &b.Key, In: moved.Out})
	if err != nil || !bytes.Equal(opened.Secret, message) {
		return fmt.Errorf("decrypt: %q, %w", opened.Secret, err)
	}
	tag, err := run(hsm.Call{Op: hsm.OpMAC, Key: &mac.Key, In: message})
	if err != nil {
		return fmt.Errorf("MAC: %w", err)
	}
	if _, err := run(hsm.Call{Op: hsm.OpVerifyMAC, Key: &mac.Key, In: message, In2: tag.Out}); err != nil {
		return fmt.Errorf("verify MAC: %w", err)
	}
	signature, err := run(hsm.Call{Op: hsm.OpSign, Key: &ecc.Key, In: message})
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if _, err := run(hsm.Call{Op: hsm.OpVerify, Key: &ecc.Key, In: message, In2: signature.Out}); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}
