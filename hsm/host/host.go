package host

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"trent/hsm"
)

// Host is this process to the modules of its domain. It implements link.Peers.
type Host struct {
	key    crypto.Signer
	spki   []byte
	tokens TokenStore
	newest atomic.Pointer[known]
}

// known is a domain token and its public part.
type known struct {
	token []byte
	state *hsm.DomainState
}

// Errors of a Host.
var (
	// ErrNoDomain is a host whose TokenStore has no token yet.
	ErrNoDomain = errors.New("host: no domain token is known")
	// ErrNotListed is a host that the newest state does not list.
	ErrNotListed = errors.New("host: the domain does not list this host")
)

// New makes a host of its P-384 key and its tokens. Reload reads them.
func New(key crypto.Signer, tokens TokenStore) (*Host, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("the host's key: %w", err)
	}
	return &Host{key: key, spki: spki, tokens: tokens}, nil
}

// Reload takes the newest token from the store. Errors: ErrNoDomain, ErrNotListed, the store's.
func (h *Host) Reload(ctx context.Context) error {
	token, err := h.tokens.Newest(ctx)
	if err != nil {
		return err
	}
	if token == nil {
		return ErrNoDomain
	}
	state, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return err
	}
	h.newest.Store(&known{token, state})
	if !slices.ContainsFunc(state.Signers, func(p hsm.DomainPrincipal) bool { return string(p.Signing) == string(h.spki) }) {
		return ErrNotListed
	}
	return nil
}

// Publish puts a successor of the newest token into the store and takes it for the newest. Errors: the store's.
func (h *Host) Publish(ctx context.Context, token []byte) error {
	state, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return err
	}
	var parent [32]byte
	if k := h.newest.Load(); k != nil {
		parent = k.state.Hash()
	}
	if err := h.tokens.Publish(ctx, parent, token); err != nil {
		return err
	}
	h.newest.Store(&known{token, state})
	return nil
}

// Adopt takes the first token of a host, which operators gave it, into the store. Errors: those of tokens, the store's.
func (h *Host) Adopt(ctx context.Context, token []byte) error { return h.tokens.Adopt(ctx, token) }

// Newest is the newest token that is known and its state; nil before there is one.
func (h *Host) Newest() ([]byte, *hsm.DomainState) {
	if k := h.newest.Load(); k != nil {
		return k.token, k.state
	}
	return nil, nil
}

// Installer is a module that takes tokens: hsm.Member, or an appliance's console.
type Installer interface {
	Identity(ctx context.Context) (hsm.MemberIdentity, error)
	Install(ctx context.Context, token []byte) error
}

// Deliver brings the newest token to a module that does not hold it. A module that refuses, or holds a newer state, is an
// error: ErrStale, ErrDomain and the others of hsm.Member.
func (h *Host) Deliver(ctx context.Context, m Installer) error {
	token, state := h.Newest()
	if state == nil {
		return ErrNoDomain
	}
	id, err := m.Identity(ctx)
	if err != nil {
		return err
	}
	if id.InService && id.Domain == state.Domain && id.Number == state.Number && id.Hash == state.Hash() {
		return nil
	}
	return m.Install(ctx, token)
}

// Domain implements link.Peers.
func (h *Host) Domain() (id [16]byte, number uint64) {
	if _, s := h.Newest(); s != nil {
		return s.Domain, s.Number
	}
	return id, 0
}

// Identity implements link.Peers.
func (h *Host) Identity() []byte { return h.spki }

// Sign implements link.Peers.
func (h *Host) Sign(digest *[48]byte) ([]byte, error) {
	return h.key.Sign(rand.Reader, digest[:], crypto.SHA384)
}

// Module implements link.Peers.
func (h *Host) Module(spki []byte) bool {
	_, s := h.Newest()
	return s != nil && slices.ContainsFunc(s.Members, func(m hsm.DomainHSM) bool { return string(m.Signing) == string(spki) })
}
