package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
)

// TestBeforeTheSession: what does not belong there gets a refusal or nothing, and the end of the connection.
func TestBeforeTheSession(t *testing.T) {
	t.Parallel()
	p := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	version := frame(wireIdentify, nil)
	version[4] = 2
	noise := make([]byte, 4096)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for name, send := range map[string][]byte{
		"version":         version,
		"envelope":        frame(wireEnvelope, make([]byte, 100)),
		"answer":          frame(wireWelcome, nil),
		"unknown kind":    frame(11, nil),
		"kind 0":          frame(0, nil),
		"identify more":   frame(wireIdentify, []byte{1}),
		"too long":        append(binary.BigEndian.AppendUint32(nil, 1<<30), 1, wireHello),
		"hello too long":  append(binary.BigEndian.AppendUint32(nil, 17<<10), 1, wireHello),
		"token too long":  append(binary.BigEndian.AppendUint32(nil, link.MaxToken+10000), 1, wireDeliver),
		"too short":       {0, 0, 0, 1, 1, 1},
		"hello":           frame(wireHello, noise[:500]),
		"empty hello":     frame(wireHello, nil),
		"open":            frame(wireOpen, noise[:300]),
		"noise":           noise,
		"many greetings":  bytes.Repeat(frame(wireIdentify, nil), 9),
		"HTTP":            []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS ClientHello": []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := dialRaw(t, p.address)
			r.Write(send)
			for {
				r.SetReadDeadline(time.Now().Add(10 * time.Second))
				f, err := readFrame(r)
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					t.Fatal("the connection stays open")
				}
				if err != nil {
					return
				}
				if name != "many greetings" && f[5] != wireRefusal {
					t.Errorf("answered by a frame of kind %d", f[5])
				}
				if name == "version" && !bytes.Equal(f[6:], []byte{1, 1, 1}) {
					t.Errorf("refusal %v does not say which versions are spoken", f[6:])
				}
			}
		})
	}
}

// TestHostileHost: a listed host that breaks the rules loses its connection, and nobody else does.
func TestHostileHost(t *testing.T) {
	t.Parallel()
	m := newStall(t)
	p := connect(t, m, link.ServerOptions{}, link.Options{})
	ping := wireMessage(0, wirePing, nil)
	for name, messages := range map[string][]byte{
		"half a header":       {0, 0, 0},
		"too short":           {0, 0, 0, 8, 0, 0, 0, 0, wirePing},
		"too long":            {0, 0, 1, 0, 0, 0, 0, 0, wirePing},
		"unknown kind":        wireMessage(1, 77, nil),
		"kind 0":              wireMessage(1, 0, nil),
		"an answer":           wireMessage(1, wireCall|wireAnswer, result("", "", "")),
		"going away":          wireMessage(0, wireGoingAway, nil),
		"ping with more":      wireMessage(0, wirePing, []byte{1}),
		"ping with id":        wireMessage(1, wirePing, nil),
		"forget too short":    wireMessage(1, wireForget, make([]byte, 31)),
		"status with more":    wireMessage(1, wireStatus, []byte{1}),
		"empty call":          wireMessage(1, wireCall, nil),
		"call of zeros":       wireMessage(1, wireCall, make([]byte, 300)),
		"after the goodbye":   append(wireMessage(0, wireGoodbye, nil), ping...),
		"a good one and half": append(bytes.Clone(ping), 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rawHost(t, p)
			r.envelope(t, ping)
			if b, ok := r.next(t); !ok || !bytes.Equal(b, wireMessage(0, wirePing|wireAnswer, nil)) {
				t.Fatalf("answer %x", b)
			}
			r.envelope(t, messages)
			r.expectEnd(t)
		})
	}
	t.Run("altered", func(t *testing.T) {
		r := rawHost(t, p)
		b, err := r.session.Seal(nil, ping)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] ^= 1
		r.Write(frame(wireEnvelope, b))
		r.expectEnd(t)
	})
	t.Run("clear", func(t *testing.T) {
		r := rawHost(t, p)
		r.envelope(t, ping)
		r.Write(frame(wireIdentify, nil))
		r.expectEnd(t)
	})
	check(t, p, fastCall("still here"))
}

// TestSameRequestTwice: an id that is in use names an administrative request once.
func TestSameRequestTwice(t *testing.T) {
	t.Parallel()
	began, let := make(chan struct{}, 2), make(chan struct{})
	p := connect(t, &fake{do: echo, forget: func(context.Context, hsm.MaterialID) error {
		began <- struct{}{}
		<-let
		return nil
	}}, link.ServerOptions{}, link.Options{})
	r := rawHost(t, p)
	forget := wireMessage(5, wireForget, make([]byte, 32))
	r.envelope(t, forget)
	await(t, began)
	r.envelope(t, forget)
	r.expectEnd(t)
	close(let)
}

