package hsmtest

import (
	"bytes"
	"testing"

	"trent/hsm"
)

func (s *suite) roundTrip(t *testing.T) {
	key := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	aad := contextOf(t, "k", "v")
	for _, size := range []int{0, 1, 16, 32, 101, 229, 4095, 4096} {
		plaintext := bytes.Repeat([]byte{0x5a}, size)
		sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: plaintext, AAD: aad})
		if len(sealed.Out) != hsm.BlobSize(size) || sealed.Material != key.Material {
			t.Fatalf("%d bytes make %d, material %s", size, len(sealed.Out), sealed.Material)
		}
		if m, ok := hsm.MaterialOf(sealed.Out); !ok || m != key.Material {
			t.Fatalf("the blob names %s, %t", m, ok)
		}
		if size >= 16 && bytes.Contains(sealed.Out, plaintext) {
			t.Fatal("the blob holds its plaintext")
		}
		again := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: plaintext, AAD: aad})
		if bytes.Equal(again.Out[38:54], sealed.Out[38:54]) || bytes.Equal(again.Out[len(again.Out)-16:], sealed.Out[len(sealed.Out)-16:]) {
			t.Fatal("two ciphertexts share nonce or tag")
		}
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed.Out, AAD: aad})
		if !bytes.Equal(opened.Secret, plaintext) || opened.Material != key.Material {
			t.Fatalf("%d bytes come back as %d", size, len(opened.Secret))
		}
	}
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: make([]byte, 4097)})
}

// capacity: results are appended, and one byte too little is ErrShort.
func (s *suite) capacity(t *testing.T) {
	key := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	before := []byte("before")
	n := hsm.BlobSize(5)
	out := append(make([]byte, 0, len(before)+n), before...)
	sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("hello"), Out: out})
	if !bytes.HasPrefix(sealed.Out, before) || len(sealed.Out) != len(before)+n || &sealed.Out[0] != &out[0] {
		t.Error("not appended in place")
	}
	ciphertext := sealed.Out[len(before):]
	for _, c := range []hsm.Call{
		{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("hello"), Out: make([]byte, 0, n-1)},
		{Op: hsm.OpDataKey, Key: &key.Key, N: 5, Out: make([]byte, 0, n-1)},
		{Op: hsm.OpDataKey, Key: &key.Key, N: 5, Secret: make([]byte, 0, 4)},
		{Op: hsm.OpDecrypt, Key: &key.Key, In: ciphertext, Secret: make([]byte, 0, 4)},
		{Op: hsm.OpReEncrypt, Key: &key.Key, Target: &key.Key, In: ciphertext, Out: make([]byte, 0, n-1)},
		{Op: hsm.OpRewrap, Key: &key.Key, Out: make([]byte, 0, len(key.Token)-1)},
		{Op: hsm.OpGenerate, Key: &key.Key, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Out: make([]byte, 0, 10)},
		{Op: hsm.OpGenerate, Key: &key.Key, Spec: hsm.P256, Usage: hsm.SignVerify, Public: make([]byte, 0, 10)},
	} {
		s.refuse(t, hsm.ErrShort, c)
	}
}

func (s *suite) context(t *testing.T) {
	key := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	none, some := contextOf(t), contextOf(t, "a", "1", "b", "2")
	long := contextOf(t, "long", string(bytes.Repeat([]byte("x"), 9000)))
	seal := func(aad []byte) []byte {
		return s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("x"), AAD: aad}).Out
	}
	open := func(sealed, aad []byte) {
		t.Helper()
		s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed, AAD: aad})
	}
	refuse := func(sealed, aad []byte) {
		t.Helper()
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed, AAD: aad})
	}
	open(seal(nil), none) // an absent context is the empty one
	open(seal(none), nil)
	open(seal(some), contextOf(t, "b", "2", "a", "1"))
	open(seal(long), long)
	refuse(seal(nil), some)
	refuse(seal(some), nil)
	refuse(seal(some), contextOf(t, "a", "1", "b", "3"))
	refuse(seal(some), contextOf(t, "a", "1b", "2", ""))
	refuse(seal(long), some)
	refuse(seal(long), append(bytes.Clone(long[:len(long)-1]), 'y'))
}

