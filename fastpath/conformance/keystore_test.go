package conformance_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/keystore"
	"trent/fastpath/quota"
	"trent/fastpath/servertest"
)

const (
	clusterID   = "cluster-2a23b4cdefg"
	siblingID   = "cluster-3a23b4cdefg" // of the same backup history
	strangerID  = "cluster-4a23b4cdefg"
	password    = "kmsPswd-plain"
	trustAnchor = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
	proxyHost   = "https://xks.example.test"
	privateHost = "https://private.example.test"
	proxyPath   = "/kms/xks/v1"
	accessKey   = "ABCDEFGHIJKLMNOPQRST"
	secretKey   = "0123456789012345678901234567890123456789abc"
	vpcService  = "com.amazonaws.vpce.us-east-1.vpce-svc-0e123456789abcdef"
)

// stores is a server with something behind its custom key stores.
type stores struct {
	*servertest.Server
	client *kms.Client
}

func startStores(t *testing.T, o servertest.Options) *stores {
	t.Helper()
	ownServer(t)
	s := servertest.Start(t, o)
	return &stores{s, s.KMS()}
}

// twoKinds declares a pair of clusters with one history, a third, and a proxy.
func twoKinds() *keystore.Config {
	return &keystore.Config{
		Clusters: []keystore.ClusterConfig{
			{ID: clusterID, TrustAnchor: trustAnchor, Password: password, Backups: "one"},
			{ID: siblingID, TrustAnchor: trustAnchor, Password: password, Backups: "one"},
			{ID: strangerID},
		},
		Proxies: []keystore.ProxyConfig{
			{
				Endpoint: proxyHost, Path: proxyPath, AccessKeyID: accessKey, SecretKey: secretKey,
				Keys: []keystore.ExternalKeyConfig{
					{ID: "good"}, {ID: "other"}, {ID: "disabled", Status: "DISABLED"}, {ID: "rsa", Spec: "RSA_2048"}, {ID: "sealing", Usage: []string{"ENCRYPT", "SIGN"}},
				},
			},
			{Endpoint: proxyHost, Path: "/other/kms/xks/v1"},
			{Endpoint: privateHost, Path: proxyPath, Service: vpcService, ServiceOwner: "123456789012"},
		},
	}
}

func hsmStore(name string) *kms.CreateCustomKeyStoreInput {
	return &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: &name, CloudHsmClusterId: aws.String(clusterID),
		KeyStorePassword: aws.String(password), TrustAnchorCertificate: aws.String(trustAnchor),
	}
}

func xksStore(name string) *kms.CreateCustomKeyStoreInput {
	return &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: &name, CustomKeyStoreType: types.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity: types.XksProxyConnectivityTypePublicEndpoint, XksProxyUriEndpoint: aws.String(proxyHost), XksProxyUriPath: aws.String(proxyPath),
		XksProxyAuthenticationCredential: &types.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(accessKey), RawSecretAccessKey: aws.String(secretKey)},
	}
}

func (s *stores) create(t *testing.T, in *kms.CreateCustomKeyStoreInput) string {
	t.Helper()
	out, err := s.client.CreateCustomKeyStore(context.Background(), in)
	if err != nil {
		t.Fatalf("CreateCustomKeyStore: %v", err)
	}
	return *out.CustomKeyStoreId
}

func (s *stores) describe(t *testing.T, id string) types.CustomKeyStoresListEntry {
	t.Helper()
	out, err := s.client.DescribeCustomKeyStores(context.Background(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &id})
	if err != nil || len(out.CustomKeyStores) != 1 || out.Truncated {
		t.Fatalf("DescribeCustomKeyStores: %+v, %v", out, err)
	}
	return out.CustomKeyStores[0]
}

// until waits for a connection state, which the server reaches by itself.
func (s *stores) until(t *testing.T, id string, state types.ConnectionStateType) types.CustomKeyStoresListEntry {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		e := s.describe(t, id)
		if e.ConnectionState == state {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("state %s, want %s", e.ConnectionState, state)
		}
	}
}

