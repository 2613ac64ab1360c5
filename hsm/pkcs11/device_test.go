//go:build pkcs11

package pkcs11_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/hsmtest"
	"trent/hsm/pkcs11"
)

func do(t testing.TB, m hsm.Module, c hsm.Call) *hsm.Call {
	t.Helper()
	c.Out, c.Secret, c.Public = make([]byte, 0, 6144), make([]byte, 0, 6144), make([]byte, 0, 3072)
	if err := m.Do(&c); err != nil {
		t.Fatalf("op %d: %v", c.Op, err)
	}
	return &c
}

func encrypt(t testing.TB, m hsm.Module, k *hsm.Key) []byte {
	return do(t, m, hsm.Call{Op: hsm.OpEncrypt, Key: k, In: []byte("plaintext")}).Out
}

func decrypts(t testing.TB, m hsm.Module, k *hsm.Key, sealed []byte) {
	t.Helper()
	if got := do(t, m, hsm.Call{Op: hsm.OpDecrypt, Key: k, In: sealed}).Secret; string(got) != "plaintext" {
		t.Errorf("came back as %q", got)
	}
}

// generationOf is the number of the device's key that a blob names (hsm/internal/blob).
func generationOf(sealed []byte) [4]byte { return [4]byte(sealed[38:42]) }

