package fastpath_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keystore"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
	"trent/hsm"
)

// TestNothingRunsAfterClose does not run beside other tests, since it counts the process's goroutines. A key of the
// pool that is in the making outlives the server, and is waited for.
func TestNothingRunsAfterClose(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { nothingRuns(t, false) })
	t.Run("appliance", func(t *testing.T) { nothingRuns(t, true) })
}

func nothingRuns(t *testing.T, appliance bool) {
	round := func() {
		s, err := servertest.Open(t.TempDir(), servertest.Options{
			Appliance: appliance, TestClock: true, KeyPool: map[hsm.KeySpec]int{hsm.RSA2048: 2},
			KeyStores:   &keystore.Config{Clusters: []keystore.ClusterConfig{{ID: "cluster-2a34b5cdefg"}}},
			Transitions: operation.Transitions{Creating: time.Hour, Updating: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		id := newKey(t, s)
		for _, r := range []struct{ operation, body string }{
			{"Encrypt", `{"KeyId":"` + id + `","Plaintext":"YQ=="}`},
			{"GetParametersForImport", `{"KeyId":"` + id + `","WrappingAlgorithm":"RSAES_OAEP_SHA_256","WrappingKeySpec":"RSA_2048"}`},
			{"GenerateDataKeyPair", `{"KeyId":"` + id + `","KeyPairSpec":"ECC_NIST_P256"}`},
			{"EnableKeyRotation", `{"KeyId":"` + id + `"}`},
			{"ConnectCustomKeyStore", `{"CustomKeyStoreId":"cks-00000000000000000"}`},
		} {
			s.Call(t, r.operation, r.body)
		}
		s.Advance(t, 400*24*time.Hour)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	round() // what the process starts once
	before, _ := ownGoroutines()
	round()
	round()
	after, stacks := ownGoroutines()
	for deadline := time.Now().Add(time.Minute); after > before && time.Now().Before(deadline); {
		runtime.Gosched()
		after, stacks = ownGoroutines()
	}
	if after > before {
		t.Errorf("%d goroutines before, %d after\n%s", before, after, stacks)
	}
}

// ownGoroutines counts those of the product and of its store.
func ownGoroutines() (int, string) {
	all := make([]byte, 4<<20)
	var own []string
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, "\ntrent/") || strings.Contains(stack, "/pebble") {
			own = append(own, stack)
		}
	}
	return len(own), strings.Join(own, "\n\n")
}
