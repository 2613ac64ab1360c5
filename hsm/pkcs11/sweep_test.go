//go:build pkcs11

package pkcs11_test

import (
	"bytes"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/hsmtest"
)

// TestSweep: wrapping keys whose day is over go when another one is made; others stay, and so do keys with other labels.
func TestSweep(t *testing.T) {
	m := open(t, options())
	hsmtest.NewKey(t, m, hsm.RSA2048, hsm.EncryptDecrypt, t.Name())
	pooled := &hsm.Key{Token: do(t, m, hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.RSA2048}).Out, Spec: hsm.RSA2048}
	wrapping := func() { // one from a pool, one made anew: both say until when they are good
		for _, from := range []*hsm.Key{pooled, nil} {
			do(t, m, hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: &hsm.Key{Identity: hsmtest.Identity("x")}, Target: from})
		}
	}
	device := attach(t)
	const name = "trent import until "
	labelled := func() (halves []p11.ObjectHandle) {
		for _, object := range device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_RSA)) {
			if bytes.HasPrefix([]byte(device.label(t, object)), []byte(name)) {
				halves = append(halves, object)
			}
		}
		return halves
	}
	before := len(labelled())
	wrapping()
	all := labelled()
	if len(all) != before+4 {
		t.Fatalf("%d halves of wrapping keys, %d before", len(all), before)
	}
	for _, object := range all {
		if err := device.ctx.SetAttributeValue(device.session, object, []*p11.Attribute{p11.NewAttribute(p11.CKA_LABEL, name+"20200229")}); err != nil {
			t.Fatal(err)
		}
	}
	others := len(device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true))) - len(all)
	wrapping()
	if left := len(labelled()); left != 4 {
		t.Errorf("%d halves of wrapping keys are left, 4 were made after", left)
	}
	if left := len(device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true))) - 4; left != others {
		t.Errorf("%d other objects, %d before", left, others)
	}
}
