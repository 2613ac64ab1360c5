package operation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/hsm"
)

// TestPairsInCustomKeyStores: a key there makes no pairs, whatever its state (AWS KMS Developer Guide, "Key states
// of AWS KMS keys", footnotes).
func TestPairsInCustomKeyStores(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, c := range []struct {
		state  keyring.State
		origin keyring.Origin
		want   string
	}{
		{keyring.Unavailable, keyring.AWSCloudHSM, "UnsupportedOperationException: "},
		{keyring.Enabled, keyring.AWSCloudHSM, "UnsupportedOperationException: ARN origin is AWS_CLOUDHSM which is not valid for this operation."},
		{keyring.Enabled, keyring.ExternalKeyStore, "UnsupportedOperationException: ARN origin is EXTERNAL_KEY_STORE which is not valid for this operation."},
		{keyring.Disabled, keyring.ExternalKeyStore, "DisabledException: ARN is disabled."},
		{keyring.PendingReplicaDeletion, keyring.AWSKMS, "KMSInvalidStateException: ARN is pending replica deletion."},
		{keyring.Creating, keyring.AWSKMS, "KMSInvalidStateException: ARN is creating."},
	} {
		id := scope.Key(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		if _, err := r.keys.Create(t.Context(), keyring.NewKey{
			ID: id, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Origin: c.origin, Manager: keyring.Customer, Created: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.keys.Update(t.Context(), id, func(k *keyring.Record) error { k.State = c.state; return nil }); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(c.want, "ARN", id.ARN())
		for _, name := range []string{"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"} {
			var call operation.Call
			if got := refusal(r.run(t, &call, name, `{"KeyId":"`+id.Key+`","KeyPairSpec":"ECC_NIST_P256"}`)); got != want {
				t.Errorf("%s, %v, %v: %q, want %q", name, c.state, c.origin, got, want)
			}
		}
	}
}

// TestPool: what the pool hands out is used, once each; what is no good is passed over; without any, keys are made.
func TestPool(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var shelf []*hsm.Key
	made := map[string]bool{} // public keys of what lay on the shelf
	pooled := func(spec hsm.KeySpec) *hsm.Key {
		c := hsm.Call{Op: hsm.OpGeneratePool, Spec: spec, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)}
		if err := r.module.Do(&c); err != nil {
			t.Fatal(err)
		}
		made[string(c.Public)] = true
		return &hsm.Key{Token: c.Out, Spec: spec}
	}
	r.Service = operation.New(operation.Options{Keyring: r.keys, Module: r.module, Pool: func(spec hsm.KeySpec) *hsm.Key {
		if len(shelf) == 0 || shelf[0].Spec != spec {
			return nil
		}
		k := shelf[0]
		shelf = shelf[1:]
		return k
	}})
	symmetric := r.create(t, `{}`)
	forged := pooled(hsm.P256)
	forged.Token[len(forged.Token)-1] ^= 1
	otherDomain := pooled(hsm.P256)
	otherDomain.Token[4] ^= 1
	shelf = []*hsm.Key{pooled(hsm.P256), pooled(hsm.P256), forged, otherDomain}
	for i, want := range []bool{true, true, false, false, false} {
		var c operation.Call
		if i%2 == 0 {
			if err := r.run(t, &c, "GenerateDataKeyPair", `{"KeyId":"`+symmetric+`","KeyPairSpec":"ECC_NIST_P256"}`); err != nil {
				t.Fatal(err)
			}
			if got := made[string(c.Response.(*wire.GenerateDataKeyPairResponse).PublicKey)]; got != want {
				t.Errorf("pair %d: pooled %v", i, got)
			}
			continue
		}
		id := r.create(t, `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}`)
		if err := r.run(t, &c, "GetPublicKey", `{"KeyId":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
		if got := made[string(c.Response.(*wire.GetPublicKeyResponse).PublicKey)]; got != want {
			t.Errorf("key %d: pooled %v", i, got)
		}
	}
	if len(shelf) != 0 {
		t.Errorf("%d left", len(shelf))
	}
	shelf = []*hsm.Key{pooled(hsm.P256)}
	var c operation.Call
	if got := refusal(r.run(t, &c, "GenerateDataKeyPair", `{"KeyId":"`+symmetric+`","KeyPairSpec":"ECC_NIST_P256","DryRun":true}`)); len(shelf) != 1 || got == "" {
		t.Errorf("a dry run took a key: %q", got)
	}
}

// TestPairIsWiped: the private key of a pair is gone when the call is given back.
func TestPairIsWiped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	var c operation.Call
	if err := r.run(t, &c, "GenerateDataKeyPair", `{"KeyId":"`+id+`","KeyPairSpec":"ECC_NIST_P384"}`); err != nil {
		t.Fatal(err)
	}
	private := c.Response.(*wire.GenerateDataKeyPairResponse).PrivateKeyPlaintext
	c.Reset()
	if len(private) == 0 || !bytes.Equal(private, make([]byte, len(private))) {
		t.Errorf("%d bytes of private key can be read", len(private))
	}
}

// TestWithoutAttestation: a service that trusts no root takes no Recipient, and says why.
func TestWithoutAttestation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body, err := json.Marshal(map[string]any{"NumberOfBytes": 32, "Recipient": map[string]any{
		"AttestationDocument": []byte("x"), "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var c operation.Call
	want := "ValidationException: This endpoint trusts no attestation root, and so cannot verify the attestation document in Recipient."
	if got := refusal(r.run(t, &c, "GenerateRandom", string(body))); got != want {
		t.Errorf("%q", got)
	}
}
