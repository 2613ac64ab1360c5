package pebblestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"trent/store"
	"trent/store/pebblestore"
)

// pair writes two records that must always agree: transactions are atomic.
func pair(writer, i int) store.Txn {
	value := strconv.AppendInt(nil, int64(i), 10)
	return store.Txn{Put: []store.Record{
		{Key: fmt.Appendf(nil, "left/%d", writer), Value: value},
		{Key: fmt.Appendf(nil, "right/%d", writer), Value: value},
	}}
}

// checkPairs checks that each writer's pair agrees and is at least what was answered.
func checkPairs(t *testing.T, s store.Store, answered []int) {
	t.Helper()
	for w, least := range answered {
		left, errLeft := s.Load(t.Context(), fmt.Appendf(nil, "left/%d", w))
		right, errRight := s.Load(t.Context(), fmt.Appendf(nil, "right/%d", w))
		if least == 0 && errors.Is(errLeft, store.ErrNotFound) && errors.Is(errRight, store.ErrNotFound) {
			continue
		}
		if errLeft != nil || errRight != nil {
			t.Errorf("writer %d, answered %d: %v, %v", w, least, errLeft, errRight)
			continue
		}
		if n, err := strconv.Atoi(string(left.Value)); err != nil || n < least || string(left.Value) != string(right.Value) || left.Revision != right.Revision {
			t.Errorf("writer %d: %q at %d and %q at %d; answered %d", w, left.Value, left.Revision, right.Value, right.Revision, least)
		}
	}
}

// TestCrash crashes a file system that forgets unsynced writes, all or some of them, while writers run.
func TestCrash(t *testing.T) {
	t.Parallel()
	const writers, crashes = 4, 12
	fs := vfs.NewCrashableMem()
	s := open(t, "/store", pebblestore.Options{FS: fs, HistoryRevisions: 50})
	var mu sync.Mutex
	answered := make([]int, writers)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 1; ; i++ {
				if _, err := s.Commit(ctx, pair(w, i)); err != nil {
					if ctx.Err() == nil {
						t.Errorf("Commit: %v", err)
					}
					return
				}
				mu.Lock()
				answered[w] = i
				mu.Unlock()
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	watched := store.Revision(0)
	for crash := range crashes {
		// Let some commits pass between crashes.
		enough := errors.New("enough")
		err := s.Watch(ctx, watched, func(upTo store.Revision, _ []store.Record) error {
			if upTo > watched+store.Revision(1+rng.IntN(40)) {
				watched = upTo
				return enough
			}
			return nil
		})
		if errors.Is(err, store.ErrCompacted) {
			watched, err = s.Head(ctx)
			enough = nil
		}
		if !errors.Is(err, enough) {
			t.Fatalf("Watch: %v", err)
		}
		mu.Lock()
		promised := append([]int(nil), answered...)
		mu.Unlock()
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[crash%3], RNG: rng})
		re := open(t, "/store", pebblestore.Options{FS: clone, HistoryRevisions: 50})
		checkPairs(t, re, promised)
		// What has been recovered is durable, and a second crash takes none of it.
		head, err := re.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again := open(t, "/store", pebblestore.Options{FS: clone.CrashClone(vfs.CrashCloneCfg{})})
		if got, err := again.Head(t.Context()); got != head || err != nil {
			t.Errorf("after a second crash: head %d, %v; want %d", got, err, head)
		}
		checkPairs(t, again, promised)
		again.Close()
		re.Close()
	}
	cancel()
	wg.Wait()
}

// TestCrashWhileMaking crashes at every file operation that makes a new store: the next Open makes it.
func TestCrashWhileMaking(t *testing.T) {
	t.Parallel()
	for n := int32(0); ; n++ {
		fs := vfs.NewCrashableMem()
		if err := fs.MkdirAll("/store", 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := fs.OpenDir("/")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(root.Sync(), root.Close()); err != nil {
			t.Fatal(err)
		}
		left, clone := n, (*vfs.MemFS)(nil)
		var mu sync.Mutex
		faulty := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if left--; left == -1 {
				clone = fs.CrashClone(vfs.CrashCloneCfg{})
			}
			return nil
		}))
		s, err := pebblestore.Open("/store", pebblestore.Options{FS: faulty})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		s.Close()
		mu.Lock()
		crashed := clone
		mu.Unlock()
		if crashed == nil {
			if n < 10 {
				t.Errorf("a store is made in %d operations only", n)
			}
			return
		}
		s, err = pebblestore.Open("/store", pebblestore.Options{FS: crashed})
		if err != nil {
			t.Fatalf("Open after a crash at operation %d: %v", n, err)
		}
		if _, err := s.Commit(t.Context(), pair(0, 1)); err != nil {
			t.Errorf("Commit: %v", err)
		}
		s.Close()
	}
}

