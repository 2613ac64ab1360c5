package link_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
)

// TestChaos: many callers in a hurry, calls of all lanes, and connections that are cut in the middle of frames and
// requests: nobody gets another's answer or half of one, nobody hangs, and nothing is left over.
func TestChaos(t *testing.T) {
	t.Parallel()
	m := &fake{do: func(c *hsm.Call) error {
		n := binary.BigEndian.Uint32(c.In)
		if c.Op != hsm.OpEncrypt {
			time.Sleep(time.Duration(n%8) * time.Millisecond)
		}
		if n%7 == 0 {
			return hsm.ErrAuthentication
		}
		return echo(c)
	}}
	target := connect(t, m, link.ServerOptions{InFlight: 24, Slow: 4}, link.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	p := newProxy(t, target.address, nil)
	p.through = func(conn, direction, n int, f []byte) [][]byte {
		if n > 4 && random.IntN(60) == 0 {
			p.send(conn, direction, f[:random.IntN(len(f))]) // as if the power had failed
			p.conns[conn][0].Close()
			p.conns[conn][1].Close()
			return nil
		}
		return [][]byte{f}
	}
	c, err := link.New(link.Options{Address: p.address, Host: target.link, Connections: 2, InFlight: 16, Backoff: 5 * time.Millisecond, Wait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for g := range 48 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(g)))
			for i := range 150 {
				err := chaoticCall(t, c, random, uint32(g*1000+i))
				if err == nil {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if good.Load() == 0 || bad.Load() == 0 {
		t.Errorf("%d good, %d bad", good.Load(), bad.Load())
	}
	until(t, "nothing left at the client", func() bool { return c.InUse() == 0 })
	until(t, "nothing left at the server", func() bool { return target.server.Status().InFlight == 0 })
}

func chaoticCall(t *testing.T, c *link.Client, random *rand.Rand, n uint32) error {
	in := binary.BigEndian.AppendUint32(nil, n)
	in = append(in, bytes.Repeat([]byte{byte(n)}, random.IntN(3000))...)
	call := hsm.Call{Op: hsm.OpEncrypt, Key: &hsm.Key{Spec: hsm.SymmetricDefault}, In: in, Out: make([]byte, 0, 4096)}
	switch random.IntN(8) {
	case 0:
		call.Op, call.Key = hsm.OpSign, &hsm.Key{Spec: hsm.RSA2048}
	case 1:
		call.Op, call.Key = hsm.OpSign, &hsm.Key{Spec: hsm.P256}
	}
	if random.IntN(3) == 0 {
		call.Deadline = time.Now().Add(time.Duration(random.IntN(5000)) * time.Microsecond)
	}
	err := c.Do(&call)
	switch {
	case err == nil && (n%7 == 0 || !bytes.Equal(call.Out, in)):
		t.Errorf("call %d has a wrong answer", n)
	case err == nil:
	case errors.Is(err, hsm.ErrAuthentication) && n%7 == 0:
	case errors.Is(err, hsm.ErrUnavailable), errors.Is(err, hsm.ErrBusy):
	case errors.Is(err, hsm.ErrDeadline) && !call.Deadline.IsZero():
	default:
		t.Errorf("call %d: error %v", n, err)
	}
	if err != nil && len(call.Out) != 0 {
		t.Errorf("call %d: results with %v", n, err)
	}
	return err
}
