package audit_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trent/fastpath/audit"
)

func TestRecordHasTheServicesForm(t *testing.T) {
	t.Parallel()
	e := usual()
	e.UserIdentity = []byte(`{"type":"Root"}`)
	copy(e.SharedEventID[:], "0f0f0f0f-0000-4aaa-8bbb-ccccdddd0002")
	e.Endpoint, e.EndpointAccount = "vpce-0123456789abcdef0", "111122223333"
	const want = `{"eventVersion":"1.11","userIdentity":{"type":"Root"},"eventTime":"2025-06-15T15:06:40Z","eventSource":"kms.amazonaws.com",` +
		`"eventName":"Decrypt","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.10","userAgent":"aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 md/GOOS#linux md/GOARCH#amd64 api/kms#1.38.1 m/E,e",` +
		`"requestParameters":{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"tenant":"example","purpose":"session"},"keyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},` +
		`"responseElements":null,"additionalEventData":{"keyMaterialId":"96083e4fb6dbc41d77578a213a6b6669c044dd4c143e96755396d2bf11fd6068"},` +
		`"requestID":"7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01","eventID":"1f2e3d4c-0000-4aaa-8bbb-ccccdddd0001","readOnly":true,` +
		`"resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}],` +
		`"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","sharedEventID":"0f0f0f0f-0000-4aaa-8bbb-ccccdddd0002",` +
		`"vpcEndpointId":"vpce-0123456789abcdef0","vpcEndpointAccountId":"111122223333","eventCategory":"Management",` +
		`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"kms.us-east-1.amazonaws.com","keyExchange":"X25519MLKEM768"}}`
	if got := audit.Render(&e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordOfAServiceEvent(t *testing.T) {
	t.Parallel()
	e := audit.Entry{
		At: time.Unix(1_750_000_000, 0), EventSource: "kms.amazonaws.com", EventName: "DeleteKey", Region: "us-east-1", Agent: "AWS Internal",
		Recipient: "111122223333", ServiceEvent: true, Details: []byte(`{"keyId":"k"}`),
	}
	copy(e.EventID[:], "1f2e3d4c-0000-4aaa-8bbb-ccccdddd0001")
	const want = `{"eventVersion":"1.11","userIdentity":{"accountId":"111122223333","invokedBy":"AWS Internal"},"eventTime":"2025-06-15T15:06:40Z",` +
		`"eventSource":"kms.amazonaws.com","eventName":"DeleteKey","awsRegion":"us-east-1","sourceIPAddress":"AWS Internal","userAgent":"AWS Internal",` +
		`"requestParameters":null,"responseElements":null,"eventID":"1f2e3d4c-0000-4aaa-8bbb-ccccdddd0001","readOnly":false,"resources":[],` +
		`"eventType":"AwsServiceEvent","managementEvent":true,"recipientAccountId":"111122223333","serviceEventDetails":{"keyId":"k"},"eventCategory":"Management"}`
	if got := audit.Render(&e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What clients choose cannot break out of a record, nor make it as long as they like.
func TestRecordsOfHostileRequestsAreJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, audit.Options{Dir: dir})
	e := usual()
	e.UserAgent = []byte(strings.Repeat("\"\\\x00\xff\x7f\n€", 4000))
	e.HostHeader = []byte("a\"},{\"b")
	e.ErrorCode, e.ErrorMessage = "AccessDenied", strings.Repeat("é\"", 5000)
	e.Parameters = []byte(`{"policy":"` + strings.Repeat("x", 200<<10) + `"}`)
	e.Address = netip.MustParseAddr("fe80::1%eth0")
	l.Record(0, &e)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := readAll(t, dir)
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	var r struct {
		UserAgent, ErrorMessage, SourceIPAddress string
		RequestParameters                        struct {
			Omitted      bool
			OriginalSize int
			Reason       string
		}
	}
	if err := json.Unmarshal(all[0], &r); err != nil {
		t.Fatal(err)
	}
	if len(all[0]) > 16<<10 || len(r.ErrorMessage) > 1024 || !r.RequestParameters.Omitted || r.RequestParameters.OriginalSize != len(e.Parameters) ||
		r.RequestParameters.Reason != "requestParameters too large" || r.SourceIPAddress != "fe80::1" {
		t.Errorf("%d bytes: %.2000s", len(all[0]), all[0])
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\x00", "é€😀", "\xff\xc3", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal([]byte(audit.AppendString(s)), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ReplaceAll(got, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