// TestDiskErrors lets writes of the log fail, and then those of the manifest.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern string
		kinds         []errorfs.OpKind
		large         bool // a transaction that makes Pebble flush its memtable, and so write the manifest
	}{
		{"log write", ".log", []errorfs.OpKind{errorfs.OpFileWrite}, false},
		{"log sync", ".log", []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}, false},
		{"manifest write", "MANIFEST-", []errorfs.OpKind{errorfs.OpFileWrite}, true},
		{"manifest sync", "MANIFEST-", []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewCrashableMem()
			toggle := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
				if slices.Contains(c.kinds, op.Kind) && strings.Contains(op.Path, c.pattern) {
					return errorfs.ErrInjected
				}
				return nil
			})}
			s, err := pebblestore.Open("/store", pebblestore.Options{FS: errorfs.Wrap(mem, toggle)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Commit(t.Context(), pair(0, 1)); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				ended <- s.Watch(ctx, 0, func(store.Revision, []store.Record) error { return nil })
			}()
			toggle.On()
			txn := pair(0, 2)
			if c.large {
				for i := range 60 {
					txn.Put = append(txn.Put, store.Record{Key: fmt.Appendf(nil, "large/%d", i), Value: make([]byte, store.MaxValueBytes)})
				}
			}
			_, err = s.Commit(ctx, txn)
			if !c.large && !errors.Is(err, store.ErrAmbiguous) {
				t.Errorf("Commit: %v; want ErrAmbiguous", err)
			}
			if err := <-ended; !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Watch: %v; want ErrUnavailable", err)
			}
			if _, err := s.Commit(t.Context(), pair(0, 3)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Commit after the failure: %v; want ErrUnavailable", err)
			}
			if _, err := s.Load(t.Context(), []byte("left/0")); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Load after the failure: %v; want ErrUnavailable", err)
			}
			if _, err := s.Head(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Head after the failure: %v; want ErrUnavailable", err)
			}
			if err := s.Close(); err == nil && c.large {
				t.Error("Close of a store that Pebble stopped: no error")
			}
			re := open(t, "/store", pebblestore.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
			checkPairs(t, re, []int{1})
			if _, err := re.Commit(t.Context(), pair(0, 4)); err != nil {
				t.Errorf("Commit after reopening: %v", err)
			}
		})
	}
}

// Environment of the process that TestKill starts and kills.
const (
	killDir     = "PEBBLESTORE_TEST_KILL_DIR"
	killWriters = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled commits from several goroutines and prints "writer number revision" for each answer.
func writeUntilKilled(dir string) error {
	s, err := pebblestore.Open(dir, pebblestore.Options{HistoryRevisions: 500})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	fail := make(chan error, killWriters)
	for w := range killWriters {
		from := 1
		if r, err := s.Load(context.Background(), fmt.Appendf(nil, "left/%d", w)); err == nil {
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				return err
			}
			from = n + 1
		}
		go func() {
			for i := from; ; i++ {
				rev, err := s.Commit(context.Background(), pair(w, i))
				if err != nil {
					fail <- err
					return
				}
				mu.Lock()
				_, err = fmt.Printf("%d %d %d\n", w, i, rev)
				mu.Unlock()
				if err != nil {
					fail <- err
					return
				}
			}
		}()
	}
	return <-fail
}

// TestKill kills a process with writers at random moments, and expects every answered write to be there.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	answered := make([]int, killWriters)
	newest := store.Revision(0)
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killAfter := 1 + rand.IntN(400)
		for n := 0; lines.Scan(); n++ {
			var w, i int
			var rev store.Revision
			if _, err := fmt.Sscan(lines.Text(), &w, &i, &rev); err != nil {
				break // the last line, cut off
			}
			answered[w], newest = max(answered[w], i), max(newest, rev)
			if n == killAfter {
				if n := rand.IntN(3); n > 0 {
					time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, func() { cmd.Process.Kill() })
				} else {
					cmd.Process.Kill()
				}
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("round %d: the writing process ended by itself: %v", round, err)
		}
		s, err := pebblestore.Open(dir, pebblestore.Options{HistoryRevisions: 500})
		if err != nil {
			t.Fatalf("round %d: Open: %v", round, err)
		}
		checkPairs(t, s, answered)
		if head, err := s.Head(t.Context()); err != nil || head < newest {
			t.Errorf("round %d: head %d, %v; answered %d", round, head, err, newest)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d commits answered up to revision %d", answered, newest)
}
