package authz

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"
)

// Interner gives policies of the same kind and text one compiled form, for as long as somebody uses it: it holds nothing
// alive, so its size is bounded by that of the policies in use. The zero value is ready; safe for concurrent use.
type Interner struct {
	mu   sync.Mutex
	held map[interned]weak.Pointer[Compiled]
}

type interned struct {
	kind Kind
	hash [sha256.Size]byte
}

// Compile parses and compiles a document, unless its compiled form is at hand. Its error is Parse's.
func (n *Interner) Compile(kind Kind, document []byte) (*Compiled, error) {
	id := interned{kind, sha256.Sum256(document)}
	if c := n.find(id); c != nil {
		return c, nil
	}
	p, err := Parse(kind, document)
	if err != nil {
		return nil, err
	}
	return n.keep(id, Compile(kind, document, p)), nil
}

// Len is how many policies are held, those not yet found to be unused included.
func (n *Interner) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.held)
}

func (n *Interner) find(id interned) *Compiled {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held[id].Value()
}

// keep is c, or what another has kept meanwhile.
func (n *Interner) keep(id interned, c *Compiled) *Compiled {
	n.mu.Lock()
	defer n.mu.Unlock()
	if other := n.held[id].Value(); other != nil {
		return other
	}
	if n.held == nil {
		n.held = map[interned]weak.Pointer[Compiled]{}
	}
	n.held[id] = weak.Make(c)
	runtime.AddCleanup(c, n.drop, id)
	return c
}

// drop forgets a policy that nobody uses any more, unless it was compiled anew.
func (n *Interner) drop(id interned) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[id].Value() == nil {
		delete(n.held, id)
	}
}
