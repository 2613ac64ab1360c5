package operation_test

import (
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/hsm"
)

// creating makes a key in the keyring, with material of the module's where it has some.
func (r rig) creating(t *testing.T, change func(n *keyring.NewKey)) keyring.ID {
	t.Helper()
	id := scope.Key(r.create(t, `{}`))
	first := "0"
	if id.Key[0] == '0' {
		first = "1"
	}
	id.Key = first + id.Key[1:]
	n := keyring.NewKey{ID: id, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Created: time.Now(), Token: []byte("token"), Material: hsm.MaterialID([]byte(id.Key)[:32])}
	change(&n)
	if _, err := r.keys.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n.ID
}

// TestRotationOfSpecialKeys: keys that no request of this family can make.
func TestRotationOfSpecialKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const unsupported = "UnsupportedOperationException: "
	for id, typ := range map[string]keyring.StoreType{"cks-00000000000000001": keyring.CloudHSMStore, "cks-00000000000000002": keyring.ExternalStore} {
		s := keyring.KeyStore{Scope: scope, ID: id, Name: id, Type: typ, State: keyring.Connected}
		if err := r.keys.CreateKeyStore(t.Context(), s, func([]keyring.KeyStore) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	cloud := r.creating(t, func(n *keyring.NewKey) { n.Origin, n.Store = keyring.AWSCloudHSM, "cks-00000000000000001" })
	proxied := r.creating(t, func(n *keyring.NewKey) { n.Origin, n.Store = keyring.ExternalKeyStore, "cks-00000000000000002" })
	managed := r.creating(t, func(n *keyring.NewKey) {
		n.Manager, n.RotateDays = keyring.AWS, 365
		n.Policy = []byte(`{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + caller.ARN + `"},"Action":["kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"}}`)
	})
	replica := scope.Key(r.create(t, `{"MultiRegion":true}`))
	if _, err := r.keys.Update(t.Context(), replica, func(k *keyring.Record) error {
		k.StartRotation(k.Created, 90)
		k.Primary = "eu-west-1"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	primary := scope.Key(r.create(t, `{"MultiRegion":true}`))
	set := func(id keyring.ID, state keyring.State) {
		t.Helper()
		if _, err := r.keys.Update(t.Context(), id, func(k *keyring.Record) error { k.State = state; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(proxied, keyring.Unavailable)
	origin := func(id keyring.ID, o string) string {
		return unsupported + id.ARN() + " origin is " + o + " which is not valid for this operation."
	}
	follower := unsupported + replica.ARN() + " is not a multi-region primary key."
	fixed := func(action string) string {
		return "AccessDeniedException: User: " + caller.ARN + " is not authorized to perform: kms:" + action + " on resource: " + managed.ARN() +
			" because no resource-based policy allows the kms:" + action + " action"
	}
	for id, want := range map[keyring.ID]map[string]string{
		cloud: {
			"EnableKeyRotation": origin(cloud, "AWS_CLOUDHSM"), "DisableKeyRotation": origin(cloud, "AWS_CLOUDHSM"),
			"RotateKeyOnDemand": origin(cloud, "AWS_CLOUDHSM"), "GetKeyRotationStatus": origin(cloud, "AWS_CLOUDHSM"),
			"ListKeyRotations": origin(cloud, "AWS_CLOUDHSM"),
		},
		proxied: {
			"EnableKeyRotation": origin(proxied, "EXTERNAL_KEY_STORE"), "DisableKeyRotation": origin(proxied, "EXTERNAL_KEY_STORE"),
			"RotateKeyOnDemand": origin(proxied, "EXTERNAL_KEY_STORE"), "GetKeyRotationStatus": origin(proxied, "EXTERNAL_KEY_STORE"),
			"ListKeyRotations": origin(proxied, "EXTERNAL_KEY_STORE"),
		},
		managed: {
			"EnableKeyRotation": fixed("EnableKeyRotation"), "DisableKeyRotation": fixed("DisableKeyRotation"), "RotateKeyOnDemand": fixed("RotateKeyOnDemand"),
			"GetKeyRotationStatus": "", "ListKeyRotations": "",
		},
		replica: {
			"EnableKeyRotation": follower, "DisableKeyRotation": follower, "RotateKeyOnDemand": follower,
			"GetKeyRotationStatus": "", "ListKeyRotations": "",
		},
		primary: {
			"EnableKeyRotation": "", "DisableKeyRotation": "", "RotateKeyOnDemand": "", "GetKeyRotationStatus": "", "ListKeyRotations": "",
		},
	} {
		for name, expected := range want {
			var c operation.Call
			if got := refusal(r.run(t, &c, name, `{"KeyId":"`+id.Key+`"}`)); got != expected {
				t.Errorf("%s of %s: %q, want %q", name, id.Key, got, expected)
			}
		}
	}
	for id, days := range map[keyring.ID]int32{managed: 365, replica: 90} {
		var c operation.Call
		if err := r.run(t, &c, "GetKeyRotationStatus", `{"KeyId":"`+id.Key+`"}`); err != nil {
			t.Fatal(err)
		}
		out := c.Response.(*wire.GetKeyRotationStatusResponse)
		if on, _ := out.KeyRotationEnabled.Value(); !on || out.RotationPeriodInDays != wire.Some(days) {
			t.Errorf("%+v", out)
		}
	}
}

// TestRotationStates are those that no request of this family can bring about.
func TestRotationStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := scope.Key(r.create(t, `{}`))
	const invalid = "KMSInvalidStateException: "
	for state, text := range map[keyring.State]string{
		keyring.Creating: " is creating.", keyring.PendingReplicaDeletion: " is pending replica deletion.", keyring.PendingImport: " is pending import.",
		keyring.Updating: "",
	} {
		for _, name := range []string{"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations"} {
			if _, err := r.keys.Update(t.Context(), id, func(k *keyring.Record) error { k.State = state; return nil }); err != nil {
				t.Fatal(err)
			}
			want := ""
			if text != "" && name != "GetKeyRotationStatus" && name != "ListKeyRotations" {
				want = invalid + id.ARN() + text
			}
			var c operation.Call
			if got := refusal(r.run(t, &c, name, `{"KeyId":"`+id.Key+`"}`)); got != want {
				t.Errorf("%v, %s: %q, want %q", state, name, got, want)
			}
		}
	}
}

// TestRotationOfImportedMaterial: what is pending becomes current, each rotation counts, and the list has all members.
func TestRotationOfImportedMaterial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.creating(t, func(n *keyring.NewKey) { n.Origin = keyring.External })
	rotate := func() string {
		t.Helper()
		var c operation.Call
		return refusal(r.run(t, &c, "RotateKeyOnDemand", `{"KeyId":"`+id.Key+`"}`))
	}
	nothing := "KMSInvalidStateException: No available key material pending rotation for the key: " + id.ARN() + "."
	if got := rotate(); got != nothing {
		t.Errorf("%q", got)
	}
	validTo := time.Now().Add(24 * time.Hour).Truncate(time.Millisecond).UTC()
	pending := func(n byte, state keyring.ImportState) {
		t.Helper()
		if _, err := r.keys.Edit(t.Context(), id, func(e *keyring.Edit) error {
			m := keyring.Material{ID: hsm.MaterialID{n}, State: keyring.MaterialPendingRotation, Import: state, Expires: keyring.Expires, ValidTo: validTo, Description: "next", Created: time.Now()}
			e.Materials = append(e.Materials, m)
			e.PutToken(m.ID, []byte("token"), nil)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	pending(1, keyring.PendingReimport)
	if got := rotate(); got != nothing {
		t.Errorf("material that is not there: %q", got)
	}
	pending(2, keyring.Imported)
	entries := func() []wire.RotationsListEntry {
		t.Helper()
		var c operation.Call
		if err := r.run(t, &c, "ListKeyRotations", `{"KeyId":"`+id.Key+`","IncludeKeyMaterial":"ALL_KEY_MATERIAL"}`); err != nil {
			t.Fatal(err)
		}
		return c.Response.(*wire.ListKeyRotationsResponse).Rotations
	}
	want := wire.RotationsListEntry{
		KeyId: id.Key, KeyMaterialId: hsm.MaterialID{2}.String(), KeyMaterialDescription: "next", ImportState: wire.ImportStateImported,
		KeyMaterialState: wire.KeyMaterialStatePendingRotation, ExpirationModel: wire.ExpirationModelTypeKeyMaterialExpires, ValidTo: wire.Some(wire.TimestampOf(validTo)),
	}
	if all := entries(); len(all) != 3 || all[2] != want || all[1].ImportState != wire.ImportStatePendingImport {
		t.Errorf("%+v", all)
	}
	if got := rotate(); got != "" {
		t.Fatal(got)
	}
	all := entries()
	want.KeyMaterialState, want.RotationType, want.RotationDate = wire.KeyMaterialStateCurrent, wire.RotationTypeOnDemand, all[2].RotationDate
	if _, dated := want.RotationDate.Value(); len(all) != 3 || all[2] != want || !dated || all[0].KeyMaterialState != wire.KeyMaterialStateNonCurrent {
		t.Errorf("%+v", all)
	}
	record, err := r.keys.Record(t.Context(), id)
	if err != nil || record.OnDemand != 1 || record.Current != (hsm.MaterialID{2}) || !record.ValidTo.Equal(validTo) {
		t.Errorf("%+v, %v", record, err)
	}
	if got := rotate(); got != nothing {
		t.Errorf("%q", got)
	}
	if _, err := r.keys.Update(t.Context(), id, func(k *keyring.Record) error { k.OnDemand = 25; return nil }); err != nil {
		t.Fatal(err)
	}
	if got := rotate(); got != nothing {
		t.Errorf("pending material, then the limit: %q", got)
	}
	pending(3, keyring.Imported)
	if got, limit := rotate(), "LimitExceededException: The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+id.ARN(); got != limit {
		t.Errorf("%q", got)
	}
}