func (s *stores) connect(t *testing.T, id string) {
	t.Helper()
	if _, err := s.client.ConnectCustomKeyStore(context.Background(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id}); err != nil {
		t.Fatalf("ConnectCustomKeyStore: %v", err)
	}
	s.until(t, id, "CONNECTED")
}

func (s *stores) disconnect(t *testing.T, id string) {
	t.Helper()
	if _, err := s.client.DisconnectCustomKeyStore(context.Background(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id}); err != nil {
		t.Fatalf("DisconnectCustomKeyStore: %v", err)
	}
	s.until(t, id, "DISCONNECTED")
}

func (s *stores) newKey(t *testing.T, store, external string) *types.KeyMetadata {
	t.Helper()
	in := &kms.CreateKeyInput{CustomKeyStoreId: &store, Origin: types.OriginTypeAwsCloudhsm}
	if external != "" {
		in.Origin, in.XksKeyId = types.OriginTypeExternalKeyStore, &external
	}
	out, err := s.client.CreateKey(context.Background(), in)
	if err != nil {
		t.Fatalf("CreateKey: %v", err)
	}
	return out.KeyMetadata
}

func TestCloudHSMKeyStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	id := s.create(t, hsmStore("tests"))
	if len(id) != 21 || !strings.HasPrefix(id, "cks-") {
		t.Errorf("id %s", id)
	}
	e := s.describe(t, id)
	if e.ConnectionState != "DISCONNECTED" || e.ConnectionErrorCode != "" || *e.CustomKeyStoreName != "tests" || e.CustomKeyStoreType != "AWS_CLOUDHSM" ||
		*e.CloudHsmClusterId != clusterID || *e.TrustAnchorCertificate != trustAnchor || e.XksProxyConfiguration != nil || e.CreationDate == nil {
		t.Errorf("entry %+v", e)
	}
	_, err := s.client.CreateKey(ctx, &kms.CreateKeyInput{CustomKeyStoreId: &id, Origin: types.OriginTypeAwsCloudhsm})
	wantError(t, err, "CustomKeyStoreInvalidStateException", "The custom key store "+id+" is in the connection state DISCONNECTED, which does not allow this operation.")
	s.connect(t, id)
	m := s.newKey(t, id, "")
	if *m.CustomKeyStoreId != id || *m.CloudHsmClusterId != clusterID || m.XksKeyConfiguration != nil || m.CurrentKeyMaterialId != nil ||
		m.Origin != "AWS_CLOUDHSM" || m.KeyState != "Enabled" || *m.MultiRegion {
		t.Errorf("metadata %+v", m)
	}
	sealed, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := s.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(opened.Plaintext) != "x" {
		t.Errorf("%v, %v", opened, err)
	}
	random, err := s.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(16), CustomKeyStoreId: &id})
	if err != nil || len(random.Plaintext) != 16 {
		t.Errorf("GenerateRandom: %v, %v", random, err)
	}
	for range 2 { // connecting what is connected changes nothing
		s.connect(t, id)
	}
	_, err = s.client.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &id})
	wantError(t, err, "CustomKeyStoreHasCMKsException", "The custom key store "+id+" contains KMS keys.")
	s.disconnect(t, id)
	_, err = s.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id})
	wantError(t, err, "CustomKeyStoreInvalidStateException", "The custom key store "+id+" is in the connection state DISCONNECTED, which does not allow this operation.")
	_, err = s.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(16), CustomKeyStoreId: &id})
	wantError(t, err, "CustomKeyStoreInvalidStateException", "The custom key store "+id+" is in the connection state DISCONNECTED, which does not allow this operation.")
}