// tamperedBlob alters every bit of a blob: one error by one path.
func (s *suite) tamperedBlob(t *testing.T) {
	key := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("plaintext")}).Out
	for i := range sealed {
		for bit := range 8 {
			altered := bytes.Clone(sealed)
			altered[i] ^= 1 << bit
			s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: altered})
		}
	}
	for _, altered := range [][]byte{nil, {1}, sealed[:58], sealed[:len(sealed)-1], append(bytes.Clone(sealed), 0)} {
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: altered})
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpReEncrypt, Key: &key.Key, Target: &key.Key, In: altered})
	}
	other := NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, "other")
	s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &other.Key, In: sealed})
}

func (s *suite) dataKey(t *testing.T) {
	key := s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	aad := contextOf(t, "k", "v")
	for _, n := range []int{1, 16, 32, 1024} {
		made := s.do(t, hsm.Call{Op: hsm.OpDataKey, Key: &key.Key, N: n, AAD: aad})
		if len(made.Secret) != n || len(made.Out) != hsm.BlobSize(n) || made.Material != key.Material {
			t.Fatalf("N %d: %d bytes, blob of %d", n, len(made.Secret), len(made.Out))
		}
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: made.Out, AAD: aad})
		if !bytes.Equal(opened.Secret, made.Secret) {
			t.Fatalf("N %d: the blob holds another key", n)
		}
		sealed := s.do(t, hsm.Call{Op: hsm.OpDataKey, Key: &key.Key, N: n, Secret: []byte{}})
		if len(sealed.Secret) != 0 || len(sealed.Out) != hsm.BlobSize(n) {
			t.Fatalf("N %d without plaintext: %d bytes of it", n, len(sealed.Secret))
		}
	}
}

func (s *suite) reEncrypt(t *testing.T) {
	plaintext := []byte("moves")
	from, to := contextOf(t, "from", "1"), contextOf(t, "to", "2")
	symmetric := func(id string) *Key { return NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, id) }
	rsa := s.key(t, hsm.RSA2048, hsm.EncryptDecrypt)
	for name, c := range map[string]struct {
		source, target       *Key
		sourceAlg, targetAlg hsm.Algorithm
	}{
		"symmetric to symmetric": {symmetric("a"), symmetric("b"), hsm.AESGCM, hsm.AlgorithmNone},
		"symmetric to RSA":       {symmetric("c"), rsa, hsm.AlgorithmNone, hsm.OAEPSHA1},
		"RSA to symmetric":       {rsa, symmetric("d"), hsm.OAEPSHA256, hsm.AESGCM},
		"RSA to RSA":             {rsa, rsa, hsm.OAEPSHA1, hsm.OAEPSHA256},
	} {
		t.Run(name, func(t *testing.T) {
			if !hsm.Permitted(c.sourceAlg) || !hsm.Permitted(c.targetAlg) {
				t.Skip("not permitted in this process")
			}
			aad := func(k *Key, a []byte) []byte {
				if k == rsa {
					return nil
				}
				return a
			}
			source := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &c.source.Key, Algorithm: c.sourceAlg, AAD: aad(c.source, from), In: plaintext})
			call := hsm.Call{
				Op: hsm.OpReEncrypt, Key: &c.source.Key, Algorithm: c.sourceAlg, AAD: aad(c.source, from), In: source.Out,
				Target: &c.target.Key, TargetAlgorithm: c.targetAlg, TargetAAD: aad(c.target, to),
			}
			moved := s.do(t, call)
			if moved.Material != c.target.Material || len(moved.Secret) != 0 {
				t.Errorf("material %s, %d bytes of plaintext", moved.Material, len(moved.Secret))
			}
			opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &c.target.Key, Algorithm: c.targetAlg, AAD: aad(c.target, to), In: moved.Out})
			if !bytes.Equal(opened.Secret, plaintext) {
				t.Errorf("came back as %q", opened.Secret)
			}
			call.In = bytes.Clone(source.Out)
			call.In[len(call.In)-1] ^= 1
			s.refuse(t, hsm.ErrAuthentication, call)
		})
	}
}
