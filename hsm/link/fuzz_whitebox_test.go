package link

import (
	"bytes"
	"io"
	"reflect"
	"testing"
	"time"

	"trent/hsm"
)

// chunks reads a few bytes at a time.
type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// FuzzFrames: however a stream is cut, the same frames come out of it, and make up what was read.
func FuzzFrames(f *testing.F) {
	two := appendFrame(appendFrame(nil, frameIdentify, nil), frameEnvelope, []byte("sealed"))
	f.Add(two, uint8(1))
	f.Add(two[:len(two)-1], uint8(200))
	f.Add(appendRefusal(nil, refuseBusy), uint8(3))
	f.Add([]byte{0, 0, 0, 1, 1, 1}, uint8(7))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 1}, uint8(7))
	f.Add(appendFrame(nil, frameHello, make([]byte, 70000)), uint8(250))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		r := newFrameReader(&chunks{stream, 1 + int(size)*16}, maxFrame)
		var again []byte
		for {
			kind, body, err := r.next()
			if err != nil {
				break
			}
			again = appendFrame(again, kind, body)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Errorf("%x becomes %x", stream, again)
		}
		if len(r.buf) > len(stream)*2+readSize {
			t.Errorf("a buffer of %d for %d bytes", len(r.buf), len(stream))
		}
	})
}

// FuzzMessages: an envelope is cut into messages that make it up, or refused.
func FuzzMessages(f *testing.F) {
	f.Add(appendMessage(appendMessage(nil, 7, kindPing, nil), 9, kindInstall, []byte("token")))
	f.Add(appendMessage(nil, 0, kindGoodbye, nil)[:5])
	f.Add([]byte{0, 0, 0, 8, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, envelope []byte) {
		var again []byte
		for b := envelope; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				return
			}
			again, b = appendMessage(again, m.id, m.kind, m.body), rest
		}
		if !bytes.Equal(again, envelope) {
			t.Errorf("%x becomes %x", envelope, again)
		}
	})
}

// someCalls use every field.
func someCalls() []hsm.Call {
	key := &hsm.Key{Token: []byte("token"), Identity: []byte("identity"), Material: hsm.MaterialID{1}, Spec: hsm.RSA2048, Usage: hsm.SignVerify}
	return []hsm.Call{
		{},
		{Op: hsm.OpEncrypt, Key: key, AAD: []byte("context"), In: []byte("plaintext"), Out: make([]byte, 3, 100)},
		{Op: hsm.OpReEncrypt, Key: key, Target: &hsm.Key{}, AAD: []byte{1}, TargetAAD: []byte{2}, In: []byte{3}, Algorithm: hsm.AESGCM, TargetAlgorithm: hsm.OAEPSHA1},
		{Op: hsm.OpImport, Wrapping: hsm.WrapSM2PKE, Time: time.Unix(1<<33, 5), In2: []byte("import token"), Spec: hsm.P256, Usage: hsm.KeyAgreement},
		{Op: hsm.OpRandom, N: -1, Recipient: []byte{}, Digest: true, Secret: make([]byte, 0, 5)},
		{Op: hsm.OpSign, N: 1 << 40, Recipient: []byte("key"), ExternalMu: true, Public: make([]byte, 0, 5), Time: time.Unix(-1, 0)},
	}
}

// TestEveryField: a field that hsm.Call gets one day has to be given a place on the wire, or a reason here.
func TestEveryField(t *testing.T) {
	apart := map[string]bool{"Deadline": true, "Material": true, "Err": true} // as time left, and as results
	calls := someCalls()
	of := reflect.TypeFor[hsm.Call]()
	for i := range of.NumField() {
		field := of.Field(i)
		if !field.IsExported() || apart[field.Name] {
			continue
		}
		used := false
		for _, c := range calls {
			used = used || !reflect.ValueOf(c).Field(i).IsZero()
		}
		if !used {
			t.Errorf("no test call uses %s", field.Name)
		}
	}
	if n := reflect.TypeFor[hsm.Key]().NumField(); n != 5 {
		t.Errorf("a key has %d fields", n)
	}
}

// FuzzCall: what is taken for a call encodes to the same bytes again, and fits the room that is reserved for it.
func FuzzCall(f *testing.F) {
	for i, c := range someCalls() {
		m, _, err := nextMessage(appendCall(nil, 5, &c, time.Duration(i)*time.Second))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.body)
		f.Add(m.body[:len(m.body)-1])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r request
		if err := r.parseCall(body); err != nil {
			return
		}
		r.prepare()
		again := appendCall(nil, 5, &r.Call, r.left)
		if !bytes.Equal(again[messageHeader:], body) {
			t.Errorf("%x becomes %x", body, again[messageHeader:])
		}
		if len(again) > callSize(&r.Call) {
			t.Errorf("%d bytes in a room of %d", len(again), callSize(&r.Call))
		}
	})
}