// TestRotation: a key that has made its ciphertexts is followed by a fresh one, and what it made still opens, also after
// the process is a new one; a process that dies wastes its block and repeats nothing.
func TestRotation(t *testing.T) {
	o := options()
	o.Limit, o.Block = 10, 5
	m, err := pkcs11.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	var all [][]byte
	made := map[[4]byte]int{}
	seal := func(n int) {
		for range n {
			sealed := encrypt(t, m, key)
			all = append(all, sealed)
			made[generationOf(sealed)]++
		}
	}
	restart := func(o pkcs11.Options) {
		t.Helper()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if m, err = pkcs11.Open(o); err != nil {
			t.Fatal(err)
		}
	}
	seal(3) // 3 of a block of 5
	restart(o)
	seal(5) // the second block of the first key
	if len(made) != 1 {
		t.Fatalf("%d keys for 8 ciphertexts", len(made))
	}
	seal(1) // both blocks are reserved, 2 encryptions lost: a fresh key
	if len(made) != 2 {
		t.Fatalf("%d keys for 9 ciphertexts", len(made))
	}
	other := o
	other.Host = "another"
	restart(other) // another host sees what is reserved, and uses the same fresh key
	seal(5)
	if len(made) != 2 {
		t.Fatalf("%d keys: another host does not see the fresh one", len(made))
	}
	seal(1)
	restart(o)
	seal(20)
	for generation, n := range made {
		if n > int(o.Limit) {
			t.Errorf("key %x made %d ciphertexts", generation, n)
		}
	}
	for _, sealed := range all {
		decrypts(t, m, key, sealed)
	}
	restart(o)
	for _, sealed := range all {
		decrypts(t, m, key, sealed)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestCountingTogether: however many encrypt at once, no key makes more than its limit.
func TestCountingTogether(t *testing.T) {
	o := options()
	o.Limit, o.Block = 40, 8
	m := open(t, o)
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	var mu sync.Mutex
	made := map[[4]byte]uint64{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				c := hsm.Call{Op: hsm.OpEncrypt, Key: key, In: []byte("plaintext"), Out: make([]byte, 0, 512), Deadline: time.Now().Add(time.Minute)}
				if err := m.Do(&c); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				made[generationOf(c.Out)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for generation, n := range made {
		if n > o.Limit {
			t.Errorf("key %x made %d ciphertexts, of %d", generation, n, o.Limit)
		}
	}
	if len(made) != 8 {
		t.Errorf("320 ciphertexts by %d keys of 40 each", len(made))
	}
}

// TestLoss: sessions, login and handles that the device forgets are found again; the key still works.
func TestLoss(t *testing.T) {
	m := open(t, options())
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	signing := &hsmtest.NewKey(t, m, hsm.P256, hsm.SignVerify, t.Name()).Key
	pooled := &hsm.Key{Token: do(t, m, hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.P256}).Out, Spec: hsm.P256}
	sealed := encrypt(t, m, key)
	device := attach(t)
	for range 3 {
		if err := device.ctx.CloseAllSessions(device.slot); err != nil {
			t.Fatal(err)
		}
		decrypts(t, m, key, sealed)
		do(t, m, hsm.Call{Op: hsm.OpSign, Key: signing, In: []byte("message")})
	}
	// What was made ahead went with its session. It is refused as what is not valid any more, and made anew by whoever asked.
	c := hsm.Call{
		Op: hsm.OpAdopt, Key: pooled, Target: &hsm.Key{Identity: hsmtest.Identity("x"), Spec: hsm.P256, Usage: hsm.SignVerify},
		Out: make([]byte, 0, 512), Public: make([]byte, 0, 512),
	}
	if err := m.Do(&c); !errors.Is(err, hsm.ErrToken) {
		t.Errorf("a key made ahead, after its session: %v", err)
	}
	if s, err := m.Status(context.Background()); err != nil || !s.Healthy {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestGone: a device that is gone gives ErrUnavailable, and is found when it is there again, by whoever asks.
func TestGone(t *testing.T) {
	m := open(t, options())
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	sealed := encrypt(t, m, key)
	device := attach(t)
	if err := device.ctx.Finalize(); err != nil {
		t.Fatal(err)
	}
	c := hsm.Call{Op: hsm.OpDecrypt, Key: key, In: sealed, Secret: make([]byte, 0, 64)}
	if err := m.Do(&c); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if s, err := m.Status(context.Background()); err == nil && s.Healthy {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not found again")
		}
	}
	decrypts(t, m, key, sealed)
}

// TestCountHere: where the device keeps no counts, each process has fresh keys, and no more than its limit of each.
func TestCountHere(t *testing.T) {
	o := options()
	o.Limit, o.Block, o.CountHere = 5, 5, true
	var key *hsm.Key
	made := map[[4]byte]int{}
	var all [][]byte
	for range 3 {
		m, err := pkcs11.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if key == nil {
			key = &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
		}
		for range 6 {
			sealed := encrypt(t, m, key)
			made[generationOf(sealed)]++
			all = append(all, sealed)
		}
		for _, sealed := range all {
			decrypts(t, m, key, sealed)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(made) != 6 {
		t.Errorf("%d keys for three times 6 ciphertexts of 5 each", len(made))
	}
}

// TestWrongPIN: it is tried once, however often somebody calls.
func TestWrongPIN(t *testing.T) {
	o := options()
	asked := 0
	pin := userPIN
	o.PIN = func() ([]byte, error) {
		asked++
		return []byte(pin), nil
	}
	m := open(t, o)
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	pin = "999999"
	device := attach(t)
	if err := device.ctx.CloseAllSessions(device.slot); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c := hsm.Call{Op: hsm.OpEncrypt, Key: key, In: []byte("x"), Out: make([]byte, 0, 512)}
		if err := m.Do(&c); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if asked != 2 {
		t.Errorf("the PIN was asked for %d times", asked)
	}
	if s, _ := m.Status(context.Background()); s.Healthy {
		t.Error("a device without login is healthy")
	}
}

// TestBusy: a call that gets no session until its deadline has not started.
func TestBusy(t *testing.T) {
	o := options()
	o.Sessions = 1
	m := open(t, o)
	made := make(chan struct{})
	go func() {
		defer close(made)
		for range 3 { // RSA keys take their time
			c := hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.RSA2048, Out: make([]byte, 0, 512), Public: make([]byte, 0, 1024)}
			if err := m.Do(&c); err != nil && !errors.Is(err, hsm.ErrBusy) {
				t.Error(err)
			}
		}
	}()
	busy, over := false, false
	for !over {
		select {
		case <-made:
			over = true
		default:
		}
		c := hsm.Call{Op: hsm.OpRandom, N: 1, Secret: make([]byte, 0, 1), Deadline: time.Now().Add(time.Millisecond)}
		switch err := m.Do(&c); {
		case errors.Is(err, hsm.ErrBusy):
			busy = true
		case err != nil && !errors.Is(err, hsm.ErrDeadline):
			t.Error(err)
		}
	}
	if s, _ := m.Status(context.Background()); !busy || s.EngineWaits == 0 || s.EngineWaited == 0 || s.EngineQueue != 0 {
		t.Errorf("busy %t, %d waits, %v in all, %d still", busy, s.EngineWaits, s.EngineWaited, s.EngineQueue)
	}
}

// TestForgetWaits: Forget returns once no call uses the material, or with its context.
func TestForgetWaits(t *testing.T) {
	m := open(t, options())
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	made := make(chan struct{})
	go func() { // a call that opens the key, then takes its time
		defer close(made)
		do(t, m, hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: hsm.RSA2048})
	}()
	cut, cancel := context.WithCancel(context.Background())
	cancel()
	for waited := false; !waited; {
		select {
		case <-made:
			t.Skip("the call was too fast to be met")
		default:
		}
		waited = errors.Is(m.Forget(cut, key.Material), context.Canceled)
	}
	if err := m.Forget(context.Background(), key.Material); err != nil {
		t.Error(err)
	}
	<-made
	decrypts(t, m, key, encrypt(t, m, key)) // the token is not gone
}

// TestDeadline: whoever waits for a slow device goes on in time, and the key that it makes all the same does not stay.
func TestDeadline(t *testing.T) {
	m := open(t, options())
	device := attach(t)
	before := len(device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true)))
	c := hsm.Call{
		Op: hsm.OpGenerate, Spec: hsm.RSA3072, Usage: hsm.SignVerify, Key: &hsm.Key{Identity: hsmtest.Identity("x")},
		Out: make([]byte, 0, 512), Public: make([]byte, 0, 1024), Deadline: time.Now().Add(time.Millisecond),
	}
	if err := m.Do(&c); !errors.Is(err, hsm.ErrDeadline) || len(c.Out)+len(c.Public) > 0 {
		t.Fatalf("error %v, %d bytes", err, len(c.Out))
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s, _ := m.Status(context.Background()); s.Busy == 0 && len(device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true))) == before {
			return
		}
	}
	t.Errorf("%d objects before, %d after", before, len(device.find(t, p11.NewAttribute(p11.CKA_TOKEN, true))))
}

