package conformance_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
	"trent/hsm"
	"trent/store"
)

// cellStates are the columns of the table below.
var cellStates = []keyring.State{
	keyring.Enabled, keyring.Disabled, keyring.PendingDeletion, keyring.PendingReplicaDeletion,
	keyring.PendingImport, keyring.Unavailable, keyring.Creating, keyring.Updating,
}

// stateRow is an operation's row of key state × operation. Cells, in the order of cellStates: "ok"; "-" for what no key can
// be in (only keys of custom key stores are unavailable); else the refusal, a number of refusals.
type stateRow struct {
	cells string
	on    cellKey
	body  func(c *cell) object // beside KeyId
	setup func(c *cell)        // while the key is enabled
}

// refusals are the exceptions and texts by the footnotes' numbers (AWS KMS Developer Guide, "Key states of AWS KMS
// keys"). Where the guide lists two for keys that are pending deletion, the recorded answers are number 3.
var refusals = map[string]struct{ code, text string }{
	"1":  {"DisabledException", "ARN is disabled."},
	"3":  {"KMSInvalidStateException", "ARN is pending deletion."},
	"3r": {"KMSInvalidStateException", "ARN is pending replica deletion."},
	"4":  {"KMSInvalidStateException", "ARN is not pending deletion."},
	"5":  {"KMSInvalidStateException", "ARN is pending import."},
	"6":  {"UnsupportedOperationException", "ARN origin is EXTERNAL which is not valid for this operation."},
	"11": {"KMSInvalidStateException", "ARN is unavailable."},
	"14": {"KMSInvalidStateException", "ARN is creating."},
	"15": {"KMSInvalidStateException", "ARN is updating."},
}

// cellKey is what kind of key a row needs. Its external twin is what can be pending import.
type cellKey struct {
	spec, usage string
	external    bool // in every state
	multiRegion bool
}

