package operation_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/hsm"
	"trent/store/pebblestore"
)

var (
	scope  = keyring.Scope{Partition: "aws", Account: "000000000000", Region: "us-east-1"}
	caller = identity.Root("aws", "000000000000")
)

// rig is a service over a keyring, a store and a module of the test's own.
type rig struct {
	*operation.Service
	keys   *keyring.Keyring
	module hsm.Module
}

func newRig(t *testing.T) rig {
	t.Helper()
	return newRigWith(t, operation.Options{})
}

// newRigWith is newRig with options beside keyring and module.
func newRigWith(t *testing.T, o operation.Options) rig {
	t.Helper()
	dir := t.TempDir()
	module, err := hsm.Open(hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := pebblestore.Open(filepath.Join(dir, "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(kept, module, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(keys.Close(), kept.Close(), module.Close()); err != nil {
			t.Error(err)
		}
	})
	o.Keyring, o.Module = keys, module
	return rig{operation.New(o), keys, module}
}

// run passes one request through Resolve and Execute. The call is the caller's to reset.
func (r rig) run(t *testing.T, c *operation.Call, name, body string) error {
	t.Helper()
	op, ok := wire.LookupTarget([]byte("TrentService." + name))
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	c.Operation, c.Request, c.Caller, c.Scope = op, wire.NewRequest(op), &caller, scope
	if err := c.Request.Decode([]byte(body)); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := c.Request.Validate(); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := r.Resolve(context.Background(), c); err != nil {
		return err
	}
	if err := r.Authorize(context.Background(), c); err != nil {
		return err
	}
	return r.Execute(context.Background(), c)
}

// create makes a key and returns its id.
func (r rig) create(t *testing.T, body string) string {
	t.Helper()
	var c operation.Call
	if err := r.run(t, &c, "CreateKey", body); err != nil {
		t.Fatal(err)
	}
	return c.Response.(*wire.CreateKeyResponse).KeyMetadata.KeyId
}

// refusal is an error as the service words it, "" for none.
func refusal(err error) string {
	var api *wire.Error
	if errors.As(err, &api) {
		return api.Code.String() + ": " + api.Message
	}
	if err != nil {
		return "not an API error: " + err.Error()
	}
	return ""
}

