package custody_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/custody"
	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
	"trent/store/pebblestore"
)

// place is what is durable, and what is open on it.
type place struct {
	dir    string
	ahead  *atomic.Int64 // of real time, nanoseconds
	module *hsm.Local
	store  *pebblestore.Store
	keys   *keyring.Keyring
	limit  *limit
	made   map[uint32]time.Duration // how far ahead of real time the clock was when a domain key was made
	cycle  *custody.Cycle
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{dir: t.TempDir(), ahead: &atomic.Int64{}, limit: &limit{left: -1}, made: map[uint32]time.Duration{}}
	p.open(t)
	t.Cleanup(func() { p.close(t) })
	return p
}

func (p *place) clock() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

func (p *place) open(t *testing.T) {
	t.Helper()
	var err error
	p.module, err = hsm.Open(hsm.Config{Dir: filepath.Join(p.dir, "domain"), Seal: hsm.Seal{KeyFile: filepath.Join(p.dir, "seal.key")}, Workers: 2, Slots: -1})
	if err != nil {
		t.Fatal(err)
	}
	if p.store, err = pebblestore.Open(filepath.Join(p.dir, "store"), pebblestore.Options{}); err != nil {
		t.Fatal(err)
	}
	if p.keys, err = keyring.Open(p.store, p.module, keyring.Options{}); err != nil {
		t.Fatal(err)
	}
	p.cycle = custody.New(custody.Options{
		Domain: &limitedDomain{custody.Embedded(p.module), p}, Tokens: &limitedTokens{p.keys, p.limit}, Module: p.module, Clock: p.clock, Grace: -1,
	})
}

func (p *place) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(p.keys.Close(), p.store.Close(), p.module.Close()); err != nil {
		t.Error(err)
	}
}

// reopen is what a process that was killed finds.
func (p *place) reopen(t *testing.T) {
	t.Helper()
	p.close(t)
	p.open(t)
}

var errKilled = fmt.Errorf("%w: killed here", store.ErrUnavailable)

// limit is how many changes are made before the process ends, by turns before and after one is durable.
type limit struct{ left int }

func (l *limit) change(f func() error) error {
	if l.left < 0 {
		return f()
	}
	if l.left == 0 {
		return errKilled
	}
	if l.left--; l.left == 0 {
		return errors.Join(f(), errKilled)
	}
	l.left--
	return f()
}

type limitedDomain struct {
	custody.Domain
	p *place
}

// DomainKeys has times by the test's clock.
func (d *limitedDomain) DomainKeys(ctx context.Context) ([]hsm.DomainKeyInfo, time.Duration, error) {
	keys, period, err := d.Domain.DomainKeys(ctx)
	for i := range keys {
		k := &keys[i]
		k.Activated = k.Activated.Add(d.p.made[k.Version])
		if i+1 < len(keys) {
			k.Ended = k.Ended.Add(d.p.made[keys[i+1].Version])
		}
	}
	return keys, period, err
}

func (d *limitedDomain) Rotate(ctx context.Context) error {
	return d.p.limit.change(func() error {
		err := d.Domain.Rotate(ctx)
		s, statusErr := d.p.module.Status(ctx)
		d.p.made[s.DomainVersion] = time.Duration(d.p.ahead.Load())
		return errors.Join(err, statusErr)
	})
}

func (d *limitedDomain) Drop(ctx context.Context, version uint32, counted time.Time) error {
	return d.p.limit.change(func() error { return d.Domain.Drop(ctx, version, counted) })
}

type limitedTokens struct {
	custody.Tokens
	*limit
}

func (d *limitedTokens) ReplaceToken(ctx context.Context, h *keyring.HeldToken, token []byte) error {
	return d.change(func() error { return d.Tokens.ReplaceToken(ctx, h, token) })
}

// do runs a command that makes something.
func (p *place) do(t *testing.T, c *hsm.Call) {
	t.Helper()
	c.Out, c.Public = make([]byte, 0, 8<<10), make([]byte, 0, 2<<10)
	if err := p.module.Do(c); err != nil {
		t.Fatal(err)
	}
}

// key is a symmetric key in the store, and what it encrypted.
type key struct {
	id   keyring.ID
	blob []byte
}

func identity(id keyring.ID) []byte {
	return hsm.AppendIdentity(nil, id.Partition, id.Account, id.Key, id.Region)
}

