package session_test

import (
	"bytes"
	"errors"
	"testing"

	"trent/hsm/internal/session"
)

// fuzzMessage holds the parser of a kind to its two properties: what it takes is written again byte by byte, within the
// bound of its kind; and whoever gets a message nobody signed refuses it, and keeps nothing.
func fuzzMessage(f *testing.F, kind string, bound int, refused func(m []byte) error, pools ...*session.Pool) {
	f.Helper()
	f.Fuzz(func(t *testing.T, message []byte) {
		if again, ok := session.Parsers[kind](message); ok && (!bytes.Equal(again, message) || len(message) > bound) {
			t.Fatalf("%x was read as %x", message, again)
		}
		if err := refused(message); !errors.Is(err, session.ErrRefused) {
			t.Fatalf("%x: %v", message, err)
		}
		for _, p := range pools {
			if _, used := p.Slots(); used > 1 {
				t.Fatalf("%d slots in use after a refusal", used)
			}
		}
	})
}

// seeds adds true messages of a kind, of a classical and a hybrid session that have nothing to do with those that are
// attacked, and the same cut, grown and with each part of a length of its own altered.
func seeds(f *testing.F, kind string, edges ...int) {
	f.Helper()
	for _, hybrid := range []bool{false, true} {
		pool, d := newPool(f, session.PoolOptions{Slots: 4}), newDomain(1)
		h, _ := d.admit(f, pool, hybrid)
		r, _ := d.join(f, pool, hybrid)
		m := record(f, h, r)[kind]
		f.Add(m)
		f.Add(m[:len(m)-1])
		f.Add(append(bytes.Clone(m), 0))
		for _, i := range edges {
			altered := bytes.Clone(m)
			altered[i] ^= 0xff
			f.Add(altered)
			f.Add(m[:i])
		}
	}
	f.Add([]byte{})
}

func FuzzHello(f *testing.F) {
	seeds(f, "hello", 0, 1, 2, 3, 19, 27, 59, 156)
	pool, d := newPool(f, session.PoolOptions{Slots: 4}), newDomain(1)
	r, _ := d.join(f, pool, true)
	fuzzMessage(f, "hello", session.MaxHello, func(m []byte) error {
		_, err := r.Answer(nil, m, start)
		return err
	}, pool)
}

func FuzzAnswer(f *testing.F) {
	seeds(f, "answer", 0, 1, 2, 3, 4, 20, 28, 148, 245, 249, 261, 309, 310, 311)
	pool, d := newPool(f, session.PoolOptions{Slots: 4}), newDomain(1)
	h, _ := d.admit(f, pool, true)
	_, hs, err := h.Hello(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(hs.Abandon)
	fuzzMessage(f, "answer", session.MaxAnswer, func(m []byte) error {
		_, err := hs.Again().Finish(m, start)
		return err
	}, pool)
}

func FuzzOpen(f *testing.F) {
	seeds(f, "open", 0, 1, 2, 18, 50, 98, 99, 100)
	pool, d := newPool(f, session.PoolOptions{Slots: 4}), newDomain(1)
	r, _ := d.join(f, pool, true)
	fuzzMessage(f, "open", session.MaxOpen, func(m []byte) error {
		_, _, err := r.Accept(nil, m, start)
		return err
	}, pool)
}

func FuzzAccept(f *testing.F) {
	seeds(f, "accept", 0, 1, 2, 10, 130, 162, 258)
	pool, d := newPool(f, session.PoolOptions{Slots: 4}), newDomain(1)
	h, _ := d.admit(f, pool, false)
	r, _ := d.join(f, pool, false)
	ticket := handshake(f, h, r)
	_, o, err := ticket.Open(nil, start)
	if err != nil {
		f.Fatal(err)
	}
	ticket.Wipe()
	f.Cleanup(o.Abandon)
	fuzzMessage(f, "accept", session.MaxAccept, func(m []byte) error {
		_, err := o.Again().Finish(m)
		return err
	}, pool)
}

// FuzzEnvelope: a receiver takes the next envelope, exactly, or is dead.
func FuzzEnvelope(f *testing.F) {
	pool := newPool(f, session.PoolOptions{Slots: 4})
	pair := func() (*session.Conn, *session.Conn) { return session.PairOf(pool, [32]byte{1}, [32]byte{2}) }
	host, module := pair()
	next := sealAll(f, host, "the next one", "the one after it")
	f.Add(next[0])
	f.Add(next[1])
	f.Add(next[0][:session.Overhead])
	f.Add(append(bytes.Clone(next[0]), 0))
	f.Add(append([]byte{2}, next[0][1:]...))
	f.Add(sealAll(f, module, "the next one")[0])
	f.Add([]byte{})
	host.Close()
	module.Close()
	f.Fuzz(func(t *testing.T, envelope []byte) {
		host, module := pair()
		defer host.Close()
		defer module.Close()
		// The kernels open each other's, so that the true one passes under any header that says so; nothing else does.
		got, err := module.Open(nil, envelope)
		if err == nil {
			if string(got) != "the next one" || len(envelope) != len(got)+session.Overhead {
				t.Fatalf("%x opened as %q", envelope, got)
			}
			return
		}
		if _, err := module.Open(nil, next[0]); !errors.Is(err, session.ErrClosed) {
			t.Fatalf("after a refusal: %v", err)
		}
	})
}
