package fastpath_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/audit"
	"trent/fastpath/servertest"
)

// TestRecordsOfResumedConnections: a connection that resumes a session has a key exchange of its own, and its records say
// of TLS what those of the first one say.
func TestRecordsOfResumedConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := servertest.Open(t.TempDir(), servertest.Options{Audit: &audit.Options{Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	s.HTTP().Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	client := s.KMS()
	for range 2 {
		if _, err := client.ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
			t.Error(err)
		}
		s.CloseIdle()
	}
	var text strings.Builder
	s.Core.WriteMetrics(&text)
	for _, line := range []string{
		"trent_tls_handshakes_resumed_total 1", `trent_tls_handshakes_total{version="TLS 1.3",group="X25519MLKEM768",hybrid="true"} 2`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := auditRecords(t, filepath.Join(dir, "AWSLogs"))
	if len(all) != 2 {
		t.Fatalf("%d records", len(all))
	}
	for _, r := range all {
		if d := r.TLSDetails; d["tlsVersion"] != "TLSv1.3" || d["cipherSuite"] == "" || d["keyExchange"] != "X25519MLKEM768" || d["clientProvidedHostHeader"] == "" {
			t.Errorf("%v", d)
		}
	}
}
