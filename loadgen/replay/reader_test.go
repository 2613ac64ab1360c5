package replay_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/replay"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// line is a record of a call so many seconds after the start.
func line(seconds int, operation string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/web/i-%d","accountId":"111122223333",`+
		`"sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/web"}}},"eventTime":%q,"eventSource":"kms.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1",`+
		`"requestParameters":{"keyId":"alias/a","encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"a":"b"}},"responseElements":null,`+
		`"resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-west-1:111122223333:key/k1"}],"eventType":"AwsApiCall"}`,
		seconds, start.Add(time.Duration(seconds)*time.Second).Format(time.RFC3339), operation)
}

func file(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	data := []byte(text)
	if strings.HasSuffix(name, ".gz") {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(data)
		_ = w.Close()
		data = out.Bytes()
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func records(lines ...string) string { return `{"Records":[` + strings.Join(lines, ",\n") + `]}` }

func stream(t testing.TB, o replay.Options, paths ...string) ([]replay.Event, *replay.Reading) {
	t.Helper()
	files, err := replay.Find(paths)
	if err != nil {
		t.Fatal(err)
	}
	var all []replay.Event
	r, err := replay.Stream(files, o, func(e replay.Event) error { all = append(all, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, r
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string
		want   []replay.Event
	}{
		"a role": {line(0, "Decrypt"), []replay.Event{{Time: start, Operation: "Decrypt", Caller: "arn:aws:iam::111122223333:role/web", Account: "111122223333",
			Key: "arn:aws:kms:eu-west-1:111122223333:key/k1", Spec: "SYMMETRIC_DEFAULT", Region: "eu-west-1", Context: true}}},
		"a user": {`{"eventSource":"kms.amazonaws.com","eventName":"Sign","eventTime":"2026-03-01T09:00:00Z","awsRegion":"us-east-1","errorCode":"ThrottlingException",` +
			`"userIdentity":{"arn":"arn:aws:iam::1:user/ann","accountId":"1"},"requestParameters":{"keyId":"k","signingAlgorithm":"ECDSA_SHA_384"},"resources":null}`,
			[]replay.Event{{Time: start, Operation: "Sign", Caller: "arn:aws:iam::1:user/ann", Account: "1", Key: "k", Spec: "ECC_NIST_P384", Region: "us-east-1", Error: "ThrottlingException"}}},
		"a session without an issuer": {`{"eventSource":"kms.amazonaws.com","eventName":"GenerateMac","eventTime":"2026-03-01T09:00:00Z",` +
			`"userIdentity":{"arn":"arn:aws:sts::1:assumed-role/app/session-7"},"requestParameters":{"macAlgorithm":"HMAC_SHA_384"}}`,
			[]replay.Event{{Time: start, Operation: "GenerateMac", Caller: "arn:aws:sts::1:assumed-role/app", Spec: "HMAC_384"}}},
		"a service": {`{"eventSource":"kms.amazonaws.com","eventName":"GenerateDataKeyPair","eventTime":"2026-03-01T10:00:00+01:00",` +
			`"userIdentity":{"invokedBy":"s3.amazonaws.com"},"requestParameters":{"keyPairSpec":"RSA_3072"},"resources":[{"type":"AWS::KMS::Alias","ARN":"arn:aws:kms:r:1:alias/a"}]}`,
			[]replay.Event{{Time: start, Operation: "GenerateDataKeyPair", Caller: "s3", Service: "s3", Spec: "RSA_3072"}}},
		"nobody":               {`{"eventSource":"kms.amazonaws.com","eventName":"GenerateRandom","eventTime":"2026-03-01T09:00:00Z","requestParameters":null}`, []replay.Event{{Time: start, Operation: "GenerateRandom", Caller: "unknown"}}},
		"a log store's time":   {`{"eventSource":"kms.amazonaws.com","eventName":"ListKeys","eventTime":"2026-03-01 09:00:00.000"}`, []replay.Event{{Time: start, Operation: "ListKeys", Caller: "unknown"}}},
		"another service":      {`{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances","eventTime":"never"}`, nil},
		"the service's own":    {`{"eventSource":"kms.amazonaws.com","eventName":"RotateKey","eventTime":"2026-03-01T09:00:00Z","eventType":"AwsServiceEvent"}`, nil},
		"a record of the past": {`{"_source":{"eventSource":"kms.amazonaws.com"},"what":1}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for kind, path := range map[string]string{
				"list": file(t, dir, "a.json", records(c.record)), "gzipped": file(t, dir, "b.json.gz", records(c.record)),
				"lines": file(t, dir, "c.jsonl", c.record+"\n"), "beside others": file(t, dir, "d.json", `{"_source":{"x":[1]},"Records":[`+c.record+`],"more":true}`),
			} {
				got, _ := stream(t, replay.Options{}, path)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

func TestShortForm(t *testing.T) {
	t.Parallel()
	path := file(t, t.TempDir(), "a.jsonl.gz", `{"t":"2026-03-01T09:00:00Z","op":"Encrypt","by":"ssm.amazonaws.com","ctx":["PARAMETER_ARN"],"key":"3c8f20c8"}`+"\n"+
		`{"t":"2026-03-01T09:00:01Z","op":"ListKeys"}`)
	got, _ := stream(t, replay.Options{}, path)
	want := []replay.Event{{Time: start, Operation: "Encrypt", Service: "ssm", Caller: "ssm", Key: "3c8f20c8", Context: true},
		{Time: start.Add(time.Second), Operation: "ListKeys", Caller: "unknown"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilesOfATrail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const day = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/111122223333_CloudTrail_eu-west-1_20260301T"
	file(t, dir, day+"0910Z_bbbb.json.gz", records(line(400, "Encrypt"), line(330, "Decrypt")))
	file(t, dir, day+"0905Z_zzzz.json.gz", records(line(10, "Decrypt"), line(5, "Decrypt")))
	file(t, dir, day+"0905Z_aaaa.json.gz", records(line(7, "Decrypt")))
	file(t, dir, "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz", `{"logFiles":[`)
	file(t, dir, "README.txt", "not a log")
	got, reading := stream(t, replay.Options{}, dir)
	var order []int
	for _, e := range got {
		order = append(order, int(e.Time.Sub(start).Seconds()))
	}
	if diff := cmp.Diff([]int{5, 7, 10, 330, 400}, order); diff != "" {
		t.Error(diff)
	}
	if reading.Files != 3 || reading.Events != 5 || reading.Late != 0 || reading.LongestWindow != 70*time.Second || !reading.Last.Equal(start.Add(400*time.Second)) {
		t.Errorf("%+v", reading)
	}
	if _, err := replay.Find([]string{t.TempDir()}); !errors.Is(err, replay.ErrNoFiles) {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestReorderWindow(t *testing.T) {
	t.Parallel()
	path := file(t, t.TempDir(), "a.json", records(line(100, "A"), line(95, "B"), line(160, "C"), line(98, "D"), line(155, "E")))
	for _, c := range []struct {
		o             replay.Options
		want          string
		late, outside uint64
	}{
		{replay.Options{Window: time.Minute}, "B D A E C", 0, 0},
		{replay.Options{Window: 10 * time.Second}, "B A E C", 1, 0}, // D came when 100 had gone out
		{replay.Options{MaxHeld: 1}, "B A E C", 1, 0},
		{replay.Options{From: start.Add(98 * time.Second), To: start.Add(160 * time.Second)}, "D A E", 0, 2},
	} {
		got, reading := stream(t, c.o, path)
		var names []string
		for _, e := range got {
			names = append(names, e.Operation)
		}
		if strings.Join(names, " ") != c.want || reading.Late != c.late || reading.Outside != c.outside {
			t.Errorf("%+v: %q, %d late, %d outside", c.o, names, reading.Late, reading.Outside)
		}
	}
}

func TestWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cut := file(t, dir, "cut.json.gz", records(line(1, "A"), line(2, "B")))
	data, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, data[:len(data)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"cut":           {cut, "unexpected EOF"},
		"no list":       {file(t, dir, "a.json", `{"Records": 5}`), "byte 13: expected the list of records, found 5"},
		"no object":     {file(t, dir, "b.json", `[1]`), "byte 1: expected an object, found ["},
		"broken":        {file(t, dir, "c.json", `{"Records":[{"eventName":}]}`), "byte 12: invalid character"},
		"a bad time":    {file(t, dir, "d.json", records(strings.Replace(line(1, "A"), "2026-03-01T", "yesterday ", 1))), "is no time such as"},
		"half a record": {file(t, dir, "e.jsonl", line(1, "A")[:50]), "unexpected EOF"},
		"endless":       {file(t, dir, "f.json", `{"Records":[{"x":"`+strings.Repeat("a", 17<<20)+`"}]}`), "longer than"},
	} {
		_, err := replay.Stream([]string{c.path}, replay.Options{}, func(replay.Event) error { return nil })
		var at *replay.FileError
		if !errors.As(err, &at) || at.File != c.path || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	stop := errors.New("enough")
	if _, err := replay.Stream([]string{file(t, dir, "g.json", records(line(1, "A")))}, replay.Options{}, func(replay.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
}

// A file of any content is read to its end or refused with a place in it, and what is given on is in order.
func FuzzRead(f *testing.F) {
	f.Add([]byte(records(line(5, "Decrypt"), line(3, "Encrypt"))))
	f.Add([]byte(line(1, "Sign") + "\n" + line(0, "Verify")))
	f.Add([]byte(`{"Records":[]}{"Records":[]}`))
	f.Add([]byte(`{"_source":{},"Records":null}`))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Add([]byte(`{"eventSource":"kms.amazonaws.com","eventName":"X","eventTime":"0001-01-01T00:00:00Z","userIdentity":5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		last := time.Time{}
		_, err := replay.Stream([]string{path}, replay.Options{MaxHeld: 3}, func(e replay.Event) error {
			if e.Time.Before(last) || e.Operation == "" || e.Caller == "" {
				t.Errorf("%+v after %v", e, last)
			}
			last = e.Time
			return nil
		})
		var at *replay.FileError
		if err != nil && !errors.As(err, &at) {
			t.Errorf("an error without a place: %v", err)
		}
	})
}