// TestClosed: a module that is closed gives no answer, at once.
func TestClosed(t *testing.T) {
	m, err := pkcs11.Open(options())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Minute)} {
		c := hsm.Call{Op: hsm.OpRandom, N: 1, Secret: make([]byte, 0, 1), Deadline: deadline}
		if err := m.Do(&c); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if s, err := m.Status(context.Background()); err != nil || s.Healthy {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestForeign: a token without a token key is not made Trent's unless somebody says so, and a label is needed to be right.
func TestForeign(t *testing.T) {
	o := options()
	o.Token = "no such"
	if _, err := pkcs11.Open(o); !errors.Is(err, pkcs11.ErrNoToken) {
		t.Errorf("another label: %v", err)
	}
	o = options()
	o.Token, o.Create = emptyLabel, false
	if _, err := pkcs11.Open(o); !errors.Is(err, pkcs11.ErrForeign) {
		t.Errorf("a token of nobody's: %v", err)
	}
	o.Token = ""
	if _, err := pkcs11.Open(o); !errors.Is(err, pkcs11.ErrNoToken) {
		t.Errorf("one of two tokens: %v", err)
	}
	o = options()
	o.Library = "/nowhere.so"
	if _, err := pkcs11.Open(o); err == nil {
		t.Error("a library that is not there")
	}
	o = options()
	o.PIN = func() ([]byte, error) { return []byte("999999"), nil }
	if _, err := pkcs11.Open(o); !errors.Is(err, pkcs11.ErrPIN) {
		t.Errorf("another PIN: %v", err)
	}
}

// TestGuarded: no key of the device can leave it, and each may do no more than its usage.
func TestGuarded(t *testing.T) {
	m := open(t, options())
	for _, k := range []struct {
		spec  hsm.KeySpec
		usage hsm.Usage
	}{
		{hsm.SymmetricDefault, hsm.EncryptDecrypt}, {hsm.HMAC256, hsm.GenerateVerifyMAC}, {hsm.P256, hsm.SignVerify}, {hsm.P384, hsm.KeyAgreement},
		{hsm.RSA2048, hsm.EncryptDecrypt}, {hsm.Ed25519, hsm.SignVerify},
	} {
		hsmtest.NewKey(t, m, k.spec, k.usage, t.Name())
	}
	pooled := &hsm.Key{Token: do(t, m, hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.RSA2048}).Out, Spec: hsm.RSA2048}
	do(t, m, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &hsm.Key{Identity: hsmtest.Identity("x"), Spec: hsm.RSA2048, Usage: hsm.SignVerify}})
	do(t, m, hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: &hsm.Key{Identity: hsmtest.Identity("x")}, Target: pooled})
	device := attach(t)
	for _, class := range []uint{p11.CKO_SECRET_KEY, p11.CKO_PRIVATE_KEY} {
		objects := device.find(t, p11.NewAttribute(p11.CKA_CLASS, class))
		if len(objects) < 3 {
			t.Fatalf("class %d: %d objects", class, len(objects))
		}
		for _, object := range objects {
			for kind, want := range map[uint]byte{
				p11.CKA_SENSITIVE: 1, p11.CKA_EXTRACTABLE: 0, p11.CKA_PRIVATE: 1, p11.CKA_ALWAYS_SENSITIVE: 1, p11.CKA_NEVER_EXTRACTABLE: 1,
			} {
				if got := device.attribute(t, object, kind); !imported(kind) && got != want {
					t.Errorf("class %d, %s: attribute %#x is %d", class, device.label(t, object), kind, got)
				}
			}
			if _, err := device.ctx.GetAttributeValue(device.session, object, []*p11.Attribute{p11.NewAttribute(p11.CKA_VALUE, nil)}); err == nil {
				t.Errorf("class %d: the device shows its value", class)
			}
			if class != p11.CKO_PRIVATE_KEY || device.attribute(t, object, p11.CKA_TOKEN) == 0 {
				continue
			}
			uses := 0
			for _, kind := range []uint{p11.CKA_SIGN, p11.CKA_DECRYPT, p11.CKA_DERIVE, p11.CKA_UNWRAP} {
				uses += int(device.attribute(t, object, kind))
			}
			if uses != 1 {
				t.Errorf("%s: %d uses", device.label(t, object), uses)
			}
		}
	}
}