// TestCalls: a call arrives as it was sent.
func TestCalls(t *testing.T) {
	for i, c := range someCalls() {
		message := appendCall(nil, 5, &c, time.Minute)
		if len(message) > callSize(&c) {
			t.Errorf("call %d takes %d bytes in a room of %d", i, len(message), callSize(&c))
		}
		var r request
		if err := r.parseCall(message[messageHeader:]); err != nil {
			t.Errorf("call %d: %v", i, err)
			continue
		}
		r.prepare()
		if cap(r.Out) != cap(c.Out)-len(c.Out) || cap(r.Secret) != cap(c.Secret) || cap(r.Public) != cap(c.Public) || !r.Time.Equal(c.Time) ||
			(c.Recipient == nil) != (r.Recipient == nil) || r.left != time.Minute {
			t.Errorf("call %d becomes %+v", i, r.Call)
		}
		if again := appendCall(nil, 5, &r.Call, r.left); !bytes.Equal(again, message) {
			t.Errorf("call %d: %x becomes %x", i, message, again)
		}
	}
}

// TestNothingStays: a request that was used for another call holds nothing of that.
func TestNothingStays(t *testing.T) {
	for i, first := range someCalls() {
		for j, second := range someCalls() {
			var used, fresh request
			if err := used.parseCall(appendCall(nil, 5, &first, time.Minute)[messageHeader:]); err != nil {
				t.Fatal(err)
			}
			used.prepare()
			used.Out, used.Secret, used.Public = append(used.Out, used.Out[:cap(used.Out)]...), append(used.Secret, used.Secret[:cap(used.Secret)]...), nil
			used.Material, used.Err, used.Deadline = hsm.MaterialID{9}, hsm.ErrBusy, time.Now()
			message := appendCall(nil, 5, &second, 0)[messageHeader:]
			if err := used.parseCall(message); err != nil {
				t.Fatal(err)
			}
			if err := fresh.parseCall(message); err != nil {
				t.Fatal(err)
			}
			used.outBuf, used.secretBuf, used.pkBuf = nil, nil, nil
			if used.Key == nil {
				used.key = hsm.Key{}
			}
			if used.Target == nil {
				used.target = hsm.Key{}
			}
			if !reflect.DeepEqual(used, fresh) {
				t.Errorf("after call %d, call %d is %+v", i, j, used)
			}
		}
	}
}

// FuzzResult: what is taken for an answer encodes to the same bytes, and fills no more than there is room for.
func FuzzResult(f *testing.F) {
	r := request{Call: hsm.Call{Out: []byte("out"), Secret: []byte("secret"), Public: []byte("public"), Material: hsm.MaterialID{7}}}
	f.Add(r.appendResult(nil, 1, nil)[messageHeader:])
	f.Add(r.appendResult(nil, 1, hsm.ErrToken)[messageHeader:])
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, body []byte) {
		c := hsm.Call{Out: make([]byte, 0, 8), Secret: make([]byte, 0, 8), Public: make([]byte, 0, 8)}
		err, bad := fillCall(&c, body)
		if bad != nil || err != nil {
			if len(c.Out)+len(c.Secret)+len(c.Public) != 0 {
				t.Error("results with an error")
			}
			return
		}
		r := request{Call: c}
		if again := r.appendResult(nil, 1, nil); !bytes.Equal(again[messageHeader:], body) {
			t.Errorf("%x becomes %x", body, again[messageHeader:])
		}
	})
}

// FuzzIdentity: one encoding only.
func FuzzIdentity(f *testing.F) {
	f.Add(appendIdentity(nil, &hsm.MemberIdentity{InService: true, Number: 3, HSM: hsm.DomainHSM{Name: "a", Signing: []byte("s"), Agreement: []byte("a"), KEM: []byte("k")}}))
	f.Add(appendIdentity(nil, &hsm.MemberIdentity{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := parseIdentity(b)
		if err != nil {
			return
		}
		if again := appendIdentity(nil, &id); !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x", b, again)
		}
	})
}

// FuzzAnswers: answers, refusals and statuses of whatever content do no harm.
func FuzzAnswers(f *testing.F) {
	status, err := appendStatus(nil, &hsm.Status{Healthy: true, Domain: "d", Kernels: []string{"std"}, EngineWaited: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(appendAnswer(nil, hsm.ErrQuorum))
	f.Add(append(appendAnswer(nil, nil), status...))
	f.Add([]byte{1, 1, 1})
	f.Add([]byte("\x08\x1b[2J\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rest, err, bad := parseAnswer(b)
		if bad == nil && err == nil {
			if s, err := parseStatus(rest); err == nil {
				if _, err := appendStatus(nil, &s); err != nil {
					t.Error(err)
				}
			}
		}
		if bad == nil && err != nil {
			for _, r := range err.Error() {
				if r < ' ' || r == 0x7f {
					t.Errorf("%q in an error", r)
				}
			}
		}
		if r, err := parseRefusal(b); err == nil && errorOfRefusal(r) == nil {
			t.Errorf("refusal %d is no error", r)
		}
	})
}
