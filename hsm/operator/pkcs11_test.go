//go:build pkcs11

package operator_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm/operator"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// TestSignInADevice signs a command by a key that never leaves SoftHSM2, Debian's package of that name.
func TestSignInADevice(t *testing.T) {
	util, err := exec.LookPath("softhsm2-util")
	if err != nil {
		t.Skip("no softhsm2-util here")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command(util, "--init-token", "--free", "--label", "operators", "--pin", "1234", "--so-pin", "5678").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	makeDeviceKey(t, "carol")

	open := operator.PKCS11{Library: softHSM, Token: "operators", Label: "carol", PIN: says("1234")}
	signer, closer, err := operator.OpenPKCS11(open)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum384([]byte("a command"))
	signature, err := signer.Sign(rand.Reader, digest[:], nil)
	if err != nil || !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], signature) {
		t.Fatalf("the signature does not verify: %v", err)
	}
	k, err := operator.NewKey(signer, true, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := encode(t, k, nil)
	again, err := operator.ParseKey(file, never)
	if err != nil || again.Signer != nil || !again.Agreement.Equal(k.Agreement) {
		t.Fatalf("the file of a key in a device: %+v, %v", again, err)
	}
	if _, err := again.Principal("carol"); !errors.Is(err, operator.ErrInDevice) {
		t.Errorf("a key whose signer is elsewhere: %v", err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*operator.PKCS11){
		"PIN":     func(o *operator.PKCS11) { o.PIN = says("9999") },
		"label":   func(o *operator.PKCS11) { o.Label = "dave" },
		"token":   func(o *operator.PKCS11) { o.Token = "others" },
		"library": func(o *operator.PKCS11) { o.Library = "/nowhere.so" },
	} {
		o := open
		change(&o)
		if _, _, err := operator.OpenPKCS11(o); err == nil {
			t.Errorf("another %s was taken", name)
		}
	}
}

// makeDeviceKey makes a key pair on P-384 in the token.
func makeDeviceKey(t *testing.T, label string) {
	t.Helper()
	ctx := p11.New(softHSM)
	if ctx == nil {
		t.Skip("no library of SoftHSM2 here")
	}
	defer ctx.Destroy()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(ctx.Initialize())
	defer func() { must(ctx.Finalize()) }()
	slots, err := ctx.GetSlotList(true)
	must(err)
	session, err := ctx.OpenSession(slots[0], p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	must(err)
	must(ctx.Login(session, p11.CKU_USER, "1234"))
	_, _, err = ctx.GenerateKeyPair(session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_EC_KEY_PAIR_GEN, nil)},
		[]*p11.Attribute{p11.NewAttribute(p11.CKA_EC_PARAMS, []byte("\x06\x05\x2b\x81\x04\x00\x22")), p11.NewAttribute(p11.CKA_LABEL, label), p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_VERIFY, true)},
		[]*p11.Attribute{p11.NewAttribute(p11.CKA_LABEL, label), p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_SIGN, true), p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false)})
	must(err)
}