// TestTransientStates are those that no request can bring about (AWS KMS Developer Guide, "Key states of AWS
// KMS keys"; a key pending replica deletion is refused as one pending deletion is, in words of its own).
func TestTransientStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	arn := scope.Key(id).ARN()
	key := `"KeyId":"` + id + `"`
	const invalid = "KMSInvalidStateException: "
	bodies := map[string]string{
		"Encrypt": `{` + key + `,"Plaintext":"eA=="}`, "GenerateDataKey": `{` + key + `,"KeySpec":"AES_256"}`,
		"GetPublicKey": `{` + key + `}`, "DescribeKey": `{` + key + `}`, "GetKeyPolicy": `{` + key + `}`, "ListAliases": `{` + key + `}`,
		"EnableKey": `{` + key + `}`, "DisableKey": `{` + key + `}`, "TagResource": `{` + key + `,"Tags":[{"TagKey":"a","TagValue":"b"}]}`,
		"UpdateKeyDescription": `{` + key + `,"Description":"x"}`, "CreateAlias": `{"AliasName":"alias/x","TargetKeyId":"` + id + `"}`,
		"ScheduleKeyDeletion": `{` + key + `}`, "CancelKeyDeletion": `{` + key + `}`,
	}
	const cancel, symmetricHasNone = " is not pending deletion.", "UnsupportedOperationException: "
	for state, want := range map[keyring.State]map[string]string{
		keyring.Unavailable: {
			"Encrypt": " is unavailable.", "GenerateDataKey": " is unavailable.", "CancelKeyDeletion": cancel,
		},
		keyring.Creating: {
			"Encrypt": " is creating.", "GenerateDataKey": " is creating.", "GetPublicKey": " is creating.",
			"EnableKey": " is creating.", "DisableKey": " is creating.", "CancelKeyDeletion": cancel,
		},
		keyring.Updating: {
			"EnableKey": " is updating.", "DisableKey": " is updating.", "ScheduleKeyDeletion": " is updating.", "CancelKeyDeletion": cancel,
		},
		keyring.PendingReplicaDeletion: {
			"Encrypt": " is pending replica deletion.", "GenerateDataKey": " is pending replica deletion.", "GetPublicKey": " is pending replica deletion.",
			"EnableKey": " is pending replica deletion.", "DisableKey": " is pending replica deletion.", "TagResource": " is pending replica deletion.",
			"UpdateKeyDescription": " is pending replica deletion.", "CreateAlias": " is pending replica deletion.", "ScheduleKeyDeletion": " is pending replica deletion.",
		},
	} {
		for name, body := range bodies {
			_, err := r.keys.Update(t.Context(), scope.Key(id), func(k *keyring.Record) error {
				k.State, k.Deletion, k.WindowDays = state, time.Time{}, 0
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			expected := ""
			if text := want[name]; text != "" {
				expected = invalid + arn + text
			} else if name == "GetPublicKey" {
				expected = symmetricHasNone
			}
			var c operation.Call
			if got := refusal(r.run(t, &c, name, body)); got != expected {
				t.Errorf("%v, %s: %q, want %q", state, name, got, expected)
			}
			if name == "CreateAlias" && expected == "" {
				if err := r.keys.DeleteAlias(t.Context(), scope, "alias/x"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestUnavailableStaysSo: enabling a key whose store is away takes effect when that is back.
func TestUnavailableStaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	for _, name := range []string{"EnableKey", "DisableKey"} {
		if _, err := r.keys.Update(t.Context(), scope.Key(id), func(k *keyring.Record) error { k.State = keyring.Unavailable; return nil }); err != nil {
			t.Fatal(err)
		}
		var c operation.Call
		if err := r.run(t, &c, name, `{"KeyId":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
		if record, err := r.keys.Record(t.Context(), scope.Key(id)); err != nil || record.State != keyring.Unavailable {
			t.Errorf("%s: %v, %v", name, record.State, err)
		}
	}
}

// TestResetWipes: when a call is given back, no plaintext that it held can be read any more.
func TestResetWipes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	var c operation.Call
	if err := r.run(t, &c, "Encrypt", `{"KeyId":"`+id+`","Plaintext":"`+base64.StdEncoding.EncodeToString([]byte("a secret"))+`"}`); err != nil {
		t.Fatal(err)
	}
	blob := base64.StdEncoding.EncodeToString(c.Response.(*wire.EncryptResponse).CiphertextBlob)
	c.Reset()
	for name, plaintext := range map[string]func() []byte{
		"Decrypt": func() []byte {
			if err := r.run(t, &c, "Decrypt", `{"CiphertextBlob":"`+blob+`"}`); err != nil {
				t.Fatal(err)
			}
			p := c.Response.(*wire.DecryptResponse).Plaintext
			if string(p) != "a secret" {
				t.Fatalf("plaintext of %d bytes", len(p))
			}
			return p
		},
		"GenerateDataKey": func() []byte {
			if err := r.run(t, &c, "GenerateDataKey", `{"KeyId":"`+id+`","NumberOfBytes":1024}`); err != nil {
				t.Fatal(err)
			}
			return c.Response.(*wire.GenerateDataKeyResponse).Plaintext
		},
		"GenerateRandom": func() []byte {
			if err := r.run(t, &c, "GenerateRandom", `{"NumberOfBytes":1024}`); err != nil {
				t.Fatal(err)
			}
			return c.Response.(*wire.GenerateRandomResponse).Plaintext
		},
	} {
		p := plaintext()
		if bytes.Equal(p, make([]byte, len(p))) {
			t.Fatalf("%s: no plaintext", name)
		}
		c.Reset()
		if !bytes.Equal(p, make([]byte, len(p))) {
			t.Errorf("%s: the plaintext outlived Reset", name)
		}
		if c.Request != nil || c.Response != nil || c.Key.Snapshot != nil || c.Caller != nil || c.Scope != (keyring.Scope{}) {
			t.Errorf("%s: Reset left %+v", name, c.Operation)
		}
	}
}

// TestDryRunWipes: a dry run makes a data key and shows none; nothing of it may stay.
func TestDryRunWipes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	var c operation.Call
	if err := r.run(t, &c, "GenerateRandom", `{"NumberOfBytes":1024}`); err != nil {
		t.Fatal(err)
	}
	buffer := c.Response.(*wire.GenerateRandomResponse).Plaintext // of the call, used again by the next command
	c.Reset()
	err := r.run(t, &c, "GenerateDataKey", `{"KeyId":"`+id+`","NumberOfBytes":1024,"DryRun":true}`)
	if got := refusal(err); got != "DryRunOperationException: The request would have succeeded, but the DryRun option is set." {
		t.Fatal(got)
	}
	if bytes.Equal(buffer, make([]byte, len(buffer))) {
		t.Fatal("the dry run did not use the call's buffer, so that the test shows nothing")
	}
	c.Reset()
	if !bytes.Equal(buffer, make([]byte, len(buffer))) {
		t.Error("the data key of a dry run outlived Reset")
	}
}

// TestMarkersAreBound: a marker belongs to one listing of one operation.
func TestMarkersAreBound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.create(t, `{"Tags":[{"TagKey":"a","TagValue":""},{"TagKey":"b","TagValue":""}]}`), r.create(t, `{"Tags":[{"TagKey":"a","TagValue":""},{"TagKey":"b","TagValue":""}]}`)
	var c operation.Call
	if err := r.run(t, &c, "ListResourceTags", `{"KeyId":"`+one+`","Limit":1}`); err != nil {
		t.Fatal(err)
	}
	marker := c.Response.(*wire.ListResourceTagsResponse).NextMarker
	for body, want := range map[string]string{
		`{"KeyId":"` + one + `","Marker":"` + marker + `"}`:       "",
		`{"KeyId":"` + two + `","Marker":"` + marker + `"}`:       "InvalidMarkerException: ",
		`{"KeyId":"` + one + `","Marker":"` + marker[4:] + `"}`:   "InvalidMarkerException: ",
		`{"KeyId":"` + one + `","Marker":"` + marker + `AAAA"}`:   "InvalidMarkerException: ",
		`{"KeyId":"` + one + `","Marker":"bm90IGEgbWFya2VyCg=="}`: "InvalidMarkerException: ",
	} {
		var c operation.Call
		if got := refusal(r.run(t, &c, "ListResourceTags", body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	for _, name := range []string{"ListKeys", "ListAliases"} {
		var c operation.Call
		if got := refusal(r.run(t, &c, name, `{"Marker":"`+marker+`"}`)); got != "InvalidMarkerException: " {
			t.Errorf("%s: %q", name, got)
		}
	}
}
