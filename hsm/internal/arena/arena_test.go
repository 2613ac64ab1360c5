package arena_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"trent/hsm/internal/arena"
)

type slot struct {
	key  [32]byte
	used uint64
	pad  [100]byte
}

func open(t *testing.T, o arena.Options) *arena.Arena {
	t.Helper()
	a, err := arena.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestTakeIsAlignedZeroAndApart(t *testing.T) {
	t.Parallel()
	const n = 50
	a := open(t, arena.Options{Bytes: arena.SizeOf[slot](n)})
	slots := make([]*slot, n)
	for i := range slots {
		slots[i] = arena.Take[slot](a)
		if at := uintptr(unsafe.Pointer(slots[i])); at%arena.Align != 0 {
			t.Fatalf("slot %d at %#x is not aligned", i, at)
		}
		if *slots[i] != (slot{}) {
			t.Fatalf("slot %d is not zero", i)
		}
	}
	for i, s := range slots {
		for j := range s.key {
			s.key[j] = byte(i)
		}
		s.used = uint64(i)
	}
	for i, s := range slots {
		if s.used != uint64(i) || s.key != [32]byte(bytes.Repeat([]byte{byte(i)}, 32)) {
			t.Fatalf("slot %d shares memory", i)
		}
	}
	a.Wipe()
	for i, s := range slots {
		if *s != (slot{}) {
			t.Fatalf("slot %d survived Wipe", i)
		}
	}
}

func TestKindIsReported(t *testing.T) {
	t.Parallel()
	a := open(t, arena.Options{Bytes: 1})
	switch {
	case a.Bytes() < 1:
		t.Errorf("Bytes %d", a.Bytes())
	case a.Kind() == arena.MemfdSecret && a.Why() != "":
		t.Errorf("Why %q for the best kind", a.Why())
	case a.Kind() != arena.MemfdSecret && a.Why() == "":
		t.Errorf("no reason for %s", a.Kind())
	}
	t.Logf("%s %s", a, a.Why())
}

func TestTakePanics(t *testing.T) {
	t.Parallel()
	a := open(t, arena.Options{Bytes: 1})
	mustPanic(t, "used up", func() {
		for range 1 << 20 {
			arena.Take[slot](a)
		}
	})
	mustPanic(t, "pointer", func() { arena.Take[struct{ p *int }](a) })
	mustPanic(t, "pointer", func() { arena.Take[[2]string](a) })
}

func mustPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "arena: ") || !strings.Contains(r, part) {
			t.Errorf("panic %q, want %q", r, part)
		}
	}()
	f()
}

func TestPrintingShowsNoContents(t *testing.T) {
	t.Parallel()
	a := open(t, arena.Options{Bytes: 4096})
	s := arena.Take[slot](a)
	copy(s.key[:], "canary-canary-canary-canary-cana")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		out := fmt.Sprintf(verb, a)
		if strings.Contains(out, "canary") || strings.Contains(out, "99, 97") || len(out) > 100 {
			t.Errorf("%s prints %.100q", verb, out)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -1} {
		if _, err := arena.New(arena.Options{Bytes: n}); err == nil {
			t.Errorf("an arena of %d bytes", n)
		}
	}
}

func TestRequireLocked(t *testing.T) {
	t.Parallel()
	a, err := arena.New(arena.Options{Bytes: 1, RequireLocked: true})
	if err != nil {
		if !errors.Is(err, arena.ErrUnlocked) || len(err.Error()) < len(arena.ErrUnlocked.Error())+5 {
			t.Errorf("error %v without the kind or the reason", err)
		}
		return
	}
	defer a.Close()
	if a.Kind() > arena.Mlock {
		t.Errorf("RequireLocked gave %s", a.Kind())
	}
}