// TestSilentStranger: who says nothing, or opens a connection and sends nothing over it, is cut off.
func TestSilentStranger(t *testing.T) {
	t.Parallel()
	p := connect(t, &fake{do: echo}, link.ServerOptions{HandshakeTimeout: 3 * time.Second, IdleTimeout: time.Second}, link.Options{Probe: 20 * time.Millisecond})
	var wg sync.WaitGroup
	silent, slow := dialRaw(t, p.address), dialRaw(t, p.address)
	wg.Go(func() { silent.expectEnd(t) })
	wg.Go(func() { slow.expectEnd(t) })
	wg.Go(func() {
		for _, b := range frame(wireHello, make([]byte, 4000)) {
			if _, err := slow.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	opened, idle := rawHost(t, p), rawHost(t, p)
	wg.Go(func() { opened.expectEnd(t) })
	idle.envelope(t, wireMessage(0, wirePing, nil))
	wg.Go(func() { idle.expectEnd(t) })
	wg.Wait()
	until(t, "the client, which pings, is served", func() bool { return p.Do(fastCall("x")) == nil })
}

// TestManyStrangers: those who have no session yet cannot take the room of those who have, nor of those who come.
func TestManyStrangers(t *testing.T) {
	t.Parallel()
	p := connect(t, &fake{do: echo}, link.ServerOptions{Connections: 8, Strangers: 2}, link.Options{Connections: 1})
	check(t, p, fastCall("no stranger any more"))
	var strangers []*raw
	for range 50 {
		strangers = append(strangers, dialRaw(t, p.address))
		if len(strangers)%10 == 0 {
			until(t, "a host gets through", func() bool {
				c, err := link.New(link.Options{Address: p.address, Host: p.link})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				return c.Ready(t.Context()) == nil && c.Do(fastCall("x")) == nil
			})
		}
	}
	for _, s := range strangers[:40] {
		s.expectEnd(t)
	}
	check(t, p, fastCall("x"))
}

// TestDeliveries: domain tokens from anybody are few.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	p := connect(t, &fake{do: echo}, link.ServerOptions{Deliveries: 3}, link.Options{})
	for i := range 5 {
		want := byte(wireDelivered)
		if i >= 3 {
			want = wireRefusal
		}
		if got := dialRaw(t, p.address).ask(t, frame(wireDeliver, make([]byte, 10+20000*(i%2)))); got[5] != want {
			t.Errorf("delivery %d is answered by a frame of kind %d", i, got[5])
		}
	}
}

// TestSlowReader: a host that does not read its answers is cut off, and is not read itself while much waits for it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	why := make(chan error, 16)
	p := connect(t, &fake{do: echo}, link.ServerOptions{
		WriteTimeout: 300 * time.Millisecond,
		Closed:       func(_ net.Addr, err error) { why <- err },
	}, link.Options{})
	r := rawHost(t, p)
	pings := bytes.Repeat(wireMessage(0, wirePing, nil), 6000)
	r.SetWriteDeadline(time.Now().Add(time.Minute))
	for sent := 0; ; sent++ {
		b, err := r.session.Seal(nil, pings)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Write(frame(wireEnvelope, b)); err != nil {
			break
		}
		if sent > 1000 {
			t.Fatal("the server takes requests without end")
		}
	}
	if err := await(t, why); err == nil {
		t.Error("no reason")
	}
	check(t, p, fastCall("x"))
}

// TestHostileModule: a module that breaks the rules loses the connection; its callers get an error, never a wrong result.
func TestHostileModule(t *testing.T) {
	t.Parallel()
	good := result("x", "", "")
	for name, answer := range map[string]func(id uint32) []byte{
		"unknown id":      func(id uint32) []byte { return wireMessage(id+1, wireCall|wireAnswer, good) },
		"id of long ago":  func(id uint32) []byte { return wireMessage(id-1<<16, wireCall|wireAnswer, good) },
		"id out of range": func(id uint32) []byte { return wireMessage(id|0xffff, wireCall|wireAnswer, good) },
		"other kind":      func(id uint32) []byte { return wireMessage(id, wireStatus|wireAnswer, good) },
		"a request":       func(id uint32) []byte { return wireMessage(id, wireCall, good) },
		"unknown kind":    func(id uint32) []byte { return wireMessage(id, 99, nil) },
		"empty":           func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, nil) },
		"unknown error":   func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, []byte{200}) },
		"error and more":  func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, []byte{1, 0}) },
		"cut off":         func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, good[:len(good)-1]) },
		"more":            func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, append(bytes.Clone(good), 0)) },
		"too long": func(id uint32) []byte {
			return wireMessage(id, wireCall|wireAnswer, result(string(make([]byte, 65)), "", ""))
		},
		"unwanted secret": func(id uint32) []byte { return wireMessage(id, wireCall|wireAnswer, result("x", "s", "")) },
		"half a message":  func(id uint32) []byte { return []byte{0, 0, 0} },
		"nothing":         func(id uint32) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rawModule(t, link.Options{Connections: 1}, func(r *raw) { answerOnce(t, r, answer) })
			call := fastCall("x")
			if err := c.Do(call); !errors.Is(err, hsm.ErrUnavailable) {
				t.Errorf("%v", err)
			}
			if len(call.Out) != 0 || len(call.Secret) != 0 {
				t.Errorf("a result: %q, %q", call.Out, call.Secret)
			}
		})
	}
}

