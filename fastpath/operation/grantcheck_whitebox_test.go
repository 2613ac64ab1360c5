package operation

import (
	"testing"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// TestGrantable: the operations of each kind of key, of those that no request of this version can make too.
func TestGrantable(t *testing.T) {
	t.Parallel()
	pair := []keyring.GrantOperation{keyring.GrantGetPublicKey}
	symmetric := []keyring.GrantOperation{
		keyring.GrantDecrypt, keyring.GrantEncrypt, keyring.GrantReEncryptFrom, keyring.GrantReEncryptTo, keyring.GrantGenerateDataKey,
		keyring.GrantGenerateDataKeyWithoutPlaintext, keyring.GrantGenerateDataKeyPair, keyring.GrantGenerateDataKeyPairWithoutPlaintext,
	}
	for _, c := range []struct {
		spec  hsm.KeySpec
		usage hsm.Usage
		can   []keyring.GrantOperation
	}{
		{hsm.SymmetricDefault, hsm.EncryptDecrypt, symmetric},
		{hsm.SM4, hsm.EncryptDecrypt, symmetric},
		{hsm.RSA2048, hsm.EncryptDecrypt, append(symmetric[:4:4], pair...)},
		{hsm.RSA2048, hsm.SignVerify, append(pair, keyring.GrantSign, keyring.GrantVerify)},
		{hsm.P256, hsm.KeyAgreement, append(pair, keyring.GrantDeriveSharedSecret)},
		{hsm.HMAC256, hsm.GenerateVerifyMAC, []keyring.GrantOperation{keyring.GrantGenerateMac, keyring.GrantVerifyMac}},
		{hsm.P256, hsm.EncapsulateDecapsulate, append(pair, keyring.GrantEncapsulate, keyring.GrantDecapsulate)},
	} {
		want := map[keyring.GrantOperation]bool{keyring.GrantCreateGrant: true, keyring.GrantRetireGrant: true, keyring.GrantDescribeKey: true}
		for _, op := range c.can {
			want[op] = true
		}
		for op := keyring.GrantOperation(1); op < keyring.NumGrantOperations; op++ {
			if got := grantable(&keyring.Snapshot{Spec: c.spec, Usage: c.usage}, op); got != want[op] {
				t.Errorf("spec %d, usage %d, %s: %v", c.spec, c.usage, grantOperations[op].api, got)
			}
		}
	}
}

// TestGrantOperationsAreAll: each operation of the API's enumeration has one of the keyring's.
func TestGrantOperationsAreAll(t *testing.T) {
	t.Parallel()
	known := map[wire.GrantOperation]bool{}
	for _, o := range grantOperations[1:] {
		known[o.api] = true
	}
	for op := wire.GrantOperation(1); op.String() != ""; op++ {
		if !known[op] {
			t.Errorf("%s is not known", op)
		}
	}
	if len(known) != int(keyring.NumGrantOperations)-1 {
		t.Errorf("%d operations", len(known))
	}
}
