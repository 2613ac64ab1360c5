package conformance_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/keystore"
	"trent/fastpath/servertest"
)

func TestCreateKeyInStoreErrors(t *testing.T) {
	t.Parallel()
	config := twoKinds()
	config.Clusters[2].Outcomes = always(keystore.CreateKey, "CloudHsmClusterInvalidConfigurationException")
	for _, name := range []string{"KeyNotFoundException", "AuthenticationFailedException", "InvalidStateException", "AccessDeniedException", "ThrottlingException"} {
		config.Proxies = append(config.Proxies, keystore.ProxyConfig{Endpoint: proxyHost, Path: "/" + name + proxyPath, Outcomes: always(keystore.CreateKey, name)})
	}
	s := startStores(t, servertest.Options{KeyStores: config})
	hsm, xks := s.create(t, hsmStore("hsm")), s.create(t, xksStore("xks"))
	in := hsmStore("poor")
	in.CloudHsmClusterId = aws.String(strangerID)
	poor := s.create(t, in)
	idle := xksStore("idle")
	idle.XksProxyUriPath = aws.String("/other" + proxyPath)
	disconnected := s.create(t, idle)
	failing := map[string]string{}
	for _, p := range config.Proxies[3:] {
		in := xksStore(p.Path)
		in.XksProxyUriPath = aws.String(p.Path)
		failing[p.Path] = s.create(t, in)
		s.connect(t, failing[p.Path])
	}
	for _, id := range []string{hsm, xks, poor} {
		s.connect(t, id)
	}
	key := s.newKey(t, xks, "good")
	if *key.CustomKeyStoreId != xks || *key.XksKeyConfiguration.Id != "good" || key.CloudHsmClusterId != nil || key.CurrentKeyMaterialId != nil || key.Origin != "EXTERNAL_KEY_STORE" {
		t.Errorf("metadata %+v", key)
	}
	external := func(store, id string) kms.CreateKeyInput {
		return kms.CreateKeyInput{CustomKeyStoreId: &store, Origin: types.OriginTypeExternalKeyStore, XksKeyId: &id}
	}
	at := func(name string) string { return failing["/"+name+proxyPath] }
	for name, c := range map[string]struct {
		in            kms.CreateKeyInput
		code, message string
	}{
		"absent store":      {kms.CreateKeyInput{CustomKeyStoreId: aws.String("cks-00000000000000000"), Origin: "AWS_CLOUDHSM"}, "CustomKeyStoreNotFoundException", "Custom key store cks-00000000000000000 does not exist."},
		"no store":          {kms.CreateKeyInput{Origin: "AWS_CLOUDHSM"}, "ValidationException", "CustomKeyStoreId is required for keys of Origin AWS_CLOUDHSM."},
		"store without":     {kms.CreateKeyInput{CustomKeyStoreId: &hsm}, "ValidationException", "CustomKeyStoreId is only valid for keys of Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE."},
		"no external key":   {kms.CreateKeyInput{CustomKeyStoreId: &xks, Origin: "EXTERNAL_KEY_STORE"}, "ValidationException", "XksKeyId is required for keys of Origin EXTERNAL_KEY_STORE."},
		"HSM, external key": {kms.CreateKeyInput{CustomKeyStoreId: &hsm, Origin: "AWS_CLOUDHSM", XksKeyId: aws.String("good")}, "ValidationException", "XksKeyId is only valid for keys of Origin EXTERNAL_KEY_STORE."},
		"other type":        {kms.CreateKeyInput{CustomKeyStoreId: &xks, Origin: "AWS_CLOUDHSM"}, "UnsupportedOperationException", "Origin AWS_CLOUDHSM is not valid for the custom key store " + xks + " of type EXTERNAL_KEY_STORE."},
		"RSA":               {kms.CreateKeyInput{CustomKeyStoreId: &hsm, Origin: "AWS_CLOUDHSM", KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT"}, "UnsupportedOperationException", "Keys in custom key stores must be symmetric encryption keys."},
		"multi-Region":      {kms.CreateKeyInput{CustomKeyStoreId: &hsm, Origin: "AWS_CLOUDHSM", MultiRegion: aws.Bool(true)}, "UnsupportedOperationException", "Keys in custom key stores cannot be multi-Region keys."},
		"poor cluster":      {kms.CreateKeyInput{CustomKeyStoreId: &poor, Origin: "AWS_CLOUDHSM"}, "CloudHsmClusterInvalidConfigurationException", hsmInvalid},
		"in use":            {external(xks, "good"), "XksKeyAlreadyInUseException", "The external key is already associated with a KMS key in this external key store."},
		"spec":              {external(xks, "rsa"), "XksKeyInvalidConfigurationException", "The key spec of the external key must be AES_256. The key spec of specified external key is RSA_2048."},
		"status":            {external(xks, "disabled"), "XksKeyInvalidConfigurationException", "The status of the external key must be ENABLED. The status of specified external key is DISABLED."},
		"usage":             {external(xks, "sealing"), "XksKeyInvalidConfigurationException", "The key usage of the external key must include ENCRYPT and DECRYPT. The key use of specified external key is ENCRYPT, SIGN."},
		"unknown": {external(xks, "none"), "XksKeyNotFoundException",
			"The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID."},
		"not connected": {external(disconnected, "a"), "CustomKeyStoreInvalidStateException",
			"This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again."},
		"authentication": {external(at("AuthenticationFailedException"), "a"), "CustomKeyStoreInvalidStateException", notAuthentic},
		"denied": {external(at("AccessDeniedException"), "a"), "CustomKeyStoreInvalidStateException",
			"The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again."},
		"invalid state": {external(at("InvalidStateException"), "a"), "XksKeyInvalidConfigurationException",
			"The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request."},
	} {
		_, err := s.client.CreateKey(t.Context(), &c.in)
		t.Log(name)
		wantError(t, err, c.code, c.message)
	}
}

// TestUseOfStoreKeysFails: whatever is the matter behind a store is KMSInvalidStateException to its keys' users.
func TestUseOfStoreKeysFails(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	config := twoKinds()
	once := func(names ...string) (all []keystore.Outcome) {
		for _, name := range names {
			all = append(all, keystore.Outcome{Error: name, Times: 1})
		}
		return all
	}
	config.Proxies[0].Outcomes = map[keystore.Call][]keystore.Outcome{
		keystore.Encrypt: append(once("InvalidUriPathException", "KeyNotFoundException", "UnsupportedOperationException"), keystore.Outcome{Delay: time.Second, Times: 1}),
		keystore.Decrypt: once("", "InvalidCiphertextException"),
	}
	config.Clusters[0].Outcomes = map[keystore.Call][]keystore.Outcome{
		keystore.Encrypt: once("KMSInvalidStateException", "ThrottlingException", "KMSInternalException"),
		keystore.Random:  once("CustomKeyStoreInvalidStateException"),
	}
	s := startStores(t, servertest.Options{KeyStores: config})
	xks, hsm := s.create(t, xksStore("xks")), s.create(t, hsmStore("hsm"))
	s.connect(t, xks)
	s.connect(t, hsm)
	external, inHSM := s.newKey(t, xks, "good"), s.newKey(t, hsm, "")
	encrypt := func(id *string) error {
		_, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
		return err
	}
	for _, text := range []string{
		wrongPath,
		"The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID.",
		"The external key store proxy rejected the request because it does not support the requested operation. " + repeatedly,
		tooLate,
	} {
		wantError(t, encrypt(external.KeyId), "KMSInvalidStateException", text)
	}
	wantError(t, encrypt(inHSM.KeyId), "KMSInvalidStateException", "KMS cannot communicate with your CloudHSM cluster")
	wantError(t, encrypt(inHSM.KeyId), "ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
	wantStatus(t, encrypt(inHSM.KeyId), 500, "KMSInternalException", "An internal error occurred. You can retry the request.")
	_, err := s.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1), CustomKeyStoreId: &hsm})
	wantError(t, err, "CustomKeyStoreInvalidStateException", "The connection state of the custom key store does not allow this operation.")
	_, err = s.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1), CustomKeyStoreId: &xks})
	wantError(t, err, "UnsupportedOperationException", "The custom key store "+xks+" is an external key store, which does not generate random bytes.")
	_, err = s.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1), CustomKeyStoreId: aws.String("cks-0")})
	wantError(t, err, "CustomKeyStoreNotFoundException", "Custom key store cks-0 does not exist.")

	for _, id := range []*string{external.KeyId, inHSM.KeyId} {
		sealed, err := s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"})
		if err != nil || sealed.KeyMaterialId == nil {
			t.Fatalf("%+v, %v", sealed, err)
		}
		if opened, err := s.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || !bytes.Equal(opened.Plaintext, sealed.Plaintext) {
			t.Errorf("%v, %v", opened, err)
		}
		moved, err := s.client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: inHSM.KeyId})
		if id == external.KeyId {
			wantError(t, err, "KMSInvalidStateException", "The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid.")
		} else if err != nil || *moved.KeyId != *inHSM.Arn {
			t.Errorf("%v, %v", moved, err)
		}
	}
}

