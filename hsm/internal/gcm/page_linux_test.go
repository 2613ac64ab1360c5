package gcm_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"trent/hsm/internal/gcm"
)

// TestAtTheEdgesOfMemory lets inputs and outputs of every length begin right behind a page without access, and end
// right before one: a kernel that read or wrote beyond would fault.
func TestAtTheEdgesOfMemory(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 4*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	inside := mem[page : 3*page]
	if err := unix.Mprotect(inside, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		var s gcm.State
		var key [gcm.KeySize]byte
		var nonce [gcm.NonceSize]byte
		for n := range 200 {
			first, last := inside[:n:n], inside[len(inside)-n:]
			for _, at := range [][2][]byte{{first, last}, {last, first}} {
				text, aad := at[0], at[1]
				sealed := k.Seal(&s, nil, &key, &nonce, text, aad)
				if _, ok := k.Open(&s, text[:0], &key, &nonce, sealed, aad); !ok {
					t.Fatalf("%d bytes do not open", n)
				}
				edge := inside[len(inside)-len(sealed):]
				k.Seal(&s, edge[:0], &key, &nonce, first, nil)
				if _, ok := k.Open(&s, nil, &key, &nonce, edge, nil); !ok {
					t.Fatalf("%d bytes sealed to the edge do not open", n)
				}
				clear(inside)
			}
		}
	})
}
