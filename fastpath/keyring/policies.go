package keyring

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"weak"

	"trent/fastpath/authz"
	"trent/store"
)

// policies compiles key policies, each text once: keys of the same policy share one compiled form for as long as any
// snapshot has it. Default policies are found by their account, without making their text.
type policies struct {
	texts    authz.Interner
	mu       sync.Mutex
	defaults map[owner]weak.Pointer[authz.Compiled]
}

type owner struct{ partition, account string }

func (p *policies) init() { p.defaults = map[owner]weak.Pointer[authz.Compiled]{} }

// byDefault is the account's default policy.
func (p *policies) byDefault(id ID) *authz.Compiled {
	at := owner{id.Partition, id.Account}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.defaults[at].Value(); c != nil {
		return c
	}
	c, _ := p.compiled([]byte(authz.DefaultPolicy(id.Partition, id.Account)))
	at = owner{strings.Clone(id.Partition), strings.Clone(id.Account)} // not the whole ARN that they are parts of
	p.defaults[at] = weak.Make(c)
	runtime.AddCleanup(c, p.forget, at)
	return c
}

// forget takes out a default policy that nobody has any more, unless it was made anew meanwhile.
func (p *policies) forget(at owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.defaults[at].Value() == nil {
		delete(p.defaults, at)
	}
}

// compiled is the compiled form of a document; bytes is about what it takes in memory, 0 where others have it already. A
// document that this version cannot read, which none of them wrote, allows nothing.
func (p *policies) compiled(document []byte) (c *authz.Compiled, bytes int) {
	others := p.texts.Len()
	c, err := p.texts.Compile(authz.KindKey, document)
	if err != nil {
		c = authz.Compile(authz.KindKey, document, &authz.Policy{Version: authz.Version2012})
	} else if p.texts.Len() <= others { // what comes and goes meanwhile makes no more than the count wrong
		return c, 0
	}
	return c, compiledBytes(document)
}

// compiledBytes is about what a policy takes in memory, parsed and compiled (TestMemoryPerPolicy).
func compiledBytes(document []byte) int { return 1<<10 + 4*len(document) }

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