// TestConnectionErrorCodes: each code can be had.
func TestConnectionErrorCodes(t *testing.T) {
	t.Parallel()
	config := twoKinds()
	hsmCodes := []string{
		"INTERNAL_ERROR", "NETWORK_ERRORS", "INVALID_CREDENTIALS", "CLUSTER_NOT_FOUND", "INSUFFICIENT_CLOUDHSM_HSMS",
		"INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET", "SUBNET_NOT_FOUND", "USER_LOCKED_OUT", "USER_LOGGED_IN", "USER_NOT_FOUND",
	}
	xksCodes := []string{
		"INTERNAL_ERROR", "NETWORK_ERRORS", "INVALID_CREDENTIALS", "XKS_PROXY_ACCESS_DENIED", "XKS_PROXY_INVALID_CONFIGURATION", "XKS_PROXY_INVALID_RESPONSE",
		"XKS_PROXY_INVALID_TLS_CONFIGURATION", "XKS_PROXY_NOT_REACHABLE", "XKS_PROXY_TIMED_OUT",
		"XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION", "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND",
	}
	script := func(codes []string) map[keystore.Call][]keystore.Outcome {
		var all []keystore.Outcome
		for _, code := range codes {
			all = append(all, keystore.Outcome{Error: code, Times: 1})
		}
		return map[keystore.Call][]keystore.Outcome{keystore.Connect: all}
	}
	config.Clusters[0].Outcomes, config.Proxies[0].Outcomes = script(hsmCodes), script(xksCodes)
	s := startStores(t, servertest.Options{KeyStores: config})
	for id, codes := range map[string][]string{s.create(t, hsmStore("hsm")): hsmCodes, s.create(t, xksStore("xks")): xksCodes} {
		for _, code := range codes {
			if _, err := s.client.ConnectCustomKeyStore(t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id}); err != nil {
				t.Fatal(err)
			}
			if e := s.until(t, id, "FAILED"); string(e.ConnectionErrorCode) != code {
				t.Errorf("code %s, want %s", e.ConnectionErrorCode, code)
			}
			s.disconnect(t, id)
		}
		s.connect(t, id)
	}
}

