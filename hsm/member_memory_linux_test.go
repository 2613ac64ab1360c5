package hsm_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// hidden is the beginning of a secret, multiplied by an odd number, so that looking for it leaves no copy of it. (With
// an exclusive or the compiler compares what is found with the bare secret.)
type hidden struct {
	name   string
	masked uint64
	found  int
}

const odd = 0x9e3779b97f4a7c15

func newHidden(name string, secret []byte, pad uint64) *hidden {
	return &hidden{name: name, masked: veil(secret, pad)}
}

// veil stands alone so that nothing of it is kept on a stack.
//
//go:noinline
func veil(secret []byte, pad uint64) uint64 { return (binary.LittleEndian.Uint64(secret) ^ pad) * odd }

// scanSelf looks through all memory of this process that can be read, but the arenas.
func scanSelf(t *testing.T, needles []*hidden, arenas ...[]byte) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip("this process may not read its own memory")
	}
	defer mem.Close()
	buf := make([]byte, 1<<20)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") || inArena(from, arenas) {
			continue
		}
		for at := from; at < to; at += uint64(len(buf)) - 8 {
			n, err := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at))
			if err != nil || n < 8 {
				break
			}
			for i := range n - 7 {
				word := binary.LittleEndian.Uint64(buf[i:]) * odd
				for _, one := range needles {
					if word == one.masked {
						one.found++
					}
				}
			}
		}
	}
}

func inArena(at uint64, arenas [][]byte) bool {
	for _, a := range arenas {
		begin := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(a))))
		if at >= begin && at < begin+uint64(len(a)) {
			return true
		}
	}
	return false
}

// TestDomainKeysStayInTheArena: after everything that touches them, domain keys are nowhere else.
func TestDomainKeysStayInTheArena(t *testing.T) {
	c := newCast(t, 1)
	members, token := newDomain(t, c, 2)
	if s, _ := members[0].Status(t.Context()); s.ArenaKind == "heap" {
		t.Skip("with the race detector the arena is the heap")
	}
	k := newKey(t, members[0], hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	for _, cmd := range []domain.Command{{Kind: domain.RotateKeys}, {Kind: domain.ActivateKey, Version: 2}, {Kind: domain.RotateKeys}} {
		token = execute(t, members[0], c.command(t, token, cmd))
		install(t, token, members...)
		if err := members[1].Do(&hsm.Call{Op: hsm.OpRewrap, Key: k, Out: make([]byte, 0, 512)}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := openMember(t, hsm.MemberConfig{})
	self := selfOf(t, fresh).HSM
	token = execute(t, fresh, hsm.WithDomainToken(c.command(t, token, domain.Command{
		Kind: domain.RecoverDomain, Target: domain.FingerprintOf(self.Signing), Members: []hsm.DomainHSM{self}, Threshold: 1,
		Shares: [][]byte{c.share(t, token, 0, self)},
	}), token))
	install(t, token, fresh)

	canary := make([]byte, 32)
	for i := range canary {
		canary[i] = byte(3*i + 7)
	}
	control := newHidden("control", canary, 0)
	needles := []*hidden{control}
	for i, key := range hsm.DomainKeysOf(fresh) {
		for form, pad := range map[string]uint64{"raw": 0, "inner": 0x3636363636363636, "outer": 0x5c5c5c5c5c5c5c5c} {
			needles = append(needles, newHidden(fmt.Sprintf("domain key %d, %s", i+1, form), key[:], pad))
		}
	}
	if len(needles) != 1+3*3 { // the pending key of before went with the members that knew it
		t.Fatalf("%d needles", len(needles))
	}
	scanSelf(t, needles, hsm.ArenaOf(fresh), hsm.ArenaOf(members[0]), hsm.ArenaOf(members[1]))
	if control.found == 0 {
		t.Fatal("the control was not found: the search is worth nothing")
	}
	for _, one := range needles[1:] {
		if one.found > 0 {
			t.Errorf("%s lies outside of the arenas, %d times", one.name, one.found)
		}
	}
	runtime.KeepAlive(canary)
}
