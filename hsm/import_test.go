package hsm_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"trent/hsm"
)

// FuzzImportToken: whatever is not a token that the module made is refused by the error for it, and none names a
// wrapping key of another length than it has.
func FuzzImportToken(f *testing.F) {
	l := openLocal(f, hsm.Config{})
	to := &hsm.Key{Identity: identity("to"), Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}
	ends := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	made := hsm.Call{
		Op: hsm.OpImportToken, Key: to, Target: &hsm.Key{Spec: hsm.RSA2048, Material: hsm.MaterialID{1}}, Wrapping: hsm.WrapOAEPSHA256,
		Time: ends, Out: make([]byte, 0, hsm.ImportTokenSize),
	}
	if err := l.Do(&made); err != nil {
		f.Fatal(err)
	}
	good := bytes.Clone(made.Out)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 0))
	f.Add([]byte{})
	f.Add(newKey(f, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "to").Token)
	f.Fuzz(func(t *testing.T, token []byte) {
		named, ok := hsm.WrappingKeyOf(token)
		if ok && len(token) != hsm.ImportTokenSize {
			t.Errorf("%x names %s", token, named)
		}
		c := hsm.Call{Op: hsm.OpImport, Key: &hsm.Key{}, Target: to, In: []byte("x"), In2: token, Time: ends.Add(-time.Millisecond), Out: make([]byte, 0, 1024)}
		want := hsm.ErrImportToken
		if bytes.Equal(token, good) {
			want = hsm.ErrToken // of the wrapping key, which is not there
		}
		if err := l.Do(&c); !errors.Is(err, want) || len(c.Out) != 0 {
			t.Errorf("%x: %v, want %v", token, err, want)
		}
	})
}
