package fastpath_test

import (
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
