package fastpath_test

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/audit"
	"trent/fastpath/servertest"
)

// auditRecord is what tests look at of a record.
type auditRecord struct {
	EventVersion, EventName, EventSource, AwsRegion, SourceIPAddress, UserAgent string
	ErrorCode, ErrorMessage, RequestID, EventID, EventType, RecipientAccountID  string
	ReadOnly                                                                    bool
	SharedEventID, VpcEndpointID                                                string
	UserIdentity                                                                map[string]any
	TLSDetails                                                                  map[string]string
}

func auditRecords(t *testing.T, dir string) (all []auditRecord) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		var file struct{ Records []auditRecord }
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, ".json") {
			t.Errorf("%s is left", path)
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		all = append(all, file.Records...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every answered request has its record once the server is closed.
func TestEveryAnswerHasItsRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := servertest.Open(t.TempDir(), servertest.Options{Audit: &audit.Options{Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	client := s.KMS()
	const clients, each = 4, 50
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if _, err := client.ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := auditRecords(t, filepath.Join(dir, "AWSLogs"))
	if len(all) != clients*each {
		t.Fatalf("%d records of %d requests", len(all), clients*each)
	}
	ids := map[string]bool{}
	for _, r := range all {
		ids[r.RequestID] = true
		if r.EventVersion != "1.11" || r.EventName != "ListKeys" || r.EventSource != "kms.amazonaws.com" || r.SourceIPAddress != "127.0.0.1" ||
			!strings.Contains(r.UserAgent, "aws-sdk-go-v2") || r.TLSDetails["tlsVersion"] != "TLSv1.3" || r.TLSDetails["keyExchange"] != "X25519MLKEM768" ||
			r.TLSDetails["clientProvidedHostHeader"] == "" || !r.ReadOnly || r.EventType != "AwsApiCall" || r.RecipientAccountID != s.Account {
			t.Fatalf("%+v", r)
		}
	}
	if len(ids) != len(all) {
		t.Errorf("%d request ids in %d records", len(ids), len(all))
	}
}

// What was not signed as it should be, or was no operation, is in the security log and in no trail.
func TestIncidents(t *testing.T) {
	t.Parallel()
	s, err := servertest.Open(t.TempDir(), servertest.Options{Audit: &audit.Options{}})
	if err != nil {
		t.Fatal(err)
	}
	forged := servertest.For("ListKeys", "{}")
	forged.Secret = "not the secret"
	for _, r := range []servertest.Request{forged, servertest.For("Frobnicate", "{}"), {Method: "GET", Target: "TrentService.ListKeys"}} {
		if a := s.Do(t, r); a.Status == 200 {
			t.Errorf("%+v is answered %d", r, a.Status)
		}
	}
	// Signed, but neither well-formed nor allowed: those have records.
	for _, body := range []string{`{"KeyId":3}`, `{}`, `{"KeyId":"alias/absent"}`} {
		s.Call(t, "DescribeKey", body)
	}
	dir := s.DataDir()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "security", "security.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"kind":"signature","address":"127.0.0.1","error":"InvalidSignatureException"`, `"operation":"ListKeys"`, `"kind":"operation"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if n := strings.Count(string(text), "\n"); n != 3 {
		t.Errorf("%d lines: %s", n, text)
	}
	all := auditRecords(t, filepath.Join(dir, "audit", "AWSLogs"))
	codes := map[string]int{}
	for _, r := range all {
		codes[r.ErrorCode]++
	}
	if len(all) != 3 || codes["SerializationException"] != 1 || codes["ValidationException"] != 1 || codes["NotFoundException"] != 1 {
		t.Errorf("%v", codes)
	}
}

// Decisions are found by the id that the answer had, with the policy that decided.
func TestDecisionsOfARequest(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Audit: &audit.Options{}})
	made, err := s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Call(t, "DescribeKey", `{"KeyId":"`+*made.KeyMetadata.KeyId+`"}`)
	found, err := s.Core.Decisions().Find(a.Header.Get("X-Amzn-Requestid"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	d := found[0]
	if !d.Allowed || d.Action != "kms:DescribeKey" || d.Resource != *made.KeyMetadata.Arn || !strings.HasSuffix(d.Caller, ":root") {
		t.Errorf("%+v", d)
	}
	if text, err := s.Core.Decisions().Policy(hex.EncodeToString(d.Policy[:])); err != nil || !strings.Contains(text, "Enable IAM User Permissions") {
		t.Errorf("%q, %v", text, err)
	}
}
