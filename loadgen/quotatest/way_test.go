package quotatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"trent/loadgen/quota"
	"trent/loadgen/quotatest"
)

// recorder answers by operation and keeps what it was asked.
type recorder struct {
	mu      sync.Mutex
	calls   []string
	answers func(operation string, in map[string]any) (int, any)
}

func (r *recorder) Call(_ context.Context, operation string, body []byte) (int, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		return 0, nil, err
	}
	r.calls = append(r.calls, operation)
	status, out := r.answers(operation, in)
	if status == 0 {
		return 0, nil, errors.New("connection refused")
	}
	response, err := json.Marshal(out)
	return status, response, err
}

func (r *recorder) count(operation string) int {
	n := 0
	for _, c := range r.calls {
		if c == operation {
			n++
		}
	}
	return n
}

// sendable counts the operations of the API that the way has a body for.
func sendable(w quotatest.Way) map[string]bool {
	out := map[string]bool{}
	for _, q := range quota.Defaults("us-east-1").All() {
		for _, op := range q.Operations {
			for _, spec := range []string{"", "SYMMETRIC_DEFAULT", "HMAC_256", "RSA_2048", "ECC_NIST_P256", "ML_DSA_44"} {
				if body, ok := w.Body(quota.Call{Operation: op, KeySpec: spec}, 0); ok && json.Valid(body) {
					out[op] = true
				}
			}
		}
	}
	return out
}

func TestPrepareMakesKeysAndTakesThemBack(t *testing.T) {
	t.Parallel()
	made := 0
	r := &recorder{}
	r.answers = func(operation string, in map[string]any) (int, any) {
		switch operation {
		case "CreateKey":
			made++
			if in["KeySpec"] == "ML_DSA_44" {
				return 400, map[string]string{"__type": "UnsupportedOperationException"}
			}
			return 200, map[string]any{"KeyMetadata": map[string]string{"KeyId": fmt.Sprint("key-", made), "Arn": "arn:aws:kms:r:123456789012:key/x"}}
		case "Encrypt":
			return 200, map[string]string{"CiphertextBlob": "c2VhbGVk"}
		}
		return 200, map[string]string{}
	}
	way, release, notes, err := quotatest.Prepare(t.Context(), r, nil)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "ML_DSA_44") {
		t.Fatalf("%v, notes %q", err, notes)
	}
	body, ok := way.Body(quota.Call{Operation: "Decrypt", KeySpec: "SYMMETRIC_DEFAULT"}, 0)
	if !ok || !strings.Contains(string(body), `"c2VhbGVk"`) || !strings.Contains(string(body), `"key-1"`) {
		t.Errorf("Decrypt: %s", body)
	}
	if body, _ := way.Body(quota.Call{Operation: "CreateGrant", KeySpec: ""}, 0); !strings.Contains(string(body), "123456789012:root") {
		t.Errorf("CreateGrant: %s", body)
	}
	if n := len(sendable(way)); n < 50 {
		t.Errorf("%d operations can be sent", n)
	}
	if err := release(t.Context()); err != nil || r.count("ScheduleKeyDeletion") != 7 || r.count("DeleteAlias") != 1 {
		t.Errorf("%v, %d keys deleted", err, r.count("ScheduleKeyDeletion"))
	}
}

// An endpoint that answers nothing sensible can be verified all the same: what counts is whether it throttles.
func TestPrepareOnAnEndpointWithoutKeys(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"empty answers": 200, "refusals": 400} {
		r := &recorder{answers: func(string, map[string]any) (int, any) {
			return status, map[string]string{"__type": "AccessDeniedException"}
		}}
		way, release, notes, err := quotatest.Prepare(t.Context(), r, nil)
		if err != nil || len(notes) != 8 || len(sendable(way)) < 50 {
			t.Errorf("%s: %v, %d notes, %d operations", name, err, len(notes), len(sendable(way)))
		}
		if err := release(t.Context()); err != nil || r.count("ScheduleKeyDeletion") != 0 {
			t.Errorf("%s: %v, deleted what was not made", name, err)
		}
	}
	r := &recorder{answers: func(string, map[string]any) (int, any) { return 0, nil }}
	if _, release, _, err := quotatest.Prepare(t.Context(), r, nil); err == nil || release == nil {
		t.Errorf("no connection: %v", err)
	}
}

func TestPrepareWithKeysOfTheUser(t *testing.T) {
	t.Parallel()
	r := &recorder{answers: func(operation string, in map[string]any) (int, any) {
		if operation == "DescribeKey" {
			return 200, map[string]any{"KeyMetadata": map[string]string{"KeyId": "mine", "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}}
		}
		return 200, map[string]string{}
	}}
	way, release, _, err := quotatest.Prepare(t.Context(), r, []string{"alias/mine"})
	if err != nil {
		t.Fatal(err)
	}
	can := sendable(way)
	for _, op := range []string{"DisableKey", "PutKeyPolicy", "CreateGrant", "CreateAlias", "EnableKeyRotation", "Sign"} {
		if can[op] {
			t.Errorf("%s would be sent", op)
		}
	}
	if !can["Encrypt"] || !can["DescribeKey"] || !can["CreateKey"] {
		t.Errorf("can send %v", can)
	}
	if err := release(t.Context()); err != nil || r.count("CreateKey")+r.count("ScheduleKeyDeletion")+r.count("CreateAlias") != 0 {
		t.Errorf("%v; calls %v", err, r.calls)
	}
}