// TestStatesOfStoreKeys: a disconnected store makes keys unavailable; what they were, or were made meanwhile, returns with
// the connection.
func TestStatesOfStoreKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	for _, in := range []*kms.CreateCustomKeyStoreInput{hsmStore("hsm"), xksStore("xks")} {
		id, external := s.create(t, in), ""
		if in.CustomKeyStoreType == types.CustomKeyStoreTypeExternalKeyStore {
			external = "good"
		}
		s.connect(t, id)
		m := s.newKey(t, id, external)
		arn := *m.Arn
		sealed, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := s.client.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		wantState := func(state types.KeyState) {
			t.Helper()
			out, err := s.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: m.KeyId})
			if err != nil || out.KeyMetadata.KeyState != state || out.KeyMetadata.Enabled != (state == "Enabled") {
				t.Errorf("%s: %+v, %v, want %s", id, out.KeyMetadata, err, state)
			}
		}
		s.disconnect(t, id)
		wantState("Unavailable")
		text := arn + " is unavailable."
		if external != "" {
			text = "This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again."
		}
		for name, run := range map[string]func() error{
			"Encrypt": func() error {
				_, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
				return err
			},
			"Decrypt": func() error {
				_, err := s.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
				return err
			},
			"GenerateDataKey": func() error {
				_, err := s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: m.KeyId, KeySpec: "AES_256"})
				return err
			},
			"ReEncrypt from it": func() error {
				_, err := s.client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: plain.KeyMetadata.KeyId})
				return err
			},
		} {
			t.Log(name)
			wantError(t, run(), "KMSInvalidStateException", text)
		}
		if _, err := s.client.TagResource(ctx, &kms.TagResourceInput{KeyId: m.KeyId, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}); err != nil {
			t.Error(err)
		}
		if _, err := s.client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: m.KeyId}); err != nil {
			t.Error(err)
		}
		wantState("Unavailable")
		s.connect(t, id)
		wantState("Disabled")
		_, err = s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
		wantError(t, err, "DisabledException", arn+" is disabled.")
		if _, err := s.client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: m.KeyId}); err != nil {
			t.Error(err)
		}
		wantState("Enabled")
		if _, err := s.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId}); err != nil {
			t.Error(err)
		}
		s.disconnect(t, id)
		wantState("PendingDeletion")
		_, err = s.client.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &id})
		wantError(t, err, "CustomKeyStoreHasCMKsException", "The custom key store "+id+" contains KMS keys.")
		if _, err := s.client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: m.KeyId}); err != nil {
			t.Error(err)
		}
		wantState("Unavailable")
		s.connect(t, id)
		wantState("Disabled")
	}
}

