package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/session"
)

// forEachKernel runs a test with a pool of each kernel; counted says that its envelopes have counters as nonces.
func forEachKernel(t *testing.T, test func(t *testing.T, pool *session.Pool, counted bool)) {
	t.Helper()
	for _, k := range gcm.Kernels() {
		t.Run("kernel="+k.Name(), func(t *testing.T) {
			test(t, newPool(t, session.PoolOptions{Slots: 8, Kernel: k.Name()}), !k.MakesNonce())
		})
	}
}

// sealAll seals texts, one after the other.
func sealAll(t testing.TB, c *session.Conn, texts ...string) (envelopes [][]byte) {
	t.Helper()
	for _, text := range texts {
		e, err := c.Seal(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		envelopes = append(envelopes, e)
	}
	return envelopes
}

// TestEnvelopes: anything but the next envelope of the other end ends the connection, both ways, for good; no other
// connection is touched.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, pool *session.Pool, counted bool) {
		d := newDomain(1)
		h, _ := d.admit(t, pool, false)
		r, _ := d.join(t, pool, false)
		ticket := handshake(t, h, r)
		defer ticket.Wipe()
		bystander, bystanders := connect(t, ticket, r)
		defer bystander.Close()
		defer bystanders.Close()
		elsewhere := sealAll(t, bystander, "of another connection")[0]
		for _, c := range []struct {
			name string
			bad  func(sent [][]byte, back []byte) []byte
		}{
			{"repeated", func(sent [][]byte, _ []byte) []byte { return sent[0] }},
			{"one left out", func(sent [][]byte, _ []byte) []byte { return sent[2] }},
			{"sent back", func(_ [][]byte, back []byte) []byte { return back }},
			{"of another connection", func([][]byte, []byte) []byte { return elsewhere }},
			{"cut", func(sent [][]byte, _ []byte) []byte { return sent[1][:len(sent[1])-1] }},
			{"too short", func(sent [][]byte, _ []byte) []byte { return sent[1][:session.Overhead-1] }},
			{"of nothing", func([][]byte, []byte) []byte { return nil }},
			{"with a byte more", func(sent [][]byte, _ []byte) []byte { return append(bytes.Clone(sent[1]), 0) }},
			{"of another version", func(sent [][]byte, _ []byte) []byte { return append([]byte{3}, sent[1][1:]...) }},
			{"of the other nonces", func(sent [][]byte, _ []byte) []byte { return append([]byte{3 - sent[1][0]}, sent[1][1:]...) }},
			{"too long", func([][]byte, []byte) []byte { return make([]byte, session.MaxPlaintext+session.Overhead+1) }},
		} {
			t.Run(c.name, func(t *testing.T) {
				host, module := connect(t, ticket, r)
				sent := sealAll(t, host, "first", "second", "third")
				back := sealAll(t, module, "zero", "one")[1] // the counter that is next
				if _, err := module.Open(nil, sent[0]); err != nil {
					t.Fatal(err)
				}
				if got, err := module.Open([]byte("as it was"), c.bad(sent, back)); !errors.Is(err, session.ErrRefused) || string(got) != "as it was" {
					t.Fatalf("opened: %q, %v", got, err)
				}
				if _, err := module.Open(nil, sent[1]); !errors.Is(err, session.ErrClosed) {
					t.Errorf("the right envelope afterwards: %v", err)
				}
				if _, err := module.Seal(nil, nil); !errors.Is(err, session.ErrClosed) {
					t.Errorf("sealing afterwards: %v", err)
				}
				if !module.Zero() {
					t.Error("keys are left")
				}
				host.Close()
			})
		}
		if got, err := bystanders.Open(nil, elsewhere); err != nil || string(got) != "of another connection" {
			t.Errorf("the other connection: %q, %v", got, err)
		}
	})
}

// TestAlteredEnvelope: each byte counts.
func TestAlteredEnvelope(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, pool *session.Pool, _ bool) {
		size := session.Overhead + len("plaintext")
		for i := range size {
			host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
			envelope := sealAll(t, host, "plaintext")[0]
			if len(envelope) != size {
				t.Fatalf("%d bytes, want %d", len(envelope), size)
			}
			envelope[i] ^= 1 << (i % 8)
			if _, err := module.Open(nil, envelope); !errors.Is(err, session.ErrRefused) {
				t.Errorf("altered at %d: %v", i, err)
			}
			host.Close()
		}
	})
}

// TestMixedKernels: an end says by each envelope how it makes nonces; the ends need not agree.
func TestMixedKernels(t *testing.T) {
	t.Parallel()
	for _, a := range gcm.Kernels() {
		for _, b := range gcm.Kernels() {
			hostPool := newPool(t, session.PoolOptions{Slots: 8, Kernel: a.Name()})
			modulePool := newPool(t, session.PoolOptions{Slots: 8, Kernel: b.Name()})
			d := newDomain(1)
			h, _ := d.admit(t, hostPool, true)
			r, _ := d.join(t, modulePool, true)
			ticket := handshake(t, h, r)
			host, module := connect(t, ticket, r)
			for i := range 3 {
				carry(t, host, module, fmt.Sprintf("request %d", i))
				carry(t, module, host, fmt.Sprintf("answer %d", i))
			}
			host.Close()
			module.Close()
			ticket.Wipe()
		}
	}
}