func (p *place) makeKey(t *testing.T, n int) key {
	t.Helper()
	k := key{id: keyring.ID{Partition: "aws", Account: "111122223333", Region: "us-east-1", Key: fmt.Sprintf("00000000-0000-4000-8000-%012d", n)}}
	c := &hsm.Call{Op: hsm.OpGenerate, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Key: &hsm.Key{Identity: identity(k.id), Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}}
	p.do(t, c)
	s, err := p.keys.Create(t.Context(), keyring.NewKey{ID: k.id, Spec: c.Spec, Usage: c.Usage, Token: c.Out, Material: c.Material})
	if err != nil {
		t.Fatal(err)
	}
	e := &hsm.Call{Op: hsm.OpEncrypt, Algorithm: hsm.AESGCM, Key: s.Current, In: []byte("secret")}
	p.do(t, e)
	k.blob = e.Out
	return k
}

func (p *place) opens(t *testing.T, k key) error {
	t.Helper()
	s, err := p.keys.ByID(t.Context(), k.id)
	if err != nil || s.Current == nil {
		return fmt.Errorf("finding the key: %w", errors.Join(err, errors.New("no token")))
	}
	c := &hsm.Call{Op: hsm.OpDecrypt, Algorithm: hsm.AESGCM, Key: s.Current, In: k.blob, Secret: make([]byte, 0, 64)}
	if err := p.module.Do(c); err != nil {
		return err
	}
	if string(c.Secret) != "secret" {
		return fmt.Errorf("decrypted %q", c.Secret)
	}
	return nil
}

// fill stores keys, a wrapping key and an internal one.
func (p *place) fill(t *testing.T, n int) []key {
	t.Helper()
	var all []key
	for i := range n {
		all = append(all, p.makeKey(t, i))
	}
	w := &hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: &hsm.Key{Identity: identity(all[0].id)}}
	p.do(t, w)
	if err := p.keys.PutWrappingKey(t.Context(), all[0].id, keyring.WrappingKey{ID: w.Material, Token: w.Out, Ends: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	own := &hsm.Key{Identity: hsm.AppendIdentity(nil, "trent", "internal", "a name", ""), Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}
	c := &hsm.Call{Op: hsm.OpGenerate, Spec: own.Spec, Usage: own.Usage, Key: own}
	p.do(t, c)
	if _, _, err := p.keys.KeepInternal(t.Context(), "a name", c.Out, c.Material); err != nil {
		t.Fatal(err)
	}
	return all
}

// versions are those of the domain's keys.
func (p *place) versions(t *testing.T) (all []uint32) {
	t.Helper()
	s, err := p.module.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.DomainKeys {
		all = append(all, k.Version)
	}
	return all
}

// under counts the tokens by version.
func (p *place) under(t *testing.T) map[uint32]int {
	t.Helper()
	counts := map[uint32]int{}
	var at keyring.HeldPlace
	for more := true; more; {
		var page []keyring.HeldToken
		var err error
		if page, more, err = p.keys.HeldTokens(t.Context(), &at, 2); err != nil {
			t.Fatal(err)
		}
		for i := range page {
			info, ok := hsm.InfoOf(page[i].Token)
			if !ok {
				t.Fatal("a token that is none")
			}
			counts[info.Version]++
		}
	}
	return counts
}

func (p *place) steps(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := p.cycle.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCycle: a key rotates when it is as old as the period, all tokens move, and the older key goes a period and a day later.
func TestCycle(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	keys := p.fill(t, 3)
	p.steps(t, 3)
	if v := p.versions(t); !slices.Equal(v, []uint32{1}) {
		t.Fatalf("before the period is over: %v", v)
	}
	p.ahead.Add(int64(24*time.Hour + time.Second))
	p.steps(t, 1)
	if v := p.versions(t); !slices.Equal(v, []uint32{1, 2}) {
		t.Fatalf("after the period: %v", v)
	}
	p.steps(t, 2)
	if n := p.under(t); n[2] != 5 || len(n) != 1 {
		t.Fatalf("tokens by version: %v", n)
	}
	if pr := p.cycle.Progress(); pr.Rewrapped != 5 || pr.State() != "retiring" {
		t.Errorf("%+v is %s", pr, pr.State())
	}
	if v := p.versions(t); len(v) != 2 {
		t.Fatalf("a key went before it is due: %v", v)
	}
	p.ahead.Add(int64(23 * time.Hour))
	p.steps(t, 2)
	if v := p.versions(t); len(v) != 2 {
		t.Fatalf("a key went before it is due: %v", v)
	}
	p.ahead.Add(int64(26 * time.Hour))
	p.steps(t, 4) // the next rotation is first
	if v := p.versions(t); slices.Contains(v, 1) {
		t.Fatalf("the first key is due: %v", v)
	}
	for _, k := range keys {
		if err := p.opens(t, k); err != nil {
			t.Errorf("%s: %v", k.id.Key, err)
		}
	}
}

// TestKilledAtEachStep: a process that ends before or after any of the changes of a cycle loses nothing, and the next goes on.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	keys := p.fill(t, 2)
	killed := 0
	for n := range 13 {
		p.ahead.Add(int64(25 * time.Hour))
		p.limit.left = n
		for range 6 {
			if _, err := p.cycle.Step(t.Context()); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			} else if err != nil {
				killed++
				break
			}
		}
		p.limit.left = -1
		p.reopen(t)
		for _, k := range keys {
			if err := p.opens(t, k); err != nil {
				t.Fatalf("killed after %d: %v", n, err)
			}
		}
	}
	if killed < 10 {
		t.Errorf("only %d times was there anything to cut short", killed)
	}
	p.ahead.Add(int64(72 * time.Hour))
	p.steps(t, 2)
	p.ahead.Add(int64(48*time.Hour + time.Minute))
	p.steps(t, 6)
	if v := p.versions(t); len(v) > 2 {
		t.Errorf("older keys stay: %v", v)
	}
	for _, k := range keys {
		if err := p.opens(t, k); err != nil {
			t.Error(err)
		}
	}
}

