package quotatest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trent/loadgen/quota"
)

// keySet is what the requests of a way are made with: a key of each family, and what was made with it.
type keySet struct {
	caller  Caller
	account string
	policy  string            // of the symmetric key
	ids     map[string]string // by what for: a spec, or one of the names below
	made    map[string]string // ciphertexts, signatures and MACs by spec, base64
	peer    string            // a public key for agreement, base64
	own     bool              // the keys were made here
}

// refusal is an error answer.
type refusal struct {
	operation, name, message string
	status                   int
}

func (e *refusal) Error() string {
	return fmt.Sprintf("%s: %s (HTTP %d): %s", e.operation, e.name, e.status, e.message)
}

// Keys that are not named by their spec.
const (
	spareKey     = "spare"     // whose state may change
	signingRSA   = "signing"   // RSA for signatures
	agreementKey = "agreement" // P-256 for agreement
)

// wanted are the keys made by Prepare, in order.
var wanted = []struct{ name, spec, usage string }{
	{"SYMMETRIC_DEFAULT", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"}, {spareKey, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"},
	{"HMAC_256", "HMAC_256", "GENERATE_VERIFY_MAC"}, {"RSA_2048", "RSA_2048", "ENCRYPT_DECRYPT"}, {signingRSA, "RSA_2048", "SIGN_VERIFY"},
	{"ECC_NIST_P256", "ECC_NIST_P256", "SIGN_VERIFY"}, {agreementKey, "ECC_NIST_P256", "KEY_AGREEMENT"}, {"ML_DSA_44", "ML_DSA_44", "SIGN_VERIFY"},
}

// KeyCount is how many keys Prepare makes.
var KeyCount = len(wanted)

// Prepare makes the keys that requests for every row need (eight, tagged created-by=trent-load), or shares out the ones to use, and
// returns the way. Release schedules the deletion of those made; it is never nil. Requests that could leave something behind are made so
// that they are let through and then refused: a key in a key store that does not exist, an alias that is there already. An endpoint
// that makes no keys is tried with the ID of one that does not exist, which notes tell: whether a request is throttled does not
// depend on what it would answer. Error: a connection that failed, or ctx's.
func Prepare(ctx context.Context, c Caller, use []string) (way Way, release func(context.Context) error, notes []string, err error) {
	k := &keySet{caller: c, account: "000000000000", ids: map[string]string{}, made: map[string]string{}, own: len(use) == 0}
	if k.own {
		notes, err = k.create(ctx)
	} else {
		err = k.share(ctx, use)
	}
	if err == nil {
		err = k.prepareArtifacts(ctx)
	}
	return Way{Caller: c, Body: k.body}, k.release, notes, err
}

// create makes the wanted keys. Error: nothing was answered at all.
func (k *keySet) create(ctx context.Context) (notes []string, err error) {
	for _, w := range wanted {
		var out struct{ KeyMetadata struct{ KeyId, Arn string } }
		err := k.call(ctx, "CreateKey", map[string]any{"KeySpec": w.spec, "KeyUsage": w.usage, "Description": "quota verification",
			"Tags": []map[string]string{{"TagKey": "created-by", "TagValue": "trent-load"}}}, &out)
		var refused *refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			return notes, err
		case err != nil || out.KeyMetadata.KeyId == "":
			notes = append(notes, fmt.Sprintf("No key of spec %s for %s could be made; its requests name one that does not exist.", w.spec, w.usage))
			k.ids[w.name] = noKey
			continue
		}
		k.keep(w.name, out.KeyMetadata.KeyId, out.KeyMetadata.Arn)
	}
	return notes, nil
}

// keep keeps a key.
func (k *keySet) keep(name, id, arn string) {
	k.ids[name] = id
	if parts := strings.Split(arn, ":"); len(parts) > 4 {
		k.account = parts[4]
	}
}

// share looks the given keys up and uses each for what it is for.
func (k *keySet) share(ctx context.Context, use []string) error {
	for _, key := range use {
		var out struct {
			KeyMetadata struct{ KeyId, Arn, KeySpec, KeyUsage string }
		}
		if err := k.call(ctx, "DescribeKey", map[string]any{"KeyId": key}, &out); err != nil {
			return err
		}
		for _, w := range wanted {
			if m := &out.KeyMetadata; w.name != spareKey && m.KeySpec == w.spec && m.KeyUsage == w.usage {
				k.keep(w.name, m.KeyId, m.Arn)
			}
		}
	}
	return nil
}