// hand is a clock that is moved by hand.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// TestConnectionsTakeTime: by the server's clock, also over a restart; and a key that is gone leaves its store.
func TestConnectionsTakeTime(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	clock := &hand{now: time.Now()}
	config := twoKinds()
	config.Proxies[0].Outcomes = map[keystore.Call][]keystore.Outcome{keystore.Connect: {{Delay: 5 * time.Minute}}}
	s := startStores(t, servertest.Options{KeyStores: config, Clock: clock.Now})
	id := s.create(t, xksStore("slow"))
	if _, err := s.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id}); err != nil {
		t.Fatal(err)
	}
	clock.advance(4 * time.Minute)
	s.Restart(t)
	s.client = s.KMS()
	if e := s.describe(t, id); e.ConnectionState != "CONNECTING" {
		t.Errorf("state %s", e.ConnectionState)
	}
	clock.advance(2 * time.Minute)
	s.Core.Wake()
	s.until(t, id, "CONNECTED")
	key := s.newKey(t, id, "good")
	s.Restart(t)
	s.client = s.KMS()
	if e := s.describe(t, id); e.ConnectionState != "CONNECTED" {
		t.Errorf("state %s", e.ConnectionState)
	}
	if _, err := s.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	clock.advance(8 * 24 * time.Hour)
	s.Core.Wake()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if _, err := s.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyId}); err != nil || time.Now().After(deadline) {
			wantError(t, err, "NotFoundException", "Key '"+*key.Arn+"' does not exist")
			break
		}
	}
	s.disconnect(t, id)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) { // the last of the key goes after its record
		_, err := s.client.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &id})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestDisconnectionsTakeTime: by the server's clock, also over a restart, while keys are unavailable.
func TestDisconnectionsTakeTime(t *testing.T) {
	t.Parallel()
	clock := &hand{now: time.Now()}
	config := twoKinds()
	config.Clusters[0].Outcomes = map[keystore.Call][]keystore.Outcome{keystore.Disconnect: {{Delay: time.Minute}}}
	s := startStores(t, servertest.Options{KeyStores: config, Clock: clock.Now})
	id := s.create(t, hsmStore("slow"))
	s.connect(t, id)
	key := s.newKey(t, id, "")
	if _, err := s.client.DisconnectCustomKeyStore(t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e := s.describe(t, id); e.ConnectionState != "DISCONNECTING" {
			t.Errorf("state %s", e.ConnectionState)
		}
		_, err := s.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")})
		wantError(t, err, "KMSInvalidStateException", *key.Arn+" is unavailable.")
		s.Restart(t)
		s.client = s.KMS()
	}
	clock.advance(time.Minute)
	s.Core.Wake()
	s.until(t, id, "DISCONNECTED")
	s.connect(t, id)
	if _, err := s.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")}); err != nil {
		t.Error(err)
	}
}

