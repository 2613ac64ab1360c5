package measure_test

import (
	"testing"
	"time"

	"trent/loadgen/measure"
)

// Lags of the warm-up are no lags of what is judged.
func TestLagsFrom(t *testing.T) {
	t.Parallel()
	r := measure.NewRecorder(measure.Config{Entries: []string{"a"}, LagsFrom: time.Second})
	shard := r.NewShard()
	for i := range 20 {
		due := time.Duration(i) * 100 * time.Millisecond
		lag := 50 * time.Millisecond
		if due >= time.Second {
			lag = time.Millisecond
		}
		shard.Record(&measure.Sample{Due: due, Handed: due + lag, ConnFree: due + lag, FirstWrite: due + lag, FirstByte: due + lag, Done: due + lag, Outcome: measure.OK})
	}
	s := r.Summary()
	if lag := s.ClientLag(); lag.TotalCount() != 10 || measure.Quantile(lag, 1) > 2*time.Millisecond || s.Count(measure.OK) != 20 {
		t.Errorf("%d lags up to %v of %d hits", lag.TotalCount(), measure.Quantile(lag, 1), s.Count(measure.OK))
	}
}
