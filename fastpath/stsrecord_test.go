package fastpath_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/goccy/go-yaml"

	"trent/fastpath/audit"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// stsRecord is what tests look at of a record of STS.
type stsRecord struct {
	EventName, EventSource, ErrorCode, ErrorMessage, SharedEventID, EventID, RecipientAccountID string
	UserIdentity                                                                                struct{ Type, ARN, PrincipalID, AccountID string }
	RequestParameters                                                                           map[string]any
	ResponseElements                                                                            map[string]any
	Resources                                                                                   []map[string]string
}

// A session that crosses accounts has a record in both, under one shared id; secrets are in none.
func TestRecordsOfSTS(t *testing.T) {
	t.Parallel()
	var c identity.Config
	if err := yaml.Unmarshal([]byte(`
accounts:
- id: "111122223333"
  roles:
  - name: app
    trust_policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "444455556666"}, Action: "sts:AssumeRole"}]}
- id: "444455556666"
  users:
  - name: bob
    policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}]
    access_keys: [{access_key_id: AKIABOB, secret_access_key: bob-secret}]
`), &c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := servertest.Open(t.TempDir(), servertest.Options{Audit: &audit.Options{Dir: dir}, Identities: c})
	if err != nil {
		t.Fatal(err)
	}
	config := s.Config()
	config.Credentials = credentials.NewStaticCredentialsProvider("AKIABOB", "bob-secret", "")
	client := sts.NewFromConfig(config)
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/app"), RoleSessionName: aws.String("work")}
	made, err := client.AssumeRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(made.ResultMetadata)
	if err := s.Core.Decisions().Flush(); err != nil {
		t.Fatal(err)
	}
	decided, err := s.Core.Decisions().Find(id)
	if err != nil || len(decided) != 1 || decided[0].Action != "sts:AssumeRole" || !decided[0].Allowed || decided[0].Resource != *in.RoleArn {
		t.Errorf("the decision: %+v, %v", decided, err)
	}
	in.RoleArn = aws.String("arn:aws:iam::111122223333:role/none")
	if _, err := client.AssumeRole(t.Context(), in); err == nil {
		t.Fatal("a role that is not there was assumed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var all []stsRecord
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), *made.Credentials.SecretAccessKey) {
			t.Errorf("%s shows the secret access key", path)
		}
		var file struct{ Records []stsRecord }
		if err := json.Unmarshal(text, &file); err != nil {
			return err
		}
		all = append(all, file.Records...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	byAccount := map[string]stsRecord{}
	for _, r := range all {
		if r.EventName != "AssumeRole" || r.EventSource != "sts.amazonaws.com" {
			t.Errorf("unexpected %+v", r)
		}
		if r.ErrorCode != "" {
			if r.ErrorCode != "AccessDenied" || r.RecipientAccountID != "444455556666" || r.ResponseElements != nil {
				t.Errorf("the denial: %+v", r)
			}
			continue
		}
		byAccount[r.RecipientAccountID] = r
	}
	own, other := byAccount["444455556666"], byAccount["111122223333"]
	if len(all) != 3 || own.SharedEventID == "" || own.SharedEventID != other.SharedEventID || own.EventID == other.EventID {
		t.Fatalf("%d records: %+v", len(all), all)
	}
	if own.UserIdentity.ARN != "arn:aws:iam::444455556666:user/bob" || other.UserIdentity.Type != "AWSAccount" || other.UserIdentity.ARN != "" {
		t.Errorf("callers %+v and %+v", own.UserIdentity, other.UserIdentity)
	}
	if own.RequestParameters["roleArn"] != "arn:aws:iam::111122223333:role/app" || own.Resources[0]["type"] != "AWS::IAM::Role" {
		t.Errorf("%v, %v", own.RequestParameters, own.Resources)
	}
	if shown, _ := own.ResponseElements["credentials"].(map[string]any); shown["accessKeyId"] != *made.Credentials.AccessKeyId {
		t.Errorf("%v", own.ResponseElements)
	}
}
