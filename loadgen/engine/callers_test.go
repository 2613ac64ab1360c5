package engine_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// Each entry is signed by the caller it names, in that caller's Region; the others by the target's credentials.
func TestCallers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		f := newFakeKMS(t)
		var mu sync.Mutex
		got := map[string]string{}
		f.misbehave = func(_ uint64, operation string, w http.ResponseWriter, r *http.Request) bool {
			_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			parts := strings.Split(scope, "/")
			mu.Lock()
			defer mu.Unlock()
			got[operation] = parts[0] + " " + parts[2] + " " + r.Header.Get("X-Amz-Security-Token")
			_, _ = w.Write([]byte("{}"))
			return true
		}
		w := parse(t, `name: t
mix:
  - {operation: ListKeys, caller: alice}
  - {operation: GenerateRandom, caller: bob}
  - {operation: ListAliases, caller: nobody}
  - {name: own, operation: DescribeKey}
keys: [{name: k}]
`)
		target := f.target()
		target.Callers = map[string]engine.Caller{
			"alice": {Credentials: engine.Credentials{AccessKeyID: "ALICE", Secret: "a"}},
			"bob":   {Credentials: engine.Credentials{AccessKeyID: "BOB", Secret: "b", SessionToken: "token"}, Region: "eu-west-1"},
		}
		_, s := run(t, e, &engine.Plan{Target: target, Workload: w, Keys: engine.FakeKeys(w), Connections: 4, Schedule: schedule.Constant(200, 300*time.Millisecond)})
		want := map[string]string{"ListKeys": "ALICE us-east-1 ", "GenerateRandom": "BOB eu-west-1 token", "ListAliases": "test us-east-1 ", "DescribeKey": "test us-east-1 "}
		if diff := cmp.Diff(want, got); diff != "" || s.Count(measure.OK) != 60 {
			t.Errorf("%d OK (-want +got):\n%s", s.Count(measure.OK), diff)
		}
	})
}