// TestKeptWhileNeeded: a token that cannot be re-encrypted keeps its domain key, and lets the others go.
func TestKeptWhileNeeded(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	keys := p.fill(t, 2)
	other := keys[0].id
	other.Key = "00000000-0000-4000-8000-999999999999"
	s, err := p.keys.ByID(t.Context(), keys[0].id)
	if err != nil {
		t.Fatal(err)
	}
	// A token that was made for another identity.
	if _, err := p.keys.Create(t.Context(), keyring.NewKey{ID: other, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Token: s.Current.Token, Material: hsm.MaterialID{1}}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		p.ahead.Add(int64(49 * time.Hour))
		p.steps(t, 3)
	}
	if v := p.versions(t); !slices.Contains(v, 1) {
		t.Fatalf("the first key went while a token needs it: %v", v)
	}
	if n := p.under(t); n[1] != 1 {
		t.Fatalf("tokens by version: %v", n)
	}
}

// TestChangedMeanwhile: a record that changes while its token is re-encrypted keeps the change.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	k := p.fill(t, 1)[0]
	var at keyring.HeldPlace
	page, _, err := p.keys.HeldTokens(t.Context(), &at, 1)
	if err != nil || len(page) != 1 {
		t.Fatal(err, len(page))
	}
	if _, err := p.cycle.RotateNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.steps(t, 1)
	if err := p.keys.ReplaceToken(t.Context(), &page[0], page[0].Token); err == nil {
		t.Fatal("a record that has changed was replaced")
	}
	if n := p.under(t); n[2] != 3 || len(n) != 1 {
		t.Fatalf("tokens by version: %v", n)
	}
	if err := p.opens(t, k); err != nil {
		t.Fatal(err)
	}
}

// rotating rotates once, while a walk is under way.
type rotating struct {
	custody.Tokens
	once  sync.Once
	cycle func() *custody.Cycle
	t     *testing.T
}

func (r *rotating) ReplaceToken(ctx context.Context, h *keyring.HeldToken, token []byte) error {
	r.once.Do(func() {
		if v, err := r.cycle().RotateNow(ctx); err != nil || v != 3 {
			r.t.Errorf("rotated to %d, %v", v, err)
		}
	})
	return r.Tokens.ReplaceToken(ctx, h, token)
}

// TestRotatedDuringAWalk: a rotation on command does not wait for a walk, and that ends for one under the newest key.
func TestRotatedDuringAWalk(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	keys := p.fill(t, 4)
	var c *custody.Cycle
	c = custody.New(custody.Options{
		Domain: custody.Embedded(p.module), Module: p.module, Grace: -1,
		Tokens: &rotating{Tokens: p.keys, cycle: func() *custody.Cycle { return c }, t: t},
	})
	if _, err := c.RotateNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.under(t); n[3] != 6 || len(n) != 1 {
		t.Fatalf("tokens by version: %v", n)
	}
	if pr := c.Progress(); pr.Lost != 0 || pr.Under[3] != 6 {
		t.Errorf("%+v", pr)
	}
	for _, k := range keys {
		if err := p.opens(t, k); err != nil {
			t.Error(err)
		}
	}
}