var (
	symmetricKey   = cellKey{spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT"}
	externalKey    = cellKey{spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT", external: true}
	multiRegionKey = cellKey{spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT", multiRegion: true}
	signingKey     = cellKey{spec: "ECC_NIST_P256", usage: "SIGN_VERIFY"}
	macKey         = cellKey{spec: "HMAC_256", usage: "GENERATE_VERIFY_MAC"}
	agreementKey   = cellKey{spec: "ECC_NIST_P256", usage: "KEY_AGREEMENT"}
	kemKey         = cellKey{spec: "ML_KEM_768", usage: "ENCAPSULATE_DECAPSULATE"}
)

// cell is one key of the table under test.
type cell struct {
	t       *testing.T
	s       *stateServer
	op      string
	on      cellKey
	id, arn string
	blob    string // a ciphertext of it
	other   string // another key of the kind, enabled
	saved   map[string]any
}

const (
	//                 En Di PD PR PI Un Cr Up
	anyOfThem       = "ok ok ok ok ok ok ok ok"
	encrypting      = "ok 1  3  3r 5  11 14 ok"
	signing         = "ok 1  3  3r 5  -  14 ok"
	describingState = "ok ok 3  3r ok ok ok ok"
	switchingState  = "ok ok 3  3r 5  ok 14 15"
	rotatingState   = "ok 1  3  3r 6  -  14 ok"
)

func none(*cell) object { return object{} }

// stateRows is the whole table. It is written from the guide, apart from the server's own.
func stateRows() map[string]stateRow {
	agree := func(c *cell) { c.saved = c.try("GetPublicKey", object{"KeyId": c.arn}) }
	return map[string]stateRow{
		"CancelKeyDeletion":                   {"4  4  ok ok 4  4  4  4", symmetricKey, none, nil},
		"CreateAlias":                         {describingState, symmetricKey, func(c *cell) object { return object{"AliasName": newAlias(), "TargetKeyId": c.id} }, nil},
		"UpdateAlias":                         {describingState, symmetricKey, func(c *cell) object { return object{"AliasName": c.saved["alias"], "TargetKeyId": c.id} }, aliasOfOther},
		"DeleteAlias":                         {anyOfThem, symmetricKey, func(c *cell) object { return object{"AliasName": c.saved["alias"]} }, aliasOfThis},
		"CreateGrant":                         {"ok 1  3  3r 5  ok 14 ok", symmetricKey, func(*cell) object { return grantBody() }, nil},
		"Encrypt":                             {encrypting, symmetricKey, func(*cell) object { return object{"Plaintext": "eA=="} }, nil},
		"Decrypt":                             {encrypting, symmetricKey, func(c *cell) object { return object{"CiphertextBlob": c.blob} }, sealedByThis},
		"ReEncrypt":                           {encrypting, symmetricKey, func(c *cell) object { return object{"CiphertextBlob": c.blob, "DestinationKeyId": c.id} }, sealedByOther},
		"GenerateDataKey":                     {encrypting, symmetricKey, func(*cell) object { return object{"KeySpec": "AES_256"} }, nil},
		"GenerateDataKeyWithoutPlaintext":     {encrypting, symmetricKey, func(*cell) object { return object{"NumberOfBytes": 5} }, nil},
		"GenerateDataKeyPair":                 {signing, symmetricKey, func(*cell) object { return object{"KeyPairSpec": "ECC_NIST_P256"} }, nil},
		"GenerateDataKeyPairWithoutPlaintext": {signing, symmetricKey, func(*cell) object { return object{"KeyPairSpec": "ECC_NIST_P256"} }, nil},
		"Sign":                                {signing, signingKey, func(*cell) object { return object{"Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"} }, nil},
		"Verify": {signing, signingKey, func(c *cell) object {
			return object{"Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": orElse(c.saved["Signature"])}
		}, func(c *cell) {
			c.saved = c.try("Sign", object{"KeyId": c.id, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"})
		}},
		"GenerateMac": {signing, macKey, func(*cell) object { return object{"Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"} }, nil},
		"VerifyMac": {signing, macKey, func(c *cell) object {
			return object{"Message": "eA==", "MacAlgorithm": "HMAC_SHA_256", "Mac": orElse(c.saved["Mac"])}
		}, func(c *cell) {
			c.saved = c.try("GenerateMac", object{"KeyId": c.id, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"})
		}},
		"DeriveSharedSecret": {signing, agreementKey, func(c *cell) object {
			return object{"KeyAgreementAlgorithm": "ECDH", "PublicKey": orElse(c.saved["PublicKey"])}
		}, agree},
		"Encapsulate": {signing, kemKey, func(*cell) object { return object{"EncapsulationAlgorithm": "ML_KEM"} }, nil},
		"Decapsulate": {signing, kemKey, func(c *cell) object {
			return object{"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": orElse(c.saved["SharedSecretCiphertextBlob"])}
		}, func(c *cell) {
			c.saved = c.try("Encapsulate", object{"KeyId": c.id, "EncapsulationAlgorithm": "ML_KEM"})
		}},
		// Without material there is no public key, whatever the guide says of keys that are pending import.
		"GetPublicKey":              {"ok ok 3  3r 5  -  14 ok", signingKey, none, nil},
		"DescribeKey":               {anyOfThem, symmetricKey, none, nil},
		"GetKeyLastUsage":           {anyOfThem, symmetricKey, none, nil},
		"GetKeyPolicy":              {anyOfThem, symmetricKey, none, nil},
		"PutKeyPolicy":              {anyOfThem, symmetricKey, func(*cell) object { return object{"Policy": accountPolicy()} }, nil},
		"ListAliases":               {anyOfThem, symmetricKey, none, nil},
		"ListGrants":                {anyOfThem, symmetricKey, none, nil},
		"ListKeyPolicies":           {anyOfThem, symmetricKey, none, nil},
		"ListResourceTags":          {anyOfThem, symmetricKey, none, nil},
		"RetireGrant":               {anyOfThem, symmetricKey, func(c *cell) object { return object{"KeyId": c.arn, "GrantId": orElse(c.saved["GrantId"])} }, granted},
		"RevokeGrant":               {anyOfThem, symmetricKey, func(c *cell) object { return object{"GrantId": orElse(c.saved["GrantId"])} }, granted},
		"EnableKey":                 {switchingState, symmetricKey, none, nil},
		"DisableKey":                {switchingState, symmetricKey, none, nil},
		"EnableKeyRotation":         {rotatingState, symmetricKey, none, nil},
		"DisableKeyRotation":        {rotatingState, symmetricKey, none, nil},
		"GetKeyRotationStatus":      {"ok ok ok ok 6  -  ok ok", symmetricKey, none, nil},
		"ListKeyRotations":          {"ok ok ok ok ok -  ok ok", symmetricKey, none, nil},
		"RotateKeyOnDemand":         {"ok 1  3  3r 5  -  14 ok", symmetricKey, none, nil},
		"GetParametersForImport":    {"ok ok 3  3r ok -  14 15", externalKey, func(*cell) object { return wrapping() }, nil},
		"ImportKeyMaterial":         {"ok ok 3  3r ok -  14 ok", externalKey, func(c *cell) object { return c.saved }, func(c *cell) { c.saved = c.material() }},
		"DeleteImportedKeyMaterial": {"ok ok ok ok ok -  14 15", externalKey, none, nil},
		"ReplicateKey":              {"ok 1  3  3r 5  -  14 15", multiRegionKey, func(*cell) object { return object{"ReplicaRegion": "eu-west-1"} }, nil},
		"UpdatePrimaryRegion": {"ok 1  3  3r 5  -  14 ok", multiRegionKey, func(*cell) object { return object{"PrimaryRegion": "eu-west-1"} }, func(c *cell) {
			c.call("ReplicateKey", object{"KeyId": c.id, "ReplicaRegion": "eu-west-1"})
			c.replicated()
		}},
		"ScheduleKeyDeletion":  {"ok ok 3  3r ok ok ok 15", symmetricKey, none, nil},
		"TagResource":          {describingState, symmetricKey, func(*cell) object { return object{"Tags": []object{{"TagKey": "a", "TagValue": "b"}}} }, nil},
		"UntagResource":        {describingState, symmetricKey, func(*cell) object { return object{"TagKeys": []string{"a"}} }, nil},
		"UpdateKeyDescription": {describingState, symmetricKey, func(*cell) object { return object{"Description": "x"} }, nil},
	}
}

func orElse(v any) any {
	if v == nil {
		return base64.StdEncoding.EncodeToString(make([]byte, 91)) // well-formed, for keys that could not be used before
	}
	return v
}

func aliasOfOther(c *cell) {
	c.saved = map[string]any{"alias": newAlias()}
	c.call("CreateAlias", object{"AliasName": c.saved["alias"], "TargetKeyId": c.other})
}

func aliasOfThis(c *cell) {
	c.saved = map[string]any{"alias": newAlias()}
	c.call("CreateAlias", object{"AliasName": c.saved["alias"], "TargetKeyId": c.id})
}

func sealedByThis(c *cell) {
	c.blob, _ = c.try("Encrypt", object{"KeyId": c.id, "Plaintext": "eA=="})["CiphertextBlob"].(string)
}

func sealedByOther(c *cell) {
	c.blob, _ = c.try("Encrypt", object{"KeyId": c.other, "Plaintext": "eA=="})["CiphertextBlob"].(string)
}

func grantBody() object {
	return object{"GranteePrincipal": "arn:aws:iam::" + at.Account + ":root", "Operations": []string{"Decrypt"}}
}

func granted(c *cell) {
	in := grantBody()
	in["KeyId"] = c.id
	c.saved = c.try("CreateGrant", in)
}

func wrapping() object {
	return object{"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
}

// material is the members of an ImportKeyMaterial that brings the same material each time.
func (c *cell) material() map[string]any {
	in := wrapping()
	in["KeyId"] = c.id
	out := c.call("GetParametersForImport", in)
	text, _ := out["PublicKey"].(string)
	der, _ := base64.StdEncoding.DecodeString(text)
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		c.t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), make([]byte, 32), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return object{"ImportToken": out["ImportToken"], "EncryptedKeyMaterial": base64.StdEncoding.EncodeToString(wrapped), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
}

// stateServer is a server of the test's own and a second keyring over its store, which puts keys into states that no
// request leads to.
type stateServer struct {
	*servertest.Server
	kept  *heardStore
	other *keyring.Keyring
	has   map[string]bool // operations of this version
}

func newStateServer(t *testing.T) *stateServer {
	t.Helper()
	return newStateServerWith(t, servertest.Options{})
}

func newStateServerWith(t *testing.T, o servertest.Options) *stateServer {
	t.Helper()
	ownServer(t)
	s := &stateServer{has: map[string]bool{}, kept: &heardStore{}}
	o.Wrap = func(inner store.Store) store.Store { s.kept.Store = inner; return s.kept }
	s.Server = servertest.Start(t, o)
	other, err := keyring.Open(s.kept.Store, forgetful{}, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	s.other = other
	for _, row := range operation.Rows() {
		s.has[row.Name] = row.Implemented
	}
	return s
}

// heardStore tells up to which commit the server has heard of others' writes.
type heardStore struct {
	store.Store
	heard atomic.Int64
}

// Watch implements store.Store.
func (h *heardStore) Watch(ctx context.Context, from store.Revision, f func(store.Revision, []store.Record) error) error {
	return h.Store.Watch(ctx, from, func(upTo store.Revision, changes []store.Record) error {
		err := f(upTo, changes)
		h.heard.Store(int64(upTo))
		return err
	})
}

// forgetful is the module of the second keyring, which asks for nothing else.
type forgetful struct{ hsm.Module }

// Forget implements hsm.Module.
func (forgetful) Forget(context.Context, hsm.MaterialID) error { return nil }

// call sends a request that must succeed.
func (c *cell) call(op string, in object) map[string]any {
	c.t.Helper()
	a := c.s.Call(c.t, op, marshal(c.t, in))
	if a.Status != 200 {
		c.t.Fatalf("%s %v: %d %s", op, in, a.Status, a.Body)
	}
	out := map[string]any{}
	if a.Body != "" {
		if err := json.Unmarshal([]byte(a.Body), &out); err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}

// try is call for what a key of some states or versions cannot do.
func (c *cell) try(op string, in object) map[string]any {
	c.t.Helper()
	out := map[string]any{}
	if a := c.s.Call(c.t, op, marshal(c.t, in)); a.Status == 200 && a.Body != "" {
		if err := json.Unmarshal([]byte(a.Body), &out); err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}

// make creates a key and puts it into a state. It tells whether that can be had in this version.
func (c *cell) make(state keyring.State, setup func(*cell)) bool {
	c.t.Helper()
	in := object{"KeySpec": c.on.spec, "KeyUsage": c.on.usage, "MultiRegion": c.on.multiRegion}
	c.other = keyIDOf(c.try("CreateKey", in))
	external := c.on.external || state == keyring.PendingImport
	if external {
		in["Origin"] = "EXTERNAL"
	}
	if c.id = keyIDOf(c.try("CreateKey", in)); c.id == "" || c.other == "" {
		return false // a spec that cannot be made, or not imported
	}
	c.arn = "arn:aws:kms:us-east-1:000000000000:key/" + c.id
	// Most rows are content with a key that never had material: an import makes an RSA key.
	imported := external && c.s.has["ImportKeyMaterial"] && (c.on.usage == "ENCRYPT_DECRYPT" || c.on == macKey) && (setup != nil || c.on.external)
	if imported {
		in := c.material()
		in["KeyId"] = c.id
		c.call("ImportKeyMaterial", in)
	}
	if setup != nil {
		setup(c)
	}
	switch state {
	case keyring.Enabled:
	case keyring.PendingImport:
		if imported {
			c.call("DeleteImportedKeyMaterial", object{"KeyId": c.id})
		}
	case keyring.Disabled:
		c.call("DisableKey", object{"KeyId": c.id})
	case keyring.PendingDeletion:
		if c.on.multiRegion && c.hasReplica() {
			return false // waits for its replica instead
		}
		c.call("ScheduleKeyDeletion", object{"KeyId": c.id})
	default:
		c.force(state)
	}
	return true
}

func keyIDOf(created map[string]any) string {
	m, _ := created["KeyMetadata"].(map[string]any)
	id, _ := m["KeyId"].(string)
	return id
}

func (c *cell) metadata() map[string]any {
	return c.call("DescribeKey", object{"KeyId": c.id})["KeyMetadata"].(map[string]any)
}

func (c *cell) hasReplica() bool {
	m, _ := c.metadata()["MultiRegionConfiguration"].(map[string]any)
	replicas, _ := m["ReplicaKeys"].([]any)
	return len(replicas) > 0
}

// patience bounds the waits for what the server does in the background.
const patience = time.Minute

// force writes a state past the API, and waits until the server has heard of it.
func (c *cell) force(state keyring.State) {
	c.t.Helper()
	id := keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: c.id}
	written, err := c.s.other.Update(c.t.Context(), id, func(r *keyring.Record) error { r.State = state; return nil })
	if err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); store.Revision(c.s.kept.heard.Load()) < written.Revision; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("the server does not hear of a commit")
		}
	}
}

// replicated waits until the replica in eu-west-1 is made.
func (c *cell) replicated() {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r := servertest.For("DescribeKey", marshal(c.t, object{"KeyId": c.id}))
		r.Region = "eu-west-1"
		a := c.s.Do(c.t, r)
		if strings.Contains(a.Body, `"KeyState":"Enabled"`) || strings.Contains(a.Body, `"KeyState":"PendingImport"`) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the replica is %s", a.Body)
		}
	}
}

// TestStateTable walks every cell of key state × operation.
func TestStateTable(t *testing.T) {
	t.Parallel()
	s := newStateServer(t)
	rows := stateRows()
	onKeys := 0
	for _, row := range operation.Rows() {
		if row.Implemented && row.States != nil {
			onKeys++
			if _, ok := rows[row.Name]; !ok {
				t.Errorf("%s works on a key and has no row", row.Name)
			}
		}
	}
	walked := 0
	for op, row := range rows {
		if !s.has[op] {
			continue
		}
		walked++
		cells := strings.Fields(row.cells)
		if len(cells) != len(cellStates) {
			t.Fatalf("%s has %d cells", op, len(cells))
		}
		for i, state := range cellStates {
			if cells[i] == "-" {
				continue
			}
			t.Run(op+"/"+state.String(), func(t *testing.T) {
				t.Parallel()
				c := &cell{t: t, s: s, on: row.on, saved: map[string]any{}}
				if !c.make(state, row.setup) {
					t.Skip("no such key in this version")
				}
				c.check(op, row, cells[i])
			})
		}
	}
	if walked < onKeys {
		t.Errorf("%d of %d operations walked", walked, onKeys)
	}
}

// request is a row's request for the key.
func (c *cell) request(op string, row stateRow) object {
	c.op = op
	in := object{"KeyId": c.id}
	for name, v := range row.body(c) {
		in[name] = v
	}
	if op == "CreateAlias" || op == "UpdateAlias" || op == "DeleteAlias" || op == "ReEncrypt" {
		delete(in, "KeyId")
	}
	return in
}

// check sends the cell's request and compares the answer.
func (c *cell) check(op string, row stateRow, want string) {
	c.t.Helper()
	in := c.request(op, row)
	if op == "Decrypt" && c.blob == "" {
		c.t.Skip("the key never had material to encrypt with")
	}
	a := c.s.Call(c.t, op, marshal(c.t, in))
	if want == "ok" {
		if a.Status != 200 {
			c.t.Errorf("%d %s", a.Status, a.Body)
		}
		return
	}
	if want == "3r" && !c.s.has["ReplicateKey"] {
		want = "3" // the words of their own come with replicas
	}
	r := refusals[want]
	wantRefusal(c.t, a, r.code, strings.Replace(r.text, "ARN", c.arn, 1))
}