// call sends one request of the preparation, patiently where it is throttled.
func (k *keySet) call(ctx context.Context, operation string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", operation, err)
	}
	for attempt := 0; ; attempt++ {
		status, response, err := k.caller.Call(ctx, operation, body)
		if err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
		if status == 200 {
			if out == nil {
				return nil
			}
			if json.Unmarshal(response, out) != nil {
				return &refusal{operation, "unreadable", "the answer is no JSON of this operation", status}
			}
			return nil
		}
		name, message := exception(response)
		if !throttling[name] || attempt == 20 {
			return &refusal{operation, name, message, status}
		}
		timer := time.NewTimer(min(100*time.Millisecond<<attempt, 2*time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// aliasName is the alias that CreateAlias finds taken.
func (k *keySet) aliasName() string { return "alias/trent-quota-" + k.ids["SYMMETRIC_DEFAULT"] }

var message = base64.StdEncoding.EncodeToString([]byte("quota verification"))

// prepareArtifacts makes what Decrypt, Verify and VerifyMac send, an alias and a peer's public key. What a key cannot be used for is
// left out of the rows.
func (k *keySet) prepareArtifacts(ctx context.Context) error {
	k.policy, k.peer = "{}", message
	symmetric := k.ids["SYMMETRIC_DEFAULT"]
	var policy struct{ Policy string }
	if k.own {
		_ = k.call(ctx, "CreateAlias", map[string]any{"AliasName": k.aliasName(), "TargetKeyId": symmetric}, nil) // refused, CreateAlias is too
	}
	if err := k.call(ctx, "GetKeyPolicy", map[string]any{"KeyId": symmetric, "PolicyName": "default"}, &policy); err == nil && policy.Policy != "" {
		k.policy = policy.Policy
	}
	var peer struct{ PublicKey string }
	if id := k.ids[agreementKey]; id != "" && k.call(ctx, "GetPublicKey", map[string]any{"KeyId": id}, &peer) == nil && peer.PublicKey != "" {
		k.peer = peer.PublicKey
	}
	for _, m := range []struct{ spec, operation string }{{"SYMMETRIC_DEFAULT", "Encrypt"}, {"RSA_2048", "Encrypt"}, {"RSA_2048", "Sign"},
		{"ECC_NIST_P256", "Sign"}, {"ML_DSA_44", "Sign"}, {"HMAC_256", "GenerateMac"}} {
		in, ok := k.members(quota.Call{Operation: m.operation, KeySpec: m.spec})
		if !ok {
			continue
		}
		var out struct{ CiphertextBlob, Signature, Mac string }
		made := message // where none could be made: the requests are refused for it, and count all the same
		if err := k.call(ctx, m.operation, in, &out); err == nil && out.CiphertextBlob+out.Signature+out.Mac != "" {
			made = out.CiphertextBlob + out.Signature + out.Mac
		}
		k.made[m.operation+" "+m.spec] = made
	}
	return ctx.Err()
}

// release takes the alias back and schedules the keys' deletion in seven days, the shortest time that there is.
func (k *keySet) release(ctx context.Context) error {
	if !k.own {
		return nil
	}
	var failures []error
	_ = k.call(ctx, "DeleteAlias", map[string]any{"AliasName": k.aliasName()}, nil) // it goes with its key in any case
	for _, id := range k.ids {
		if id == noKey {
			continue
		}
		failures = append(failures, k.call(ctx, "ScheduleKeyDeletion", map[string]any{"KeyId": id, "PendingWindowInDays": 7}, nil))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("keys of this run were left behind (tagged created-by=trent-load): %w", err)
	}
	return nil
}

func (k *keySet) body(c quota.Call, _ int) ([]byte, bool) {
	in, ok := k.members(c)
	if !ok {
		return nil, false
	}
	body, err := json.Marshal(in)
	return body, err == nil
}
