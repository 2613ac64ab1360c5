package keyring_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

// memory is a store in memory. before, if set, runs ahead of every commit and may refuse it; after may turn the
// answer of an applied commit into an error.
type memory struct {
	mu       sync.Mutex
	records  map[string]store.Record
	log      []commit
	revision store.Revision
	moved    chan struct{} // closed by the next commit
	silent   bool          // watches bring nothing
	before   func(store.Txn) error
	after    func(store.Txn) error
	loads    int
	broken   error // of Head, Load and Watch
	oldest   store.Revision
}

type commit struct {
	revision store.Revision
	changes  []store.Record
}

var _ store.Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{records: map[string]store.Record{}, moved: make(chan struct{})}
}

func (m *memory) Load(_ context.Context, key []byte) (store.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	if m.broken != nil {
		return store.Record{}, m.broken
	}
	r, ok := m.records[string(key)]
	if !ok {
		return store.Record{}, store.ErrNotFound
	}
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	return r, nil
}

func (m *memory) List(_ context.Context, prefix, after []byte, limit int) ([]store.Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rs []store.Record
	for k, r := range m.records {
		if bytes.HasPrefix([]byte(k), prefix) && k > string(after) {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b store.Record) int { return bytes.Compare(a.Key, b.Key) })
	return rs[:min(limit, len(rs))], len(rs) > limit, nil
}

func (m *memory) Commit(_ context.Context, t store.Txn) (store.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(t.Require)+len(t.Put)+len(t.Delete) > store.MaxTxnEntries {
		return 0, store.ErrTooLarge
	}
	if m.before != nil {
		if err := m.before(t); err != nil {
			return 0, err
		}
	}
	for _, c := range t.Require {
		if m.records[string(c.Key)].Revision != c.Revision {
			return 0, store.ErrConflict
		}
	}
	m.revision++
	c := commit{revision: m.revision}
	for _, r := range t.Put {
		r = store.Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Revision: m.revision}
		m.records[string(r.Key)] = r
		c.changes = append(c.changes, r)
	}
	for _, k := range t.Delete {
		delete(m.records, string(k))
		c.changes = append(c.changes, store.Record{Key: bytes.Clone(k), Revision: m.revision})
	}
	m.log = append(m.log, c)
	close(m.moved)
	m.moved = make(chan struct{})
	if m.after != nil {
		if err := m.after(t); err != nil {
			return 0, err
		}
	}
	return m.revision, nil
}

func (m *memory) Watch(ctx context.Context, from store.Revision, f func(store.Revision, []store.Record) error) error {
	for {
		m.mu.Lock()
		moved, revision, broken, silent := m.moved, m.revision, m.broken, m.silent
		if from < m.oldest {
			broken = store.ErrCompacted
		}
		var news []commit
		if !silent {
			for _, c := range m.log {
				if c.revision > from {
					news = append(news, c)
				}
			}
		}
		m.mu.Unlock()
		if broken != nil {
			return broken
		}
		for _, c := range news {
			if err := f(c.revision, c.changes); err != nil {
				return err
			}
		}
		if !silent {
			from = revision
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		case <-time.After(time.Second):
			if !silent {
				if err := f(from, nil); err != nil {
					return err
				}
			}
		}
	}
}

func (m *memory) Head(context.Context) (store.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision, m.broken
}

func (m *memory) Close() error { return nil }

// set changes the fake under its lock.
func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *memory) countLoads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loads
}

// keys are all store keys, NUL shown as '|'.
func (m *memory) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ks []string
	for k := range m.records {
		ks = append(ks, string(bytes.ReplaceAll([]byte(k), []byte{0}, []byte("|"))))
	}
	slices.Sort(ks)
	return ks
}

// module remembers what it was told to forget, and makes materials with numbers from madeFrom on.
type module struct {
	hsm.Module
	mu        sync.Mutex
	forgotten map[hsm.MaterialID]int
	made      int
	err       error
}

const madeFrom = 1 << 20

func (m *module) Do(c *hsm.Call) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if c.Op != hsm.OpGenerate || c.Deadline.IsZero() || len(c.Key.Identity) == 0 || len(c.Key.Token) != 0 {
		return hsm.ErrUnsupported
	}
	c.Material = material(madeFrom + m.made)
	c.Out = append(c.Out, "token of "+c.Material.String()...)
	m.made++
	return nil
}

func (m *module) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made
}

func (m *module) Forget(_ context.Context, id hsm.MaterialID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.forgotten == nil {
		m.forgotten = map[hsm.MaterialID]int{}
	}
	m.forgotten[id]++
	return nil
}

func (m *module) times(id hsm.MaterialID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forgotten[id]
}

var (
	epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	home  = keyring.Scope{Partition: "aws", Account: "000000000000", Region: "us-east-1"}
)

func open(t testing.TB, s store.Store, o keyring.Options) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(s, &module{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// keyID is the nth key id.
func keyID(n int) string {
	const hex = "0123456789abcdef"
	id := []byte("00000000-0000-4000-8000-000000000000")
	for i := len(id) - 1; n > 0; i-- {
		id[i] = hex[n&15]
		n >>= 4
	}
	return string(id)
}

func material(n int) hsm.MaterialID {
	return hsm.MaterialID{0: 0, 5: byte(n >> 24), 6: byte(n >> 16), 7: byte(n >> 8), 8: byte(n), 31: 1}
}

// newKey is a symmetric key with a token of a symmetric key's size.
func newKey(n int) keyring.NewKey {
	return keyring.NewKey{
		ID:       home.Key(keyID(n)),
		Spec:     hsm.SymmetricDefault,
		Usage:    hsm.EncryptDecrypt,
		Token:    bytes.Repeat([]byte{byte(n)}, 132),
		Material: material(n),
		Created:  epoch,
	}
}

func create(t testing.TB, k *keyring.Keyring, n keyring.NewKey) keyring.ID {
	t.Helper()
	if _, err := k.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n.ID
}
