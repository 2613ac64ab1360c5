package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"trent/hsm/internal/session"
)

// stride is how far the altered bytes of a message are apart: short runs look at some only, others at all.
func stride() int {
	if testing.Short() {
		return 29
	}
	return 1
}

// altered gives message with a bit flipped in each byte, some bytes less or more, and asks take what it says of it.
func altered(t *testing.T, name string, message []byte, take func([]byte) error) {
	t.Helper()
	if err := take(bytes.Clone(message)); err != nil {
		t.Fatalf("%s as it is: %v", name, err)
	}
	check := func(what string, m []byte) {
		if err := take(m); !errors.Is(err, session.ErrRefused) {
			t.Errorf("%s %s: %v", name, what, err)
		}
	}
	for i := 0; i < len(message); i += stride() {
		m := bytes.Clone(message)
		m[i] ^= 1 << (i % 8)
		check(fmt.Sprintf("altered at %d", i), m)
	}
	check("without its end", message[:len(message)-1])
	check("with a byte more", append(bytes.Clone(message), 0))
	check("of nothing", nil)
}

// TestAltered: no byte of any message is without effect, and all effects are the same.
func TestAltered(t *testing.T) {
	t.Parallel()
	for _, hybrid := range []bool{false, true} {
		t.Run(fmt.Sprintf("hybrid=%v", hybrid), func(t *testing.T) {
			t.Parallel()
			pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
			h, _ := d.admit(t, pool, hybrid)
			r, _ := d.join(t, pool, hybrid)

			hello, hs, err := h.Hello(nil)
			if err != nil {
				t.Fatal(err)
			}
			var answer []byte
			altered(t, "hello", hello, func(m []byte) error {
				out, err := r.Answer(nil, m, start)
				if err == nil {
					answer = out
				} else if len(out) > 0 {
					t.Error("a refusal with an answer")
				}
				return err
			})
			var ticket *session.Ticket
			altered(t, "answer", answer, func(m []byte) error {
				got, err := hs.Again().Finish(m, start)
				if err == nil {
					ticket = got
				}
				return err
			})
			hs.Abandon()

			open, o, err := ticket.Open(nil, start)
			if err != nil {
				t.Fatal(err)
			}
			var accept []byte
			var module *session.Conn
			altered(t, "open", open, func(m []byte) error {
				out, c, err := r.Accept(nil, m, start)
				if err == nil {
					accept, module = out, c
				}
				return err
			})
			var host *session.Conn
			altered(t, "accept", accept, func(m []byte) error {
				c, err := o.Again().Finish(m)
				if err == nil {
					host = c
				}
				return err
			})
			o.Abandon()
			carry(t, host, module, "whole")
			host.Close()
			module.Close()
			ticket.Wipe()
			if _, used := pool.Slots(); used != 0 {
				t.Errorf("%d slots still in use after all the refusals", used)
			}
		})
	}
}

// TestOtherMessage: no message passes for another.
func TestOtherMessage(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	messages := record(t, h, r)
	for name, m := range messages {
		if _, err := r.Answer(nil, m, start); !errors.Is(err, session.ErrRefused) {
			t.Errorf("%s as hello: %v", name, err)
		}
		if _, _, err := r.Accept(nil, m, start); !errors.Is(err, session.ErrRefused) {
			t.Errorf("%s as open: %v", name, err)
		}
		_, hs, err := h.Hello(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hs.Finish(m, start); !errors.Is(err, session.ErrRefused) {
			t.Errorf("%s as answer: %v", name, err)
		}
		ticket := handshake(t, h, r)
		_, o, err := ticket.Open(nil, start)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Finish(m); !errors.Is(err, session.ErrRefused) {
			t.Errorf("%s as accept: %v", name, err)
		}
	}
}

// record is the messages of a session and its first connection.
func record(t testing.TB, h *session.Host, r *session.Responder) map[string][]byte {
	t.Helper()
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := hs.Finish(answer, start)
	if err != nil {
		t.Fatal(err)
	}
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	accept, c, err := r.Accept(nil, open, start)
	if err != nil {
		t.Fatal(err)
	}
	o.Abandon()
	c.Close()
	ticket.Wipe()
	return map[string][]byte{"hello": hello, "answer": answer, "open": open, "accept": accept}
}
