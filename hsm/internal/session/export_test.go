package session

import (
	"time"

	"unsafe"

	"trent/hsm/internal/kdf"
)

// Parsers by the kind of message: what parses is written again.
var Parsers = map[string]func(message []byte) (again []byte, ok bool){
	"hello": func(b []byte) ([]byte, bool) {
		m, ok := parseHello(b)
		return append(m.append(nil), m.signature...), ok
	},
	"answer": func(b []byte) ([]byte, bool) {
		m, ok := parseAnswer(b)
		again := append(m.append(nil), m.sealed...)
		again = append(again, byte(len(m.token)>>8), byte(len(m.token)))
		return append(append(again, m.token...), m.signature...), ok
	},
	"open": func(b []byte) ([]byte, bool) {
		m, ok := parseOpen(b)
		return append(m.append(nil), m.proof...), ok
	},
	"accept": func(b []byte) ([]byte, bool) {
		m, ok := parseAccept(b)
		return append(append(m.append(nil), m.signature...), m.proof...), ok
	},
}

// Again is a copy of a handshake under way, which can be finished by itself.
func (hs *Handshake) Again() *Handshake {
	s, err := hs.host.Pool.take()
	if err != nil {
		panic(err)
	}
	*s = *hs.slot
	again := *hs
	again.slot = s
	return &again
}

// Again is a copy of an opening under way, which can be finished by itself.
func (o *Opening) Again() *Opening {
	s, err := o.ticket.host.Pool.take()
	if err != nil {
		panic(err)
	}
	*s = *o.slot
	again := *o
	again.slot = s
	return &again
}

// AnswerOffering is what a module does that makes a good answer of any offers and choice.
func (r *Responder) AnswerOffering(message []byte, offers, choice byte, now time.Time) ([]byte, error) {
	s, err := r.Pool.take()
	if err != nil {
		return nil, err
	}
	defer r.Pool.release(s)
	m, _ := parseHello(message)
	a := answer{offers: offers, choice: choice, domain: m.domain, number: m.number, identity: r.Authority.Identity(), seconds: 60}
	return r.appendAnswer(nil, message, s, &m, &a, now)
}

// ForgetSeen is what a restart or many other messages do.
func (r *Responder) ForgetSeen() { r.hellos.clear(); r.opens.clear() }

func (s *seen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.order, s.next = nil, nil, 0
}

// Seen is a memory of messages.
type Seen = seen

// Has and Add are those of seen.
func (s *seen) Has(id [32]byte) bool { return s.has(&id) }
func (s *seen) Add(id [32]byte) bool { return s.add(&id) }

// Remembered is how many messages a Seen holds.
const Remembered = remembered

// Keys are what a connection sends and receives under.
func (c *Conn) Keys() (sends, receives [32]byte) {
	return c.slot.lanes[sending].key, c.slot.lanes[receiving].key
}

// KeysInPlace are the same where they lie.
func (c *Conn) KeysInPlace() [2]*[32]byte {
	return [2]*[32]byte{&c.slot.lanes[sending].key, &c.slot.lanes[receiving].key}
}

// SetCount is what n envelopes in each direction do.
func (c *Conn) SetCount(n uint64) {
	for i := range c.lanes {
		c.lanes[i].next = n
	}
}

// Enter is a Seal that does not end.
func (c *Conn) Enter() { c.lanes[sending].enter() }

// Leave ends it.
func (c *Conn) Leave() { c.leave(&c.lanes[sending]) }

// Zero reports whether the memory of a connection that was closed holds nothing.
func (c *Conn) Zero() bool {
	s := *c.slot
	if raceDetector {
		s.key = [32]byte{}
	}
	return s == slot{}
}

// ConnectionKey is the key of a direction.
func ConnectionKey(sk []byte, direction byte, host, module Fingerprint, hostRandom, moduleRandom [32]byte, domain [16]byte) (key [32]byte) {
	var m kdf.Midstate
	m.Init(sk)
	e := ends{host: host, module: module, hostRandom: hostRandom, moduleRandom: moduleRandom, domain: domain}
	e.derive(&key, &m, connectionKeyLabel, direction)
	return key
}

// AgreedKey is what a session key travels under.
func AgreedKey(ecdh [48]byte, kem []byte, transcript [48]byte) (key [32]byte) {
	combine(&key, &ecdh, kem, &transcript)
	return key
}

// OpenProof and AcceptProof are the ends of both messages.
func OpenProof(sk []byte, host Fingerprint, proved []byte) [32]byte {
	var s slot
	s.ready.Init(sk)
	openProof(&s, &open{proved: proved}, &host)
	return s.proof
}

// AcceptProof is of an accept message.
func AcceptProof(sk []byte, host, module Fingerprint, hostRandom, moduleRandom [32]byte, domain [16]byte, opened, proved []byte) [32]byte {
	var s slot
	s.ready.Init(sk)
	e := ends{host: host, module: module, hostRandom: hostRandom, moduleRandom: moduleRandom, domain: domain}
	e.acceptProof(&s, opened, proved)
	return s.proof
}

// PairOf is both ends of a connection with given keys.
func PairOf(p *Pool, toModuleKey, toHostKey [32]byte) (host, module *Conn) {
	make := func(sends byte, out, in [32]byte) *Conn {
		s, err := p.take()
		if err != nil {
			panic(err)
		}
		s.lanes[sending].key, s.lanes[receiving].key = out, in
		return connect(p, s, sends)
	}
	return make(toModule, toModuleKey, toHostKey), make(toHost, toHostKey, toModuleKey)
}

// Memory is where a pool's slots lie.
func (p *Pool) Memory() (from, to uintptr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from = ^uintptr(0)
	for _, s := range p.free {
		at := uintptr(unsafe.Pointer(s))
		from, to = min(from, at), max(to, at+unsafe.Sizeof(*s))
	}
	return from, to
}