// TestStoreSecretsStayInside: passwords and secret keys are in no answer, no log and no file.
func TestStoreSecretsStayInside(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log strings.Builder
	s := startStores(t, servertest.Options{KeyStores: twoKinds(), Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&log, format+"\n", args...)
	}})
	hsm, xks := s.create(t, hsmStore("hsm")), s.create(t, xksStore("xks"))
	s.connect(t, hsm)
	s.connect(t, xks)
	answer := s.Call(t, "DescribeCustomKeyStores", "{}")
	refusal := s.Call(t, "CreateCustomKeyStore", `{"CustomKeyStoreName":"a","CloudHsmClusterId":"cluster-nonesuchaaaa","TrustAnchorCertificate":"x","KeyStorePassword":"`+password+`"}`)
	short := s.Call(t, "CreateCustomKeyStore", `{"CustomKeyStoreName":"a","KeyStorePassword":"Short1"}`)
	s.Restart(t) // everything is written
	mu.Lock()
	defer mu.Unlock()
	seen := []string{answer.Body, refusal.Body, log.String()}
	for _, content := range contents(t, s.DataDir()) {
		seen = append(seen, string(content))
	}
	found := 0
	for _, text := range seen {
		if strings.Contains(text, password) || strings.Contains(text, secretKey) {
			t.Error("a secret is where it should not be")
		}
		found += strings.Count(text, accessKey)
	}
	if found == 0 {
		t.Error("the access key id, which is no secret, was not found either: nothing was searched")
	}
	if strings.Contains(short.Body, "Short1") {
		t.Errorf("answer %s", short.Body)
	}
}

// TestClustersChange: what becomes of a cluster shows in what its custom key store can do.
func TestClustersChange(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	config := twoKinds()
	s := startStores(t, servertest.Options{KeyStores: config})
	id := s.create(t, hsmStore("hsm"))
	become := func(k keystore.ClusterConfig) {
		k.ID = clusterID
		config.Clusters[0] = k
		s.Restart(t)
		s.client = s.KMS()
	}
	connect := func() error {
		_, err := s.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id})
		return err
	}
	become(keystore.ClusterConfig{Active: aws.Bool(false)})
	wantError(t, connect(), "CloudHsmClusterNotActiveException", "The CloudHSM cluster is not active.")
	become(keystore.ClusterConfig{HSMs: aws.Int(0)})
	wantError(t, connect(), "CloudHsmClusterInvalidConfigurationException", hsmInvalid)
	become(keystore.ClusterConfig{Account: otherAccount})
	if err := connect(); err != nil {
		t.Fatal(err)
	}
	if e := s.until(t, id, "FAILED"); e.ConnectionErrorCode != "CLUSTER_NOT_FOUND" {
		t.Errorf("code %s", e.ConnectionErrorCode)
	}
	s.disconnect(t, id)
	become(keystore.ClusterConfig{})
	s.connect(t, id)
	key := s.newKey(t, id, "")
	encrypt := func() error {
		_, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")})
		return err
	}
	become(keystore.ClusterConfig{HSMs: aws.Int(1)}) // enough for use, not for new keys
	if err := encrypt(); err != nil {
		t.Error(err)
	}
	_, err := s.client.CreateKey(ctx, &kms.CreateKeyInput{CustomKeyStoreId: &id, Origin: types.OriginTypeAwsCloudhsm})
	wantError(t, err, "CloudHsmClusterInvalidConfigurationException", hsmInvalid)
	become(keystore.ClusterConfig{HSMs: aws.Int(0)})
	wantError(t, encrypt(), "KMSInvalidStateException", "KMS cannot communicate with your CloudHSM cluster")
}

// TestUnsupportedOnStoreKeys: operations that such keys do not have, in whatever state.
func TestUnsupportedOnStoreKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	id := s.create(t, hsmStore("hsm"))
	s.connect(t, id)
	key := s.newKey(t, id, "")
	text := *key.Arn + " origin is AWS_CLOUDHSM which is not valid for this operation."
	for i := range 2 {
		for name, run := range map[string]func() error{
			"EnableKeyRotation": func() error {
				_, err := s.client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.KeyId})
				return err
			},
			"DisableKeyRotation": func() error {
				_, err := s.client.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: key.KeyId})
				return err
			},
			"GetKeyRotationStatus": func() error {
				_, err := s.client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId})
				return err
			},
			"ListKeyRotations": func() error {
				_, err := s.client.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: key.KeyId})
				return err
			},
			"RotateKeyOnDemand": func() error {
				_, err := s.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: key.KeyId})
				return err
			},
		} {
			t.Log(name)
			wantError(t, run(), "UnsupportedOperationException", text)
		}
		if i == 0 {
			s.disconnect(t, id) // which makes it unavailable
		}
	}
}
