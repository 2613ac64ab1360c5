package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"trent/store"
)

// listing is List as strings "key=value".
func listing(t tb, s store.Store, prefix, after []byte, limit int) ([]string, bool) {
	t.Helper()
	rs, more, err := s.List(within(t), prefix, after, limit)
	if err != nil {
		t.Fatalf("List(%q, %q, %d): %v", prefix, after, limit, err)
	}
	var out []string
	for _, r := range rs {
		out = append(out, string(r.Key)+"="+string(r.Value))
	}
	return out, more
}

func testList(t *testing.T, s store.Store) {
	if got, more := listing(t, s, nil, nil, 10); got != nil || more {
		t.Errorf("empty store: %q, %v", got, more)
	}
	commit(t, s, puts(put("b/2", "2"), put("a", "0"), put("b/1", "1"), put("c", "4"), put("b/10", "3"), put("b", "")))
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          []string
		more          bool
	}{
		{"", "", 10, []string{"a=0", "b=", "b/1=1", "b/10=3", "b/2=2", "c=4"}, false},
		{"", "", 6, []string{"a=0", "b=", "b/1=1", "b/10=3", "b/2=2", "c=4"}, false},
		{"", "", 5, []string{"a=0", "b=", "b/1=1", "b/10=3", "b/2=2"}, true},
		{"b/", "", 10, []string{"b/1=1", "b/10=3", "b/2=2"}, false},
		{"b/", "", 3, []string{"b/1=1", "b/10=3", "b/2=2"}, false},
		{"b/", "", 1, []string{"b/1=1"}, true},
		{"b/", "b/1", 10, []string{"b/10=3", "b/2=2"}, false},
		{"b/", "b/1", 1, []string{"b/10=3"}, true},
		{"b/", "b/11", 10, []string{"b/2=2"}, false}, // after a key that is absent
		{"b/", "b/2", 10, nil, false},
		{"b/", "a", 10, []string{"b/1=1", "b/10=3", "b/2=2"}, false}, // before the prefix
		{"b/", "c", 10, nil, false},                                  // beyond it
		{"b/", "", 0, nil, true},
		{"b/", "b/2", 0, nil, false},
		{"b/", "", -1, nil, true},
		{"d", "", 10, nil, false},
		{"b/10", "", 10, []string{"b/10=3"}, false},
	} {
		var after []byte
		if c.after != "" {
			after = []byte(c.after)
		}
		got, more := listing(t, s, []byte(c.prefix), after, c.limit)
		if !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("List(%q, %q, %d) = %q, %v; want %q, %v", c.prefix, c.after, c.limit, got, more, c.want, c.more)
		}
	}
}

// testListPages reads everything page by page, with every page size.
func testListPages(t *testing.T, s store.Store) {
	var want []string
	for i := range 4 {
		var txn store.Txn
		for j := range 25 {
			key := fmt.Sprintf("k/%03d", 25*i+j)
			txn.Put = append(txn.Put, put(key, ""))
			want = append(want, key+"=")
		}
		commit(t, s, txn)
	}
	for _, size := range []int{1, 2, 3, 7, 50, 99, 100, 101} {
		var got []string
		var after []byte
		for more := true; more; {
			var page []string
			if page, more = listing(t, s, []byte("k/"), after, size); more && len(page) != size {
				t.Fatalf("page of %d, want %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			last := page[len(page)-1]
			after = []byte(last[:len(last)-1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d records, want %d in order", size, len(got), len(want))
		}
	}
}

// testListPrefixes has prefixes whose end is not their last byte plus one.
func testListPrefixes(t *testing.T, s store.Store) {
	commit(t, s, puts(put("\x00", ""), put("\x00\x00", ""), put("a\xfe", ""), put("a\xff", ""), put("a\xff\xff", ""),
		put("b", ""), put("\xff", ""), put("\xff\xff", ""), put("\xff\xff\x01", "")))
	for prefix, want := range map[string]int{"": 9, "\x00": 2, "a\xff": 2, "a\xff\xff": 1, "a": 3, "\xff": 3, "\xff\xff": 2, "\xff\xff\xff": 0} {
		if got, more := listing(t, s, []byte(prefix), nil, 100); len(got) != want || more {
			t.Errorf("List(%q) = %q, %v; want %d", prefix, got, more, want)
		}
	}
}

// testListMoment moves a record about while listing: a list sees it exactly once.
func testListMoment(t *testing.T, s store.Store) {
	const places = 8
	commit(t, s, puts(put("0", "")))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			rs, _, err := s.List(within(t), nil, nil, 1)
			if err != nil || len(rs) != 1 {
				t.Errorf("List = %v, %v", rs, err)
				return
			}
			to := fmt.Sprint(i * 5 % places)
			if to == string(rs[0].Key) {
				continue
			}
			if _, err := s.Commit(within(t), store.Txn{Put: []store.Record{put(to, "")}, Delete: [][]byte{rs[0].Key}}); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	for range 300 {
		if got, _ := listing(t, s, nil, nil, places); len(got) != 1 {
			t.Errorf("List saw %q", got)
			break
		}
	}
	close(stop)
	wg.Wait()
}
