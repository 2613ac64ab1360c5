package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"testing"

	"trent/hsm/internal/token"
)

func deviceMAC(b []byte) ([]byte, error) {
	h := hmac.New(sha256.New, []byte("the device's"))
	h.Write(b)
	return h.Sum(nil), nil
}

func deviceToken(t testing.TB, purpose token.Purpose, content []byte) []byte {
	t.Helper()
	h := token.Header{Purpose: purpose, Spec: 1, Usage: 1, Domain: [16]byte{1}, Version: token.DeviceKeyVersion, Material: [32]byte{2}}
	out, err := token.AppendDevice(nil, &h, content, []byte("identity"), bytes.NewReader(make([]byte, 12)), deviceMAC)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeviceToken(t *testing.T) {
	t.Parallel()
	object := token.DeviceObject{ID: [16]byte{3}, Imported: true}
	key := deviceToken(t, token.Key, object.Append(nil))
	d, err := token.ParseDevice(key)
	if err != nil || len(key) != token.DeviceKeySize || d.Purpose != token.Key || d.Material != [32]byte{2} || d.Domain != [16]byte{1} {
		t.Fatalf("%d bytes, %+v, %v", len(key), d, err)
	}
	if got, err := d.Object(); err != nil || got != object {
		t.Errorf("object %+v, %v", got, err)
	}
	if want, _ := deviceMAC(token.DeviceMACInput(d.Signed, []byte("identity"))); !bytes.Equal(want, d.MAC) {
		t.Error("another MAC")
	}
	if n := len(deviceToken(t, token.Import, make([]byte, 10))); n != token.DeviceImportSize || n != token.Size(10) {
		t.Errorf("an import token of %d bytes", n)
	}
	for name, b := range map[string][]byte{
		"none": nil, "cut": key[:len(key)-1], "longer": append(bytes.Clone(key), 0), "sealed": append([]byte{1}, key[1:]...),
		"a session": append([]byte{2, byte(token.Session)}, key[2:]...), "an import": append([]byte{2, byte(token.Import)}, key[2:]...),
	} {
		if _, err := token.ParseDevice(b); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := token.Parse(key); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("as a sealed token: %v", err)
	}
	h := token.Header{Purpose: token.Key}
	if _, err := token.AppendDevice(nil, &h, make([]byte, 10), nil, bytes.NewReader(make([]byte, 12)), deviceMAC); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a key with the content of an import token: %v", err)
	}
}

// FuzzDevice: what parses is made of its parts again, byte by byte, and the rest is one error.
func FuzzDevice(f *testing.F) {
	object := token.DeviceObject{ID: [16]byte{3}}
	f.Add(deviceToken(f, token.Key, object.Append(nil)))
	f.Add(deviceToken(f, token.Import, make([]byte, 10)))
	f.Add([]byte{2, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := token.ParseDevice(b)
		if err != nil {
			if !errors.Is(err, token.ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		salt := bytes.NewReader(d.Signed[56:68])
		again, err := token.AppendDevice(nil, &d.Header, d.Content, nil, salt, func([]byte) ([]byte, error) { return d.MAC, nil })
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("another token: %x, %v", again, err)
		}
		if o, err := d.Object(); err == nil && !bytes.Equal(o.Append(nil), d.Content) {
			t.Error("another object")
		}
	})
}
