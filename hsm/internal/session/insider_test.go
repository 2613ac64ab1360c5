package session_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"trent/hsm/internal/session"
)

// TestInsiders: a signature does not make a message right. Listed hosts and modules of the domain that send nonsense are
// refused like everyone.
func TestInsiders(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, hk := d.admit(t, pool, true)
	r, m := d.join(t, pool, true)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hs.Abandon()
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	const token = 245 + 1568 + 64 // of answer, where the token's length stands
	for _, c := range []struct {
		name           string
		hello, answer  bool
		at             int
		put            []byte
		remove, extend int // bytes before the signature
	}{
		{name: "a point off the curve", hello: true, at: 59, put: append([]byte{4}, bytes.Repeat([]byte{1}, 96)...)},
		{name: "a compressed point", hello: true, at: 59, put: []byte{2}},
		{name: "infinity", hello: true, at: 59, put: make([]byte, 97)},
		{name: "a point out of the field", hello: true, at: 59, put: append([]byte{4}, bytes.Repeat([]byte{0xff}, 96)...)},
		{name: "an encapsulation key out of range", hello: true, at: 156, put: bytes.Repeat([]byte{0xff}, 100)},
		{name: "no offer", hello: true, at: 2, put: []byte{0}},
		{name: "an unknown offer", hello: true, at: 2, put: []byte{7}},
		{name: "the better offer alone", hello: true, at: 2, put: []byte{2}},
		{name: "a longer key", hello: true, extend: 1},
		{name: "a shorter key", hello: true, remove: 1},
		{name: "another domain", hello: true, at: 3, put: []byte{9}},
		{name: "another domain", answer: true, at: 4, put: []byte{9}},
		{name: "a point off the curve", answer: true, at: 148, put: append([]byte{4}, bytes.Repeat([]byte{1}, 96)...)},
		{name: "another ciphertext", answer: true, at: 245, put: bytes.Repeat([]byte{7}, 1568)},
		{name: "no choice", answer: true, at: 3, put: []byte{0}},
		{name: "two choices", answer: true, at: 3, put: []byte{3}},
		{name: "no time", answer: true, at: 245 + 1568, put: make([]byte, 4)},
		{name: "too much time", answer: true, at: 245 + 1568, put: binary.BigEndian.AppendUint32(nil, 86401)},
		{name: "another session key", answer: true, at: token - 40, put: []byte("another one")},
		{name: "no token", answer: true, at: token, put: []byte{0, 0}, remove: 104},
		{name: "a token too long", answer: true, at: token, put: []byte{2, 1}, extend: 513 - 104},
		{name: "bytes behind the token", answer: true, extend: 1},
	} {
		alter := func(message []byte) []byte {
			body := bytes.Clone(message[:len(message)-signatureSize-c.remove])
			body = append(body, make([]byte, c.extend)...)
			copy(body[c.at:], c.put)
			return body
		}
		if c.hello {
			body := alter(hello)
			body = append(body, sign(t, hk.signer, false, "trent session hello", body)...)
			if _, err := r.Answer(nil, body, start); !errors.Is(err, session.ErrRefused) {
				t.Errorf("hello with %s: %v", c.name, err)
			}
		}
		if c.answer {
			body := alter(answer)
			body = append(body, sign(t, m.signer, false, "trent session answer", hello, body)...)
			if _, err := hs.Again().Finish(body, start); !errors.Is(err, session.ErrRefused) {
				t.Errorf("answer with %s: %v", c.name, err)
			}
		}
	}
	// The check of this test: signed again as it is, the answer is good.
	body := answer[: len(answer)-signatureSize : len(answer)-signatureSize]
	if _, err := hs.Again().Finish(append(body, sign(t, m.signer, false, "trent session answer", hello, body)...), start); err != nil {
		t.Errorf("the answer signed again: %v", err)
	}
}

// TestWrongSigner: an authority that gives no signature, or one of another form, is an error of this end.
func TestWrongSigner(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	for name, signature := range map[string][]byte{
		"nothing":        nil,
		"no DER":         []byte("signature"),
		"zeros":          {0x30, 6, 2, 1, 0, 2, 1, 0},
		"negative":       {0x30, 6, 2, 1, 0xff, 2, 1, 1},
		"bytes behind":   {0x30, 6, 2, 1, 1, 2, 1, 1, 0},
		"a number short": {0x30, 3, 2, 1, 1},
	} {
		h := &session.Host{Peers: &fixedSigner{host{d, newSigner(t)}, signature}, Pool: pool}
		if _, _, err := h.Hello(nil); err == nil || errors.Is(err, session.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixedSigner signs everything alike.
type fixedSigner struct {
	host
	signature []byte
}

func (s *fixedSigner) Sign(*[48]byte) ([]byte, error) { return s.signature, nil }
