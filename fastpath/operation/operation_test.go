package operation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/hsm"
	"trent/store"
)

// TestRows: every operation of the model has a row, in order, and those of this version are in.
func TestRows(t *testing.T) {
	t.Parallel()
	rows := operation.Rows()
	var implemented, names []string
	for _, r := range rows {
		names = append(names, r.Name)
		if r.Implemented {
			implemented = append(implemented, r.Name)
		} else if r.Aliases || r.Write || r.CrossAccount {
			t.Errorf("%s says what it does without doing it", r.Name)
		}
	}
	if len(rows) != len(model.Operations()) || !slices.IsSorted(names) {
		t.Errorf("%d rows for %d operations: %v", len(rows), len(model.Operations()), names)
	}
	want := []string{
		"CancelKeyDeletion", "ConnectCustomKeyStore", "CreateAlias", "CreateCustomKeyStore", "CreateKey", "Decapsulate", "Decrypt",
		"DeleteAlias", "DeleteCustomKeyStore", "DeleteImportedKeyMaterial", "DeriveSharedSecret", "DescribeCustomKeyStores", "DescribeKey",
		"DisableKey", "DisableKeyRotation", "DisconnectCustomKeyStore", "EnableKey", "EnableKeyRotation", "Encapsulate", "Encrypt",
		"GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom", "GetKeyPolicy", "GetKeyRotationStatus",
		"GetParametersForImport", "GetPublicKey", "ImportKeyMaterial", "ListAliases", "ListKeyPolicies", "ListKeyRotations", "ListKeys",
		"ListResourceTags", "PutKeyPolicy", "ReEncrypt", "ReplicateKey", "RotateKeyOnDemand", "ScheduleKeyDeletion", "Sign", "TagResource",
		"UntagResource", "UpdateAlias", "UpdateCustomKeyStore", "UpdateKeyDescription", "UpdatePrimaryRegion", "Verify", "VerifyMac",
	}
	if !slices.Equal(implemented, want) {
		t.Errorf("implemented: %v", implemented)
	}
}

// TestTroubleIsModeled: each kind of the server's own trouble becomes an error that the operation's model has,
// and says nothing of its cause.
func TestTroubleIsModeled(t *testing.T) {
	t.Parallel()
	s := operation.New(operation.Options{})
	modeled := map[string][]string{}
	for _, op := range model.Operations() {
		modeled[op.Name] = op.Errors
	}
	troubles := []error{
		store.ErrUnavailable, store.ErrAmbiguous, store.ErrConflict, hsm.ErrDeadline, hsm.ErrBusy, hsm.ErrUnavailable, hsm.ErrToken,
		hsm.ErrDomain, hsm.ErrShort, hsm.ErrInput, context.DeadlineExceeded, context.Canceled, errors.New("something else"),
	}
	for _, row := range operation.Rows() {
		if !row.Implemented {
			continue
		}
		op, ok := wire.LookupTarget([]byte("TrentService." + row.Name))
		if !ok {
			t.Fatalf("no operation %s", row.Name)
		}
		for _, trouble := range troubles {
			api, own := s.APIError(op, fmt.Errorf("doing something with secret: %w", trouble))
			if own {
				t.Errorf("%s: %v is taken for the caller's mistake", row.Name, trouble)
			}
			if api.Code.Status() != http.StatusInternalServerError || !slices.Contains(modeled[row.Name], api.Code.String()) || !api.Code.Retryable() {
				t.Errorf("%s: %v becomes %s", row.Name, trouble, api.Code)
			}
			if api.Message == "" || slices.Contains([]string{trouble.Error()}, api.Message) {
				t.Errorf("%s: %v is answered with %q", row.Name, trouble, api.Message)
			}
		}
		mine := wire.Errorf(wire.CodeNotFoundException, "x")
		if api, own := s.APIError(op, fmt.Errorf("wrapped: %w", mine)); api != mine || !own {
			t.Errorf("%s: a caller's mistake becomes %v, %v", row.Name, api, own)
		}
	}
}

// TestModelOfRows: the rows repeat of the model what is asked on the way to an answer.
func TestModelOfRows(t *testing.T) {
	t.Parallel()
	s := operation.New(operation.Options{})
	for _, op := range model.Operations() {
		number, _ := wire.LookupTarget([]byte("TrentService." + op.Name))
		api, _ := s.APIError(number, store.ErrUnavailable)
		row := operation.Rows()[slices.IndexFunc(operation.Rows(), func(r operation.Row) bool { return r.Name == op.Name })]
		if !row.Implemented {
			continue
		}
		want := "KMSInternalException"
		if slices.Contains(op.Errors, "DependencyTimeoutException") {
			want = "DependencyTimeoutException"
		}
		if api.Code.String() != want {
			t.Errorf("%s: a store that does not answer becomes %s, want %s", op.Name, api.Code, want)
		}
	}
}