// answerOnce answers the first call as a test says, and ends the connection when the client does, or has the answer.
func answerOnce(t *testing.T, r *raw, answer func(id uint32) []byte) {
	for {
		b, ok := r.next(t)
		if !ok {
			return
		}
		for len(b) > 0 {
			n, id, kind := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), b[8]
			b = b[n:]
			if kind == wireCall {
				a := answer(id)
				if r.envelope(t, a); a != nil {
					r.expectEnd(t)
				}
				return
			}
		}
	}
}

// TestAnsweredTwice: a second answer to a request ends the connection; the first counts.
func TestAnsweredTwice(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 16)
	c := rawModule(t, link.Options{Connections: 1}, func(r *raw) {
		answerOnce(t, r, func(id uint32) []byte {
			a := wireMessage(id, wireCall|wireAnswer, result("first", "", ""))
			return append(a, wireMessage(id, wireCall|wireAnswer, result("second", "", ""))...)
		})
		ended <- struct{}{}
	})
	call := fastCall("x")
	if err := c.Do(call); err != nil || string(call.Out) != "first" {
		t.Errorf("%q, %v", call.Out, err)
	}
	await(t, ended)
}

// TestWire: whoever is in between and repeats, swaps, drops, reflects or alters envelopes, or moves them to another
// connection, ends the connection; no caller gets a wrong answer.
func TestWire(t *testing.T) {
	t.Parallel()
	for _, direction := range []int{toModule, toHost} {
		for name, attack := range map[string]func(p *proxy, f []byte) [][]byte{
			"replay":   func(_ *proxy, f []byte) [][]byte { return [][]byte{f, f} },
			"dropping": func(*proxy, []byte) [][]byte { return nil },
			"alteration": func(_ *proxy, f []byte) [][]byte {
				f[len(f)/2] ^= 4
				return [][]byte{f}
			},
			"truncation": func(_ *proxy, f []byte) [][]byte { return [][]byte{frame(wireEnvelope, f[6:len(f)-1])} },
			"reflection": func(p *proxy, f []byte) [][]byte {
				p.send(0, 1-direction, f)
				return [][]byte{f}
			},
			"reordering": func(p *proxy, f []byte) [][]byte { return [][]byte{f} },
			"mixing":     func(p *proxy, f []byte) [][]byte { return [][]byte{f} },
		} {
			t.Run(fmt.Sprint(name, " ", [...]string{toModule: "to the module", toHost: "to the host"}[direction]), func(t *testing.T) {
				t.Parallel()
				wireAttack(t, name, direction, attack)
			})
		}
	}
}

func wireAttack(t *testing.T, name string, direction int, attack func(*proxy, []byte) [][]byte) {
	why := make(chan error, 64)
	target := connect(t, &fake{do: echo}, link.ServerOptions{Closed: func(_ net.Addr, err error) { why <- err }}, link.Options{})
	var p *proxy
	var armed, done bool
	var held []byte
	var of int               // the connection that held is of
	carried := map[int]int{} // envelopes, by connection
	p = newProxy(t, target.address, func(conn, d, n int, f []byte) [][]byte {
		if f[5] == wireEnvelope && d == toModule {
			carried[conn]++
		}
		if !armed || done || d != direction || f[5] != wireEnvelope {
			return [][]byte{f}
		}
		switch {
		case name == "mixing" && held == nil: // the first of either connection goes to the other one, too
			held, of = f, conn
			return [][]byte{f}
		case name == "reordering" && held == nil:
			held, of = f, conn
			return nil
		case name == "mixing" && conn == of, name == "reordering" && conn != of:
			return [][]byte{f}
		case name == "mixing" || name == "reordering":
			done = true
			return [][]byte{f, held}
		}
		done = conn == 0
		if conn != 0 {
			return [][]byte{f}
		}
		return attack(p, f)
	})
	connections := 1
	if name == "mixing" {
		connections = 2
	}
	c, err := link.New(link.Options{Address: p.address, Host: target.link, Connections: connections, Probe: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ready(t, c)
	until(t, "calls over all connections", func() bool {
		check(t, c, fastCall("before"))
		p.mu.Lock()
		defer p.mu.Unlock()
		return carried[0] > 2 && (connections == 1 || carried[1] > 2)
	})
	p.mu.Lock()
	armed = true
	p.mu.Unlock()
	var dones []<-chan error
	calls := make([]*hsm.Call, 16)
	for i := range calls {
		calls[i] = fastCall(fmt.Sprint("call ", i))
		dones = append(dones, later(c, calls[i]))
		time.Sleep(time.Millisecond) // an envelope each
	}
	for i, d := range dones {
		err := await(t, d)
		if err == nil && string(calls[i].Out) != fmt.Sprint("call ", i) || err != nil && len(calls[i].Out) > 0 {
			t.Errorf("call %d: %q, %v", i, calls[i].Out, err)
		}
	}
	p.mu.Lock()
	if !done {
		t.Error("the attack did not take place")
	}
	p.mu.Unlock()
	// The connection that was tampered with is over, and another one serves.
	await(t, why)
	until(t, "a new connection", func() bool { return c.Do(fastCall("after")) == nil })
}
