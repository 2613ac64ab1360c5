package domain

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"testing"

	"trent/hsm/internal/gcm"
)

// newOpener is somebody to seal to.
func newOpener(t *testing.T, hybrid bool) *opener {
	t.Helper()
	key, err := ecdh.P384().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &opener{recipient: recipient{agreement: encodeKey(key.PublicKey())}, private: AgreementOf(key)}
	if hybrid {
		kem, err := mlkem.GenerateKey1024()
		if err != nil {
			t.Fatal(err)
		}
		o.kem, o.seed = kem.EncapsulationKey().Bytes(), kem.Bytes()
	}
	return o
}

// TestEnvelope: an envelope opens for its recipient and context, unaltered, and for nothing else.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	for _, kernel := range gcm.Kernels() {
		for _, hybrid := range []bool{false, true} {
			o, other := newOpener(t, hybrid), newOpener(t, hybrid)
			secret := []byte("a secret of thirty-two bytes, yes")
			var wrap wrapKey
			envelope, err := o.seal([]byte("before"), kernel, &wrap, []byte("context"), secret, rand.Reader)
			if err != nil || !bytes.HasPrefix(envelope, []byte("before")) {
				t.Fatal(err)
			}
			envelope = envelope[len("before"):]
			if wrap != (wrapKey{}) || len(envelope) != envelopeSize(hybrid, len(secret)) {
				t.Errorf("%s: %d bytes; the key stays: %t", kernel.Name(), len(envelope), wrap != wrapKey{})
			}
			open := func(o *opener, context string, envelope []byte) []byte {
				room := make([]byte, 0, 64)
				out, err := o.open(room, kernel, &wrap, []byte(context), envelope)
				if (err == nil) != (len(out) > 0) || err != nil && !bytes.Equal(room[:64], make([]byte, 64)) {
					t.Errorf("%d bytes, %v, %x", len(out), err, room[:64])
				}
				if err != nil {
					return nil
				}
				return out
			}
			if got := open(o, "context", envelope); !bytes.Equal(got, secret) {
				t.Errorf("opens as %q", got)
			}
			stride := 1
			if hybrid {
				stride = 7 // of 1,700 bytes
			}
			for i := 0; i < len(envelope); i += stride {
				altered := bytes.Clone(envelope)
				altered[i] ^= 0x40
				if open(o, "context", altered) != nil {
					t.Fatalf("opens with byte %d altered", i)
				}
			}
			for name, got := range map[string][]byte{
				"another's":       open(other, "context", envelope),
				"another context": open(o, "contexu", envelope),
				"cut":             open(o, "context", envelope[:len(envelope)-1]),
				"longer":          open(o, "context", append(bytes.Clone(envelope), 0)),
				"empty":           open(o, "context", nil),
			} {
				if got != nil {
					t.Errorf("%s opens", name)
				}
			}
		}
	}
}

// TestNoDowngrade: a recipient with an encapsulation key takes no classical envelope, and one whose encapsulation key
// was swapped for another's opens nothing.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	o, kernel := newOpener(t, true), gcm.Kernels()[0]
	var wrap wrapKey
	classical, err := recipient{agreement: o.agreement}.seal(nil, kernel, &wrap, nil, []byte("secret"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.open(nil, kernel, &wrap, nil, classical); err == nil {
		t.Error("a classical envelope opens for a hybrid recipient")
	}
	swapped, err := recipient{o.agreement, newOpener(t, true).kem}.seal(nil, kernel, &wrap, nil, []byte("secret"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.open(nil, kernel, &wrap, nil, swapped); err == nil {
		t.Error("an envelope for another encapsulation key opens")
	}
}
