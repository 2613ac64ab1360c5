package hsmtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"trent/hsm"
)

// recipient is a key that plaintexts can be encrypted to.
func recipient(t testing.TB, bits int) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, spki
}

func (s *suite) recipient(t *testing.T) {
	private, to := recipient(t, 2048)
	key := &s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt).Key
	for _, n := range []int{1, 15, 16, 17, 32, 999, 1000, 1024, 4096} {
		plaintext := bytes.Repeat([]byte("a plaintext "), n/12+1)[:n]
		sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: key, In: plaintext}).Out
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: key, In: sealed, Recipient: to})
		if got := OpenEnveloped(t, opened.Secret, private); !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: came back as %d", n, len(got))
		}
		if len(opened.Secret) > n+hsm.RecipientOverhead || len(opened.Secret) > 6144 {
			t.Errorf("%d bytes: became %d", n, len(opened.Secret))
		}
		if bytes.Contains(opened.Secret, plaintext[:min(n, 8)]) && n >= 8 {
			t.Errorf("%d bytes: the plaintext stands in the answer", n)
		}
	}
	if made := s.do(t, hsm.Call{Op: hsm.OpDataKey, Key: key, N: 32, Recipient: to}); made.Material != key.Material ||
		!bytes.Equal(OpenEnveloped(t, made.Secret, private), s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: key, In: made.Out}).Secret) {
		t.Error("DataKey: the two copies differ")
	}
	pair := s.do(t, hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: hsm.P256, Recipient: to})
	sealed := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: key, In: pair.Out})
	if got := OpenEnveloped(t, pair.Secret, private); !bytes.Equal(got, sealed.Secret) || len(pair.Public) == 0 {
		t.Error("DataKeyPair: the two copies differ")
	}
	random := s.do(t, hsm.Call{Op: hsm.OpRandom, N: 1024, Recipient: to})
	if got := OpenEnveloped(t, random.Secret, private); len(got) != 1024 {
		t.Errorf("Random: %d bytes", len(got))
	}
	agreement := &s.key(t, hsm.P256, hsm.KeyAgreement).Key
	shared := s.do(t, hsm.Call{Op: hsm.OpDerive, Key: agreement, In: peerOfP256}).Secret
	derived := s.do(t, hsm.Call{Op: hsm.OpDerive, Key: agreement, In: peerOfP256, Recipient: to})
	if got := OpenEnveloped(t, derived.Secret, private); !bytes.Equal(got, shared) || len(got) != 32 {
		t.Errorf("Derive: %d bytes, or others", len(got))
	}
	rsaKey := s.key(t, hsm.RSA2048, hsm.EncryptDecrypt)
	bare := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &rsaKey.Key, Algorithm: hsm.OAEPSHA256, In: []byte("bare")}).Out
	opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &rsaKey.Key, Algorithm: hsm.OAEPSHA256, In: bare, Recipient: to})
	if got := OpenEnveloped(t, opened.Secret, private); string(got) != "bare" {
		t.Errorf("RSA: %q", got)
	}
}

func (s *suite) recipientRefusals(t *testing.T) {
	private, to := recipient(t, 2048)
	short, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	ecc, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	notRSA, err := x509.MarshalPKIXPublicKey(&ecc.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key := &s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt).Key
	peers := [][]byte{{}, []byte("junk"), to[1:], append(bytes.Clone(to), 0), short, notRSA}
	public := private.PublicKey
	even := new(big.Int).Add(public.N, big.NewInt(1))
	for _, odd := range []rsa.PublicKey{
		{N: public.N, E: 1}, {N: public.N, E: 0}, {N: public.N, E: -3}, {N: public.N, E: 65536}, {N: even, E: public.E},
		{N: new(big.Int).Neg(public.N), E: public.E}, {N: new(big.Int), E: public.E},
		{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: public.E}, {N: new(big.Int).SetBit(big.NewInt(1), 100_000, 1), E: public.E},
	} {
		spki, err := x509.MarshalPKIXPublicKey(&odd)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, spki)
	}
	for _, peer := range peers {
		s.refuse(t, hsm.ErrPeer, hsm.Call{Op: hsm.OpRandom, N: 32, Recipient: peer})
		s.refuse(t, hsm.ErrPeer, hsm.Call{Op: hsm.OpDataKey, Key: key, N: 32, Recipient: peer})
	}
	for _, op := range []hsm.Op{hsm.OpEncrypt, hsm.OpReEncrypt, hsm.OpSign, hsm.OpMAC, hsm.OpGenerate, hsm.OpRewrap} {
		s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: op, Key: key, Target: key, In: []byte("x"), Recipient: to})
	}
	s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: key, In: make([]byte, hsm.BlobSize(32)), Recipient: to})
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpDataKey, Key: key, N: 4097, Recipient: to})
	s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpDataKey, Key: key, N: 32, Recipient: to, Secret: make([]byte, 0, 64)})
}
