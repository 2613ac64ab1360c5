package authz_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"trent/fastpath/authz"
)

func TestInterner(t *testing.T) {
	t.Parallel()
	var n authz.Interner
	doc := []byte(authz.DefaultPolicy("aws", account))
	first, err := n.Compile(authz.KindKey, doc)
	if err != nil {
		t.Fatal(err)
	}
	second, err := n.Compile(authz.KindKey, append([]byte(nil), doc...))
	if err != nil || second != first {
		t.Errorf("the same text has two forms (%v)", err)
	}
	identity := []byte(statement(`"Effect":"Allow","Action":"*","Resource":"*"`))
	boundary, _ := n.Compile(authz.KindBoundary, identity)
	if other, _ := n.Compile(authz.KindIdentity, identity); other == boundary || other.Kind != authz.KindIdentity {
		t.Error("kinds share a form")
	}
	if _, err := n.Compile(authz.KindKey, []byte("{")); err == nil {
		t.Error("a broken document has a compiled form")
	}
	var wait sync.WaitGroup
	forms := make([]*authz.Compiled, 16)
	for i := range forms {
		wait.Go(func() { forms[i], _ = n.Compile(authz.KindKey, []byte(authz.DefaultPolicy("aws", otherAccount))) })
	}
	wait.Wait()
	for _, c := range forms {
		if c != forms[0] {
			t.Error("two forms were kept at once")
		}
	}
	runtime.KeepAlive(first)
}

// What nobody uses goes; the collector's cleanups run in their own time, so collections are repeated until they have.
func TestInternerForgets(t *testing.T) {
	t.Parallel()
	var n authz.Interner
	kept, err := n.Compile(authz.KindKey, []byte(authz.DefaultPolicy("aws", account)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := n.Compile(authz.KindKey, []byte(authz.DefaultPolicy("aws", fmt.Sprintf("%012d", i)))); err != nil {
			t.Fatal(err)
		}
	}
	for tries := 0; n.Len() > 1; tries++ {
		if tries == 1000 {
			t.Fatalf("%d policies are held, one is in use", n.Len())
		}
		runtime.GC()
		runtime.Gosched()
	}
	if again, _ := n.Compile(authz.KindKey, []byte(authz.DefaultPolicy("aws", account))); again != kept {
		t.Error("a policy in use was forgotten")
	}
}
