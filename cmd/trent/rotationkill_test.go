//go:build unix

package main

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"trent/fastpath"
	"trent/fastpath/admin"
)

// TestKilledWhileDomainKeysRotate kills a server with SIGKILL at moments around a rotation of its domain keys, while clients
// write. It comes back with everything that was answered, and the last rotation is carried to its end.
func TestKilledWhileDomainKeysRotate(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"embedded", "spawn"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			killRotating(t, dir, "--hsm", mode, "--key-pool", "none", "--domain-rotation", "off")
		})
	}
}

func killRotating(t *testing.T, dir string, flags ...string) {
	w := &writes{blob: map[string][]byte{}}
	moments := []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond}
	if testing.Short() {
		moments = moments[2:3]
	}
	for _, moment := range moments {
		p := startProgram(t, dir, flags...)
		w.check(t, "after a start", p.KMS())
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		client := p.KMS()
		for range 2 {
			clients.Go(func() { w.make(ctx, client) })
		}
		enough := w.count() + 5
		eventually(t, "traffic", func() bool { return w.count() > enough })
		clients.Go(func() { // the answer may never come
			_ = admin.NewClient(dir+"/kms").Command(ctx, "domain-rotate", struct{}{}, &fastpath.DomainRotation{})
		})
		time.Sleep(moment)
		stop()
		p.kill()
		clients.Wait()
	}
	p := startProgram(t, dir, flags...)
	w.check(t, "after the last start", p.KMS())
	a := admin.NewClient(dir + "/kms")
	if err := a.Command(t.Context(), "domain-rotate", struct{}{}, &fastpath.DomainRotation{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all tokens under the newest domain key", func() bool {
		var s struct {
			DomainKeys fastpath.DomainStatus `json:"domainKeys"`
		}
		if err := a.Status(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		d := s.DomainKeys
		return len(d.Tokens) == 1 && d.Tokens[d.Active] >= len(w.keys) // some were made whose answer did not come
	})
	w.check(t, "in the end", p.KMS())
	if w.lost > 0 {
		t.Logf("%d calls failed when the server was killed", w.lost)
	}
}
