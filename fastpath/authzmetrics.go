package fastpath

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/operation"
)

// decisionCounts counts decisions by reason and kind of the deciding policy. Each shard is written by whoever was given its
// number; readers add them up.
type decisionCounts struct{ shards []decisionShard }

const (
	countedReasons = int(authz.DeniedElsewhere) + 1
	countedKinds   = int(authz.KindGrant) + 1
)

type decisionShard struct {
	n [countedReasons][countedKinds]uint64
	_ [64]byte // so that two shards never share a cache line
}

func newDecisionCounts(shards int) *decisionCounts {
	return &decisionCounts{make([]decisionShard, max(1, shards))}
}

// count adds the decisions of one request. It allocates nothing and takes no lock.
func (c *decisionCounts) count(shard int, made []operation.Made) {
	for i := range made {
		if d := &made[i]; int(d.Reason) < countedReasons && int(d.Kind) < countedKinds {
			atomic.AddUint64(&c.shards[shard].n[d.Reason][d.Kind], 1)
		}
	}
}

// reasonNames are the results of decisions as metrics name them.
var reasonNames = [countedReasons]string{
	authz.AllowedByPolicy: "allowed", authz.AllowedByGrant: "allowed", authz.DeniedExplicitly: "explicit_deny",
	authz.DeniedImplicitly: "implicit_deny", authz.DeniedElsewhere: "not_visible",
}

func (c *decisionCounts) write(w io.Writer) {
	fmt.Fprint(w, "# TYPE trent_authorization_decisions_total counter\n")
	for reason := range countedReasons {
		for kind := range countedKinds {
			var n uint64
			for i := range c.shards {
				n += atomic.LoadUint64(&c.shards[i].n[reason][kind])
			}
			if n > 0 {
				fmt.Fprintf(w, "trent_authorization_decisions_total{result=%q,by=%q} %d\n", reasonNames[reason], authz.Kind(kind), n)
			}
		}
	}
}

// maxKeysShown bounds how many keys have figures of their own: each is a time series wherever the figures are kept.
const maxKeysShown = 1000

// writeKeyMetrics writes what is known of single keys among those in the cache: when imported material expires next
// (CloudWatch: SecondsUntilKeyMaterialExpiration), and when and how a key was last used.
func (s *Server) writeKeyMetrics(w io.Writer) {
	fmt.Fprint(w, "# TYPE trent_key_material_expiration_seconds gauge\n")
	shown, now := 0, s.clock()
	for key := range s.keys.Cached() {
		if key.ExpiresMillis == 0 || shown == maxKeysShown {
			continue
		}
		shown++
		left := time.UnixMilli(key.ExpiresMillis).Sub(now).Seconds()
		fmt.Fprintf(w, "trent_key_material_expiration_seconds{key_arn=%q} %.0f\n", key.ARN, max(0, left))
	}
	fmt.Fprint(w, "# TYPE trent_key_last_use_timestamp_seconds gauge\n")
	shown = 0
	s.operations.LastUses(func(arn, operation string, at time.Time) bool {
		fmt.Fprintf(w, "trent_key_last_use_timestamp_seconds{key_arn=%q,operation=%q} %d\n", arn, operation, at.Unix())
		shown++
		return shown < maxKeysShown
	})
}