// imported tells the attributes that what came from outside cannot have: other tests leave such keys in the device.
func imported(kind uint) bool {
	return kind == p11.CKA_ALWAYS_SENSITIVE || kind == p11.CKA_NEVER_EXTRACTABLE
}

// TestDestroy takes a key out of the device: its token is nothing then.
func TestDestroy(t *testing.T) {
	o := options()
	o.Limit, o.Block = 2, 1
	m := open(t, o)
	device := attach(t)
	before := len(device.find(t))
	for spec, usage := range map[hsm.KeySpec]hsm.Usage{hsm.SymmetricDefault: hsm.EncryptDecrypt, hsm.P256: hsm.SignVerify, hsm.HMAC256: hsm.GenerateVerifyMAC} {
		key := hsmtest.NewKey(t, m, spec, usage, t.Name())
		if spec == hsm.SymmetricDefault {
			for range 5 {
				encrypt(t, m, &key.Key)
			}
		}
		other := key.Key
		other.Identity = hsmtest.Identity("another")
		if err := m.Destroy(context.Background(), &other); !errors.Is(err, hsm.ErrToken) {
			t.Errorf("spec %d: by a token of another key: %v", spec, err)
		}
		if err := m.Destroy(context.Background(), &key.Key); err != nil {
			t.Errorf("spec %d: %v", spec, err)
		}
		c := hsm.Call{
			Op:  map[hsm.Usage]hsm.Op{hsm.EncryptDecrypt: hsm.OpEncrypt, hsm.SignVerify: hsm.OpSign, hsm.GenerateVerifyMAC: hsm.OpMAC}[usage],
			Key: &key.Key, In: []byte("x"), Out: make([]byte, 0, 512),
		}
		if err := m.Do(&c); !errors.Is(err, hsm.ErrToken) {
			t.Errorf("spec %d: used after: %v", spec, err)
		}
	}
	if after := len(device.find(t)); after != before {
		t.Errorf("%d objects before, %d after", before, after)
	}
}

// TestBlobsBySize: the device's blobs are of the service's sizes and open by the module alone.
func TestBlobsBySize(t *testing.T) {
	m := open(t, options())
	key := &hsmtest.NewKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
	sealed := encrypt(t, m, key)
	if !bytes.HasPrefix(sealed, []byte{1, 2, 3, 0, 0x78}) {
		t.Errorf("it begins with %x", sealed[:5])
	}
	if got, ok := hsm.MaterialOf(sealed); !ok || got != key.Material {
		t.Error("the blob does not name its material")
	}
}
