package conformance_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// decode reads the body of a successful answer.
func decode[T any](t testing.TB, a servertest.Answer) (v T) {
	t.Helper()
	if a.Status != 200 {
		t.Fatalf("answer %d %s", a.Status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatalf("answer %q: %v", a.Body, err)
	}
	return v
}

func TestUpdateKeyDescription(t *testing.T) {
	t.Parallel()
	k := newKey(t, &kms.CreateKeyInput{Description: aws.String("first")})
	for _, text := range []string{"second", "", strings.Repeat("ü", 8192), "quote \" and \\ and \n and \u2028 and 😀"} {
		if _, err := at.KMS().UpdateKeyDescription(t.Context(), &kms.UpdateKeyDescriptionInput{KeyId: &k.arn, Description: &text}); err != nil {
			t.Fatal(err)
		}
		if got := *describe(t, k.id).Description; got != text {
			t.Errorf("description %q, want %q", got, text)
		}
	}
	_, err := at.KMS().UpdateKeyDescription(t.Context(), &kms.UpdateKeyDescriptionInput{KeyId: &k.id, Description: aws.String(long(8193))})
	wantError(t, err, "ValidationException", validation("'"+long(8193)+"' ", "description", "have length less than or equal to 8192"))
	wantRefusal(t, call(t, "UpdateKeyDescription", object{"KeyId": k.id}), "ValidationException", validation("null ", "description", "not be null"))
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	for range 3 {
		made[newSymmetric(t).id] = true
	}
	made[inState(t, "PendingDeletion", &kms.CreateKeyInput{}).id] = true
	for _, limit := range []int32{2, 1000} {
		seen := map[string]bool{}
		pages := kms.NewListKeysPaginator(at.KMS(), &kms.ListKeysInput{Limit: &limit})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Keys) > int(limit) || page.Truncated != (page.NextMarker != nil) {
				t.Fatalf("a page of %d with %d keys, truncated %v, marker %v", limit, len(page.Keys), page.Truncated, page.NextMarker)
			}
			for _, k := range page.Keys {
				if seen[*k.KeyId] || *k.KeyArn != arnOf(*k.KeyId) {
					t.Errorf("key %s, ARN %s, seen before: %v", *k.KeyId, *k.KeyArn, seen[*k.KeyId])
				}
				seen[*k.KeyId] = true
			}
		}
		for id := range made {
			if !seen[id] {
				t.Errorf("limit %d: key %s is not listed", limit, id)
			}
		}
	}
}

func TestListKeysRefusals(t *testing.T) {
	t.Parallel()
	client := at.KMS()
	for limit, must := range map[int32]string{0: "have value greater than or equal to 1", 1001: "have value less than or equal to 1000"} {
		_, err := client.ListKeys(t.Context(), &kms.ListKeysInput{Limit: &limit})
		wantError(t, err, "ValidationException", validation("'"+itoa(int(limit))+"' ", "limit", must))
	}
	aliases, err := client.ListAliases(t.Context(), &kms.ListAliasesInput{Limit: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	markers := []string{"no marker", "e30=", strings.Repeat("A", 300)}
	if aliases.NextMarker != nil {
		markers = append(markers, *aliases.NextMarker) // a marker of another listing
	}
	for _, marker := range markers {
		_, err := client.ListKeys(t.Context(), &kms.ListKeysInput{Marker: &marker})
		wantError(t, err, "InvalidMarkerException", "")
	}
}

// TestListsAreOfTheirRegion: neither keys nor aliases show in another Region.
func TestListsAreOfTheirRegion(t *testing.T) {
	t.Parallel()
	ownServer(t)
	newSymmetric(t)
	out, err := at.In("ap-south-2").ListKeys(t.Context(), &kms.ListKeysInput{})
	if err != nil || len(out.Keys) != 0 {
		t.Errorf("%v, %v", out, err)
	}
}