// TestRandomNonces: the counter is authenticated where it is not the nonce.
func TestRandomNonces(t *testing.T) {
	t.Parallel()
	pool := newPool(t, session.PoolOptions{Slots: 4, Kernel: "std-fips"})
	host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
	defer host.Close()
	sent := sealAll(t, host, "same", "same")
	if sent[0][0] != 2 || bytes.Equal(sent[0][1:session.HeaderSize], sent[1][1:session.HeaderSize]) {
		t.Errorf("headers %x and %x, want random nonces", sent[0][:session.HeaderSize], sent[1][:session.HeaderSize])
	}
	if _, err := module.Open(nil, sent[1]); !errors.Is(err, session.ErrRefused) {
		t.Errorf("the second first: %v", err)
	}
}

// TestInPlace: both ends work where the bytes are, and append.
func TestInPlace(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, pool *session.Pool, _ bool) {
		host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
		defer host.Close()
		defer module.Close()
		for _, n := range []int{0, 1, 15, 16, 17, 64, 512, 5000} {
			text := bytes.Repeat([]byte{byte(n)}, n)
			buf := make([]byte, len("length")+session.HeaderSize+n, len("length")+session.Overhead+n)
			copy(buf, "length")
			plaintext := buf[len("length")+session.HeaderSize:]
			copy(plaintext, text)
			out, err := host.Seal(buf[:len("length")], plaintext)
			if err != nil || &out[0] != &buf[0] || !bytes.HasPrefix(out, []byte("length")) {
				t.Fatalf("%d bytes in place: %v", n, err)
			}
			envelope := out[len("length"):]
			got, err := module.Open(envelope[session.HeaderSize:session.HeaderSize], envelope)
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes opened in place: %v", n, err)
			}
		}
	})
}

// TestBounds: too long changes nothing; a direction that has carried enough carries no more, and says so in time.
func TestBounds(t *testing.T) {
	t.Parallel()
	pool := newPool(t, session.PoolOptions{Slots: 4})
	host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
	defer host.Close()
	defer module.Close()
	if _, err := host.Seal(nil, make([]byte, session.MaxPlaintext+1)); !errors.Is(err, session.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	carry(t, host, module, "after too long")
	big, err := host.Seal(nil, make([]byte, session.MaxPlaintext))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := module.Open(big[session.HeaderSize:session.HeaderSize], big); err != nil || len(got) != session.MaxPlaintext {
		t.Errorf("the longest: %d bytes, %v", len(got), err)
	}
	for _, c := range []*session.Conn{host, module} {
		c.SetCount(session.MaxEnvelopes/2 - 1)
		if c.Spent() {
			t.Error("spent too early")
		}
	}
	carry(t, host, module, "the half")
	if !host.Spent() || !module.Spent() {
		t.Error("not spent at half of it")
	}
	for _, c := range []*session.Conn{host, module} {
		c.SetCount(session.MaxEnvelopes - 1)
	}
	carry(t, host, module, "the last")
	if _, err := host.Seal(nil, nil); !errors.Is(err, session.ErrSpent) {
		t.Errorf("one more: %v", err)
	}
	if _, err := module.Open(nil, big); !errors.Is(err, session.ErrSpent) {
		t.Errorf("one more to open: %v", err)
	}
	carry(t, module, host, "the last of the other direction")
}

// TestOneOwner: two in one direction would use a nonce twice; so the program ends instead.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	pool := newPool(t, session.PoolOptions{Slots: 4})
	host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
	defer module.Close()
	host.Enter()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		host.Seal(nil, nil)
	}()
	host.Close()
	if host.Zero() {
		t.Error("wiped under its user")
	}
	host.Leave()
	if !host.Zero() {
		t.Error("not wiped when its user left")
	}
	host.Close() // once more does nothing
	if _, used := pool.Slots(); used != 1 {
		t.Errorf("%d slots in use, want the other end's", used)
	}
}

// TestCloseBesideUse: Close may come at any time, from anywhere.
func TestCloseBesideUse(t *testing.T) {
	t.Parallel()
	pool := newPool(t, session.PoolOptions{Slots: 2})
	for range 200 {
		host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
		started := make(chan struct{}, 2)
		pipe := make(chan []byte, 1)
		var all sync.WaitGroup
		all.Go(func() {
			defer close(pipe)
			for i := 0; ; i++ {
				e, err := host.Seal(nil, []byte("text"))
				if err != nil {
					if !errors.Is(err, session.ErrClosed) {
						t.Error(err)
					}
					return
				}
				if i == 3 {
					started <- struct{}{}
				}
				pipe <- e
			}
		})
		all.Go(func() {
			for e := range pipe {
				if text, err := module.Open(nil, e); err != nil && !errors.Is(err, session.ErrClosed) || err == nil && string(text) != "text" {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
		<-started
		all.Go(host.Close)
		all.Go(host.Close)
		all.Go(module.Close)
		all.Wait()
		if _, used := pool.Slots(); used != 0 {
			t.Fatalf("%d slots in use", used)
		}
	}
}

// TestPrinting: nothing that fmt makes of a connection or ticket is of its keys.
func TestPrinting(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{Slots: 4}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	ticket := handshake(t, h, r)
	defer ticket.Wipe()
	host, module := connect(t, ticket, r)
	defer host.Close()
	defer module.Close()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{ticket, host} {
			if got := fmt.Sprintf(verb, v); len(got) > 40 {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
}
