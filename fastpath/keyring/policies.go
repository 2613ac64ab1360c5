package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"weak"

	"trent/fastpath/authz"
	"trent/store"
)

// policies compiles key policies, each text once: keys of the same policy share one compiled form for as long as any
// snapshot has it. Default policies are found by their account, without making their text.
type policies struct {
	mu       sync.Mutex
	byHash   map[[sha256.Size]byte]weak.Pointer[authz.Compiled]
	defaults map[owner]weak.Pointer[authz.Compiled]
}

type owner struct{ partition, account string }

func (p *policies) init() {
	p.byHash = map[[sha256.Size]byte]weak.Pointer[authz.Compiled]{}
	p.defaults = map[owner]weak.Pointer[authz.Compiled]{}
}

// byDefault is the account's default policy.
func (p *policies) byDefault(id ID) *authz.Compiled {
	at := owner{id.Partition, id.Account}
	p.mu.Lock()
	c := p.defaults[at].Value()
	p.mu.Unlock()
	if c != nil {
		return c
	}
	c, _ = p.compiled([]byte(authz.DefaultPolicy(id.Partition, id.Account)))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.defaults[owner{id.Partition, id.Account}] = weak.Make(c)
	runtime.AddCleanup(c, p.forgetDefault, at)
	return c
}

// compiled is the compiled form of a document; bytes is about what it takes in memory, 0 where others have it already. A
// document that this version cannot read, which none of them wrote, allows nothing.
func (p *policies) compiled(document []byte) (c *authz.Compiled, bytes int) {
	hash := sha256.Sum256(document)
	if c := p.known(hash); c != nil {
		return c, 0
	}
	policy, err := authz.ParsePolicy(document)
	if err != nil {
		policy = &authz.Policy{Version: authz.Version2012}
	}
	c = authz.Compile(authz.KindKey, document, policy)
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.byHash[hash].Value(); other != nil {
		return other, 0
	}
	p.byHash[hash] = weak.Make(c)
	runtime.AddCleanup(c, p.forget, hash)
	return c, compiledBytes(document)
}

// compiledBytes is about what a policy takes in memory, parsed and compiled.
func compiledBytes(document []byte) int { return 1<<10 + 4*len(document) }

func (p *policies) known(hash [sha256.Size]byte) *authz.Compiled {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byHash[hash].Value()
}

// forget takes out what nobody has any more, unless it was compiled anew meanwhile.
func (p *policies) forget(hash [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byHash[hash].Value() == nil {
		delete(p.byHash, hash)
	}
}

func (p *policies) forgetDefault(at owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.defaults[at].Value() == nil {
		delete(p.defaults, at)
	}
}

// policyOf loads and compiles the policy of a key; bytes is what it adds to memory.
func (k *Keyring) policyOf(ctx context.Context, id ID) (c *authz.Compiled, bytes int, err error) {
	rec, err := k.store.Load(ctx, id.storeKey(kindPolicy))
	if errors.Is(err, store.ErrNotFound) {
		return k.policies.byDefault(id), 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("loading a key policy: %w", err)
	}
	document, err := decodePolicy(rec.Value)
	if err != nil {
		return nil, 0, err
	}
	c, bytes = k.policies.compiled(document)
	return c, bytes, nil
}
