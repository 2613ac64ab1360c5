package fastpath_test

import (
	"strings"
	"testing"

	"trent/fastpath/servertest"
)

// TestPartMetrics: what HSM, keyring and store say of themselves is shown, each name with a type before it.
func TestPartMetrics(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	var text strings.Builder
	s.Core.WriteMetrics(&text)
	for _, want := range []string{"\ntrent_hsm_engines ", "\ntrent_hsm_engine_queue 0\n", "\ntrent_hsm_engine_waits_total 0\n",
		"\ntrent_hsm_engine_wait_seconds_total 0\n", "\ntrent_keyring_evicted_total 0\n", "\ntrent_store_commit_queue 0\n", "\ntrent_store_sync_seconds_bucket{le=\"+Inf\"} "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
