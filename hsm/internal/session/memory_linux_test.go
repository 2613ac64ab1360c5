//go:build !race

package session_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/session"
)

// needle is something to look for, kept inverted so that it is not itself what is found.
type needle struct {
	name     string
	inverted [32]byte
}

func newNeedle(name string, key *[32]byte, mask byte) (n needle) {
	n.name = name
	for i := range key {
		n.inverted[i] = ^(key[i] ^ mask)
	}
	return n
}

// in counts the places of b where the needle is, whole words first.
func (n *needle) in(b []byte) (count int) {
	first := ^binary.LittleEndian.Uint64(n.inverted[:])
	low := byte(first)
	for at := 0; ; at++ {
		i := bytes.IndexByte(b[at:], low)
		if i < 0 || at+i+len(n.inverted) > len(b) {
			return count
		}
		at += i
		if binary.LittleEndian.Uint64(b[at:]) != first {
			continue
		}
		same := true
		for j, v := range n.inverted {
			same = same && b[at+j] == ^v
		}
		if same {
			count++
		}
	}
}

// scan looks through all readable memory of this process but what lies between from and to.
func scan(t *testing.T, needles []needle, from, to uintptr) map[string]int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer mem.Close()
	const chunk = 1 << 20
	buf := make([]byte, chunk+31)
	found := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var lo, hi uintptr
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &lo, &hi, &mode); err != nil {
			t.Fatal(err)
		}
		if mode[0] != 'r' || strings.Contains(lines.Text(), "[v") || lo < to && from < hi {
			continue
		}
		for at := lo; at < hi; at += chunk {
			clear(buf)
			n, _ := mem.ReadAt(buf[:min(uintptr(len(buf)), hi-at)], int64(at))
			for i := range needles {
				found[needles[i].name] += needles[i].in(buf[:n])
			}
		}
	}
	return found
}

// recorder keeps what a scan is to look for.
type recorder struct {
	*module
	needles []needle
}

func (r *recorder) SealSession(dst []byte, sk *[32]byte, host session.Fingerprint, ends time.Time) ([]byte, error) {
	r.needles = append(r.needles, newNeedle("session key", sk, 0),
		newNeedle("session key, inner pad", sk, 0x36), newNeedle("session key, outer pad", sk, 0x5c))
	return r.module.SealSession(dst, sk, host, ends)
}

// TestKeysStayInTheArena: neither end leaves a session key outside the arena, by any kernel, nor the keys of a
// connection by those that work in place.
func TestKeysStayInTheArena(t *testing.T) {
	for _, k := range gcm.Kernels() {
		t.Run("kernel="+k.Name(), func(t *testing.T) {
			pool, d := newPool(t, session.PoolOptions{Slots: 8, Kernel: k.Name()}), newDomain(1)
			from, to := pool.Memory()
			h, _ := d.admit(t, pool, true)
			r, m := d.join(t, pool, true)
			rec := &recorder{module: m}
			r.Authority = rec

			ticket := handshake(t, h, r)
			host, module := connect(t, ticket, r)
			carry(t, host, module, "request")
			carry(t, module, host, "answer")

			// The control: the same scan finds what does lie on the heap.
			canary := new([32]byte)
			rand.Read(canary[:])
			needles := append(rec.needles, newNeedle("canary", canary, 0))
			if !strings.HasPrefix(k.Name(), "std") {
				for _, key := range host.KeysInPlace() {
					needles = append(needles, newNeedle("key of a direction", key, 0))
				}
			}
			found := scan(t, needles, from, to)
			if found["canary"] == 0 {
				t.Error("the scan does not find what is there")
			}
			delete(found, "canary")
			for name, n := range found {
				if n > 0 {
					t.Errorf("%s: in %d places outside the arena", name, n)
				}
			}
			host.Close()
			module.Close()
			ticket.Wipe()
			runtime.KeepAlive(canary)
		})
	}
}
