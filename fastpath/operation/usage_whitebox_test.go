package operation

import (
	"fmt"
	"sync"
	"testing"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

func snapshot(n int) *keyring.Snapshot {
	id := keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: fmt.Sprintf("00000000-0000-4000-8000-%012x", n)}
	return &keyring.Snapshot{ID: id, ARN: id.ARN()}
}

func callOf(n int) *Call {
	c := &Call{Operation: wire.OperationEncrypt}
	copy(c.RequestID[:], fmt.Sprintf("%036d", n))
	copy(c.EventID[:], fmt.Sprintf("%036d", n+1))
	return c
}

// TestUsageTable: the last use of each of many keys, with cells that come and go.
func TestUsageTable(t *testing.T) {
	t.Parallel()
	u := newUsageTable()
	const keys = 1000
	for round := range 3 {
		for n := range keys {
			c := callOf(n)
			u.mark(c, snapshot(n), int64(round))
			u.mark(c, snapshot(n), int64(round+10))
			if got, ok := u.read(snapshot(n).ARN); !ok || got.At.Unix() != int64(round+10) || got.Operation != "Encrypt" || got.RequestID != string(c.RequestID[:]) || got.EventID != string(c.EventID[:]) {
				t.Fatalf("%+v, %v", got, ok)
			}
		}
		if used, cells := u.collect(); len(used) != keys || len(cells) != keys {
			t.Errorf("round %d: %d used", round, len(used))
		}
		if _, ok := u.read(snapshot(1).ARN); !ok {
			t.Error("a use is forgotten with its flush")
		}
		for range 6 {
			if used, _ := u.collect(); len(used) != 0 || u.count != 0 {
				t.Errorf("%d used, %d kept", len(used), u.count)
			}
		}
		if _, ok := u.read(snapshot(1).ARN); ok || len(*u.buckets.Load()) > firstUsageBuckets {
			t.Errorf("idle keys are kept, in %d buckets", len(*u.buckets.Load()))
		}
	}
}

// TestUsageRaces: requests on few keys while the table is collected without pause. No use is ever mixed of two, and
// the last one of each key is never lost.
func TestUsageRaces(t *testing.T) {
	t.Parallel()
	u := newUsageTable()
	const keys, workers, uses = 3, 4, 5000
	stop := make(chan struct{})
	last := map[string]int64{}
	keep := func(used []keyring.KeyUsage) {
		for _, one := range used {
			if one.RequestID != fmt.Sprintf("%036d", one.At.Unix()) || one.EventID != fmt.Sprintf("%036d", one.At.Unix()+1) {
				t.Errorf("a use of two: %+v", one)
			}
			last[one.Key.Key] = one.At.Unix()
		}
	}
	var collector, requests sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				used, _ := u.collect()
				keep(used)
				u.read(snapshot(1).ARN)
			}
		}
	})
	var mu sync.Mutex // a key's last use is known where its uses have an order
	next := [keys]int64{}
	for range workers {
		requests.Go(func() {
			c := &Call{Operation: wire.OperationEncrypt}
			for i := range uses {
				key := i % keys
				mu.Lock()
				next[key]++
				n := callOf(int(next[key]))
				c.RequestID, c.EventID = n.RequestID, n.EventID
				u.mark(c, snapshot(key), next[key])
				mu.Unlock()
			}
		})
	}
	requests.Wait()
	close(stop)
	collector.Wait()
	used, _ := u.collect()
	keep(used)
	for n := range keys {
		if got := last[snapshot(n).Key]; got != next[n] {
			t.Errorf("key %d: the last use is %d, want %d", n, got, next[n])
		}
	}
}

func BenchmarkUsage(b *testing.B) {
	u := newUsageTable()
	keys := make([]*keyring.Snapshot, 1000)
	for i := range keys {
		keys[i] = snapshot(i)
	}
	c := callOf(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		u.mark(c, keys[i%len(keys)], 1)
	}
}

// TestTracked: the rows mark exactly the API's enumeration.
func TestTracked(t *testing.T) {
	t.Parallel()
	table := newTable()
	for op := range wire.NumOperations {
		if tracked := trackingOperation(op.String()) != 0; tracked != table[op].tracked {
			t.Errorf("%s: tracked %v, want %v", op, table[op].tracked, tracked)
		}
	}
}
