package fastpath_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/audit"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// fullRecords are the records of a closed server's log, by event name and recipient and Region.
func fullRecords(t *testing.T, dir string) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	files, err := filepath.Glob(filepath.Join(dir, "AWSLogs/*/CloudTrail/*/*/*/*/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var read struct{ Records []map[string]any }
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range read.Records {
			key := r["eventName"].(string) + " " + r["recipientAccountId"].(string) + " " + r["awsRegion"].(string)
			all[key] = append(all[key], r)
		}
	}
	return all
}

// What is done with the key of another account is in both accounts' records, under one shared id; a denial is in the
// caller's alone, and shows nothing of the key.
func TestRecordsAcrossAccounts(t *testing.T) {
	t.Parallel()
	const owner, user = identity.DefaultAccount, "444455556666"
	dir := t.TempDir()
	s, err := servertest.Open(t.TempDir(), servertest.Options{
		Audit:       &audit.Options{Dir: dir},
		Credentials: []identity.Credential{{AccessKeyID: "AKIAOTHER", Secret: identity.Secret("other"), Principal: identity.Root("aws", user)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	arn := aws.ToString(made.KeyMetadata.Arn)
	other := s.As("AKIAOTHER", "other")
	if _, err := other.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("x")}); err == nil {
		t.Fatal("used without permission")
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + owner + `","` + user + `"]},"Action":"kms:*","Resource":"*"}]}`
	if _, err := s.KMS().PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &arn, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &arn, NumberOfBytes: aws.Int32(16)}); err != nil {
		t.Fatal(err)
	}
	used, err := s.KMS().GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := fullRecords(t, dir)
	mine, theirs := all["GenerateDataKey "+user+" us-east-1"], all["GenerateDataKey "+owner+" us-east-1"]
	if len(mine) != 1 || len(theirs) != 1 {
		t.Fatalf("%d records of the caller, %d of the owner", len(mine), len(theirs))
	}
	if mine[0]["sharedEventID"] == nil || mine[0]["sharedEventID"] != theirs[0]["sharedEventID"] || mine[0]["eventID"] == theirs[0]["eventID"] || mine[0]["requestID"] != theirs[0]["requestID"] {
		t.Errorf("%v\n%v", mine[0], theirs[0])
	}
	if theirs[0]["eventID"] != aws.ToString(used.KeyLastUsage.CloudTrailEventId) {
		t.Errorf("the key's last usage tells of %v, the owner's record is %v", aws.ToString(used.KeyLastUsage.CloudTrailEventId), theirs[0]["eventID"])
	}
	who, _ := theirs[0]["userIdentity"].(map[string]any)
	if who["type"] != "AWSAccount" || who["accountId"] != user || who["arn"] != nil {
		t.Errorf("the owner sees %v", who)
	}
	denied := all["Encrypt "+user+" us-east-1"]
	if len(denied) != 1 || len(all["Encrypt "+owner+" us-east-1"]) != 0 {
		t.Fatalf("denied: %v", all)
	}
	if d := denied[0]; d["errorCode"] != "AccessDenied" || d["requestParameters"] != nil || len(d["resources"].([]any)) != 0 || strings.Contains(d["errorMessage"].(string), arn) {
		t.Errorf("denied: %v", d)
	}
}

// What the service does by itself leaves records, and what is done in two Regions leaves one in each.
func TestRecordsOfTheService(t *testing.T) {
	t.Parallel()
	const me = identity.DefaultAccount
	dir := t.TempDir()
	s, err := servertest.Open(t.TempDir(), servertest.Options{Audit: &audit.Options{Dir: dir}, TestClock: true})
	if err != nil {
		t.Fatal(err)
	}
	client := s.KMS()
	made, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	if _, err := client.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String("eu-west-1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(90)}); err != nil {
		t.Fatal(err)
	}
	gone, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: gone.KeyMetadata.KeyId, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 100*24*time.Hour)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := fullRecords(t, dir)
	rotations := all["RotateKey "+me+" us-east-1"]
	var how []string
	for _, r := range rotations {
		details := r["serviceEventDetails"].(map[string]any)
		how = append(how, details["rotationType"].(string))
		if details["keyId"] != *id || details["keyOrigin"] != "AWS_KMS" || details["previousKeyMaterialId"] == details["currentKeyMaterialId"] || r["eventType"] != "AwsServiceEvent" ||
			r["requestID"] != nil || r["requestParameters"] != nil || r["sourceIPAddress"] != "AWS Internal" || r["userIdentity"].(map[string]any)["invokedBy"] != "AWS Internal" {
			t.Errorf("%v", r)
		}
	}
	if slices.Sort(how); !slices.Equal(how, []string{"AUTOMATIC", "ON_DEMAND"}) {
		t.Errorf("rotations %v", how)
	}
	for key, kind := range map[string]string{
		"DeleteKey " + me + " us-east-1": "AwsServiceEvent", "CreateKey " + me + " eu-west-1": "AwsApiCall", "ReplicateKey " + me + " us-east-1": "AwsApiCall",
	} {
		if len(all[key]) != 1 || all[key][0]["eventType"] != kind {
			t.Errorf("%s: %v", key, all[key])
		}
	}
	if replica := all["CreateKey "+me+" eu-west-1"]; len(replica) == 1 && !strings.Contains(replica[0]["resources"].([]any)[0].(map[string]any)["ARN"].(string), ":eu-west-1:") {
		t.Errorf("%v", replica[0])
	}
}
