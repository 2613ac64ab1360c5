package operation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/operation"
)

// Every action can be simulated; and those of operations that can be tried are decided as the operations themselves.
func TestSimulateEveryAction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := scope.Key(r.create(t, `{}`)).ARN()
	for _, who := range []struct {
		statements []string
		allowed    bool
	}{{[]string{allow("kms:*", "*")}, true}, {nil, false}} {
		caller := person(t, home, "ann", who.statements...)
		for a := authz.ActionNone + 1; a < authz.NumActions; a++ {
			name := a.String()
			if !strings.HasPrefix(name, "kms:") {
				continue
			}
			q := operation.Simulation{Action: a, Caller: caller, Region: scope.Region, Given: &authz.Given{}, At: time.Now()}
			if operation.OnKey(a) {
				q.Resource = key
			}
			e, err := r.Simulate(t.Context(), &q)
			switch {
			case errors.Is(err, operation.ErrSimulation) && name == "kms:SynchronizeMultiRegionKey":
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case e.Allowed != who.allowed:
				t.Errorf("%s: %s", name, e.Reason)
			}
		}
	}
}

// TestSimulateAsDone compares with what requests come to.
func TestSimulateAsDone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	key := scope.Key(r.create(t, `{"Tags":[{"TagKey":"stage","TagValue":"test"}]}`)).ARN()
	rights := []string{
		`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"7","aws:ResourceTag/stage":"test"}}}`,
		allow("kms:TagResource", "*"),
	}
	for _, k := range []struct {
		account, name, body string
		context             map[string]string
	}{
		{home, "Encrypt", `{"KeyId":"` + key + `","Plaintext":"eA==","EncryptionContext":{"tenant":"7"}}`, map[string]string{"tenant": "7"}},
		{home, "Encrypt", `{"KeyId":"` + key + `","Plaintext":"eA==","EncryptionContext":{"tenant":"8"}}`, map[string]string{"tenant": "8"}},
		{home, "Encrypt", `{"KeyId":"` + key + `","Plaintext":"eA=="}`, nil},
		{home, "TagResource", `{"KeyId":"` + key + `","Tags":[{"TagKey":"a","TagValue":"b"}]}`, nil},
		{home, "DescribeKey", `{"KeyId":"` + key + `"}`, nil},
		{elsewhere, "Encrypt", `{"KeyId":"` + key + `","Plaintext":"eA==","EncryptionContext":{"tenant":"7"}}`, map[string]string{"tenant": "7"}},
		{elsewhere, "TagResource", `{"KeyId":"` + key + `","Tags":[{"TagKey":"a","TagValue":"b"}]}`, nil},
	} {
		caller := person(t, k.account, "ann", rights...)
		e, err := r.Simulate(t.Context(), &operation.Simulation{
			Action: authz.ActionNamed("kms:" + k.name), Caller: caller, Region: scope.Region, Resource: key, Context: k.context, Given: &authz.Given{}, At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.as(t, &c, caller, k.name, k.body); (err == nil) != e.Allowed {
			t.Errorf("%s %s: %v, but simulated: %s", k.name, k.body, err, e.Reason)
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := scope.Key(r.create(t, `{}`)).ARN()
	for _, q := range []operation.Simulation{
		{Action: authz.ActionEncrypt},
		{Action: authz.ActionEncrypt, Resource: "alias/none"},
		{Action: authz.ActionEncrypt, Resource: scope.Key("1234abcd-12ab-34cd-56ef-1234567890ab").ARN()},
		{Action: authz.ActionSign, Resource: key, Context: map[string]string{"a": "b"}},
		{Action: authz.ActionListKeys, Resource: key},
		{Action: authz.ActionSTSAssumeRole},
	} {
		q.Caller, q.Region, q.Given = person(t, home, "ann"), scope.Region, &authz.Given{}
		if e, err := r.Simulate(t.Context(), &q); !errors.Is(err, operation.ErrSimulation) {
			t.Errorf("%s on %q: %v, %v", q.Action, q.Resource, e, err)
		}
	}
}