// TestConnectionStates is ConnectionState × operation.
func TestConnectionStates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	config := twoKinds()
	config.Clusters[0].Outcomes = map[keystore.Call][]keystore.Outcome{keystore.Connect: {{Error: "USER_LOCKED_OUT", Times: 1}}}
	s := startStores(t, servertest.Options{KeyStores: config})
	id := s.create(t, hsmStore("tests"))
	holds := s.Core.Holds()
	connect := func() error {
		_, err := s.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id})
		return err
	}
	disconnect := func() error {
		_, err := s.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id})
		return err
	}
	rename := func() error {
		_, err := s.client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &id, NewCustomKeyStoreName: aws.String("renamed")})
		return err
	}
	enter := func() error {
		_, err := s.client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &id, KeyStorePassword: aws.String(password)})
		return err
	}
	remove := func() error {
		_, err := s.client.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &id})
		return err
	}
	refused := func(state string, runs ...func() error) {
		t.Helper()
		for i, run := range runs {
			t.Log(state, i)
			wantError(t, run(), "CustomKeyStoreInvalidStateException", "The custom key store "+id+" is in the connection state "+state+", which does not allow this operation.")
		}
	}
	allowed := func(runs ...func() error) {
		t.Helper()
		for i, run := range runs {
			if err := run(); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	refused("DISCONNECTED", disconnect)
	allowed(enter, rename)

	holds.HoldState("CONNECTING")
	allowed(connect, connect, rename)
	if e := s.describe(t, id); e.ConnectionState != "CONNECTING" {
		t.Errorf("state %s", e.ConnectionState)
	}
	refused("CONNECTING", enter, remove)

	holds.HoldState("DISCONNECTING")
	allowed(disconnect, rename)
	refused("DISCONNECTING", connect, disconnect, enter, remove)
	s.Core.Release("DISCONNECTING")
	s.until(t, id, "DISCONNECTED")
	s.Core.Release("CONNECTING")

	allowed(connect)
	if e := s.until(t, id, "FAILED"); e.ConnectionErrorCode != "USER_LOCKED_OUT" {
		t.Errorf("code %s", e.ConnectionErrorCode)
	}
	refused("FAILED", connect, enter, remove)
	allowed(rename, disconnect)
	if e := s.until(t, id, "DISCONNECTED"); e.ConnectionErrorCode != "" {
		t.Errorf("code %s", e.ConnectionErrorCode)
	}
	s.connect(t, id)
	refused("CONNECTED", enter, remove)
	allowed(connect, rename, disconnect)
	s.until(t, id, "DISCONNECTED")
	allowed(remove)
	wantError(t, connect(), "CustomKeyStoreNotFoundException", "Custom key store "+id+" does not exist.")
}

func TestDescribeCustomKeyStores(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	config := &keystore.Config{}
	const n = 5
	for i := range n + 1 {
		config.Clusters = append(config.Clusters, keystore.ClusterConfig{ID: "cluster-2345672345" + string(rune('a'+i))})
	}
	quotas := quota.Default()
	quotas[quota.CustomKeyStores] = n
	s := startStores(t, servertest.Options{KeyStores: config, Quotas: &quotas})
	empty, err := s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{})
	if err != nil || len(empty.CustomKeyStores) != 0 || empty.Truncated || empty.NextMarker != nil {
		t.Errorf("%+v, %v", empty, err)
	}
	var wait sync.WaitGroup
	errs := make(chan error, 4*n)
	for i := range 4 * n { // the quota holds exactly, whoever is first
		wait.Go(func() {
			in := hsmStore("store " + itoa(i))
			in.CloudHsmClusterId = aws.String(config.Clusters[i%n].ID)
			_, err := s.client.CreateCustomKeyStore(ctx, in)
			errs <- err
		})
	}
	wait.Wait()
	made := 0
	for range 4 * n {
		if err := <-errs; err == nil {
			made++
		} else if !strings.Contains(err.Error(), "InUseException") && !strings.Contains(err.Error(), "LimitExceededException") {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	var marker *string
	for pages := 0; ; pages++ {
		out, err := s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{Limit: aws.Int32(2), Marker: marker})
		if err != nil || len(out.CustomKeyStores) > 2 || pages > n {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, e := range out.CustomKeyStores {
			seen[*e.CustomKeyStoreId] = true
			byName, err := s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: e.CustomKeyStoreName})
			if err != nil || len(byName.CustomKeyStores) != 1 || *byName.CustomKeyStores[0].CustomKeyStoreId != *e.CustomKeyStoreId {
				t.Errorf("by name: %+v, %v", byName, err)
			}
		}
		if marker = out.NextMarker; out.Truncated != (marker != nil) {
			t.Errorf("Truncated %v, NextMarker %v", out.Truncated, marker)
		}
		if marker == nil {
			break
		}
	}
	if made != n || len(seen) != n {
		t.Errorf("%d made, %d seen", made, len(seen))
	}
	in := hsmStore("one too many")
	in.CloudHsmClusterId = aws.String(config.Clusters[n].ID)
	_, err = s.client.CreateCustomKeyStore(ctx, in)
	wantError(t, err, "LimitExceededException", "Custom key store quota for this account in this region is 5, current usage is 5.")
	_, err = s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: aws.String("none")})
	wantError(t, err, "CustomKeyStoreNotFoundException", "Custom key store none does not exist.")
	_, err = s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: aws.String("a"), CustomKeyStoreId: aws.String("b")})
	wantError(t, err, "ValidationException", "You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request.")
	_, err = s.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{Marker: aws.String("nonsense")})
	wantError(t, err, "InvalidMarkerException", "")
}
