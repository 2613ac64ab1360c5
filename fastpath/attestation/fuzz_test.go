package attestation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"trent/fastpath/attestation"
	"trent/fastpath/attestation/enclavetest"
)

// FuzzVerify: whatever comes is refused by one of the errors, and never taken without a right signature. The
// payload is fuzzed under a right signature too, so that what lies behind it is reached.
func FuzzVerify(f *testing.F) {
	now := time.Now()
	a := enclavetest.NewAuthority(f, now)
	v, err := attestation.New(a.RootPEM)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := cbor.Marshal(a.Payload(f, now, &recipient().PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	document := a.Sign(f, payload)
	for _, seed := range [][]byte{
		nil, {0xd2}, document, payload, append([]byte{0xd2}, document...), document[:len(document)/2], payload[:len(payload)/2],
		{0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x41, 0xa0, 0x40}, {0x9f, 0xff}, {0xbf, 0xff}, {0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		f.Add(seed)
	}
	known := []error{attestation.ErrMalformed, attestation.ErrExpired, attestation.ErrUntrusted, attestation.ErrSignature, attestation.ErrPublicKey}
	typed := func(err error) bool {
		for _, k := range known {
			if errors.Is(err, k) {
				return true
			}
		}
		return false
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := v.Verify(b, now)
		switch {
		case err != nil && !typed(err):
			t.Errorf("error %v", err)
		case err == nil && (d.ModuleID == "" || len(d.PCRs) == 0 || d.PublicKey == nil):
			t.Errorf("taken: %+v", d)
		}
		if len(b) == 0 {
			return // nothing that could be signed
		}
		if _, err := v.Verify(a.Sign(t, b), now); err != nil && !typed(err) {
			t.Errorf("as a payload: %v", err)
		}
	})
}
