package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"trent/hsm"
	"trent/hsm/operator"
)

// Module is a module that a host commands, over its console or over the link.
type Module interface {
	Installer
	Execute(ctx context.Context, command []byte) ([]byte, error)
}

// commandLife is how long a command is good that is executed at once.
const commandLife = 5 * time.Minute

// rotation is how often domain keys rotate when nobody said otherwise.
const rotation = 24 * time.Hour

// Owner commands a domain of modules that its host runs itself: one operator, whose key lies beside the host's.
type Owner struct {
	Host     *Host
	Name     string // of a domain about to be made
	Operator *operator.Key
	HostKey  *operator.Key
	Rotation time.Duration // period of the domain keys; 0: daily, or as the domain has it
	Record   string        // file of the modules that were ever its own; others are members by the will of operators
}

// Gather brings modules into service as one domain: it makes the domain where there is none yet, takes these modules in
// and what were its own before out, and delivers the newest token to each. Errors: ErrNotListed, ErrForeign, those of
// commands and tokens.
func (o *Owner) Gather(ctx context.Context, modules []Module) error {
	ids := make([]hsm.DomainHSM, len(modules))
	for i, m := range modules {
		id, err := m.Identity(ctx)
		if err != nil {
			return fmt.Errorf("asking module %d who it is: %w", i+1, err)
		}
		ids[i] = id.HSM
	}
	former, err := o.remember(ids)
	if err != nil {
		return err
	}
	switch err := o.Host.Reload(ctx); {
	case errors.Is(err, ErrNoDomain):
		if err := o.found(ctx, modules, ids); err != nil {
			return fmt.Errorf("making the domain: %w", err)
		}
	case err != nil:
		return err
	default:
		if err := o.adjust(ctx, modules, ids, former); err != nil {
			return err
		}
	}
	if err := o.deliver(ctx, modules); err != nil {
		return err
	}
	_, state := o.Host.Newest()
	if o.Rotation <= 0 || state.Rotation == o.Rotation {
		return nil
	}
	if err := o.execute(ctx, modules[0], state, operator.Command{Kind: operator.ModifyRules, Rules: state.Rules, Rotation: o.Rotation}); err != nil {
		return fmt.Errorf("changing the period of rotation to %v: %w", o.Rotation, err)
	}
	return o.deliver(ctx, modules)
}

func (o *Owner) deliver(ctx context.Context, modules []Module) error {
	for i, m := range modules {
		if err := o.Host.Deliver(ctx, m); err != nil {
			return fmt.Errorf("bringing the domain token to module %d: %w", i+1, err)
		}
	}
	return nil
}

// ErrForeign is a set of modules none of which is a member of the domain.
var ErrForeign = errors.New("host: none of these modules is a member of the domain")

// found makes a domain of all modules.
func (o *Owner) found(ctx context.Context, modules []Module, ids []hsm.DomainHSM) error {
	op, err := o.Operator.Principal("operator")
	if err != nil {
		return err
	}
	host, err := o.HostKey.Principal("host")
	if err != nil {
		return err
	}
	c := operator.Command{
		Kind: operator.CreateDomain, Name: o.Name, Target: operator.FingerprintOf(ids[0].Signing), Members: ids,
		Signers: []hsm.DomainPrincipal{op, host}, Rules: operator.DefaultRules(1), Rotation: rotation, Threshold: 1,
	}
	if o.Rotation > 0 {
		c.Rotation = o.Rotation
	}
	return o.execute(ctx, modules[0], nil, c)
}

// execute has a command done by one module and publishes the successor.
func (o *Owner) execute(ctx context.Context, at Module, s *hsm.DomainState, c operator.Command) error {
	proposed, err := operator.Propose(s, c, time.Now(), commandLife)
	if err != nil {
		return err
	}
	signed, err := operator.Sign(proposed, o.Operator.Signer, rand.Reader)
	if err != nil {
		return err
	}
	token, err := at.Execute(ctx, signed)
	if err != nil {
		return err
	}
	return o.Host.Publish(ctx, token)
}

// adjust makes these modules members of the domain in place of former ones, by one that is a member already.
func (o *Owner) adjust(ctx context.Context, modules []Module, ids []hsm.DomainHSM, former map[string]bool) error {
	_, state := o.Host.Newest()
	member := slices.IndexFunc(ids, func(id hsm.DomainHSM) bool { return lists(state.Members, &id) })
	wanted := slices.Clone(ids)
	for i := range state.Members {
		if m := &state.Members[i]; !lists(ids, m) && !former[operator.FingerprintOf(m.Signing).String()] {
			wanted = append(wanted, *m)
		}
	}
	switch {
	case len(wanted) == len(state.Members) && !slices.ContainsFunc(wanted, func(m hsm.DomainHSM) bool { return !lists(state.Members, &m) }):
		return nil
	case member < 0:
		return fmt.Errorf("%w %s: what its keys protect needs one, or the operators' shares", ErrForeign, state.Name)
	}
	if err := o.Host.Deliver(ctx, modules[member]); err != nil {
		return fmt.Errorf("bringing the domain token to module %d: %w", member+1, err)
	}
	if err := o.execute(ctx, modules[member], state, operator.Command{Kind: operator.ModifyMembers, Members: wanted}); err != nil {
		return fmt.Errorf("changing the members of domain %s from %d to %d: %w", state.Name, len(state.Members), len(wanted), err)
	}
	return nil
}

func lists(members []hsm.DomainHSM, one *hsm.DomainHSM) bool {
	return slices.ContainsFunc(members, func(m hsm.DomainHSM) bool { return string(m.Signing) == string(one.Signing) })
}

// remember adds modules to the record, durably, and gives the fingerprints that are in it.
func (o *Owner) remember(ids []hsm.DomainHSM) (map[string]bool, error) {
	text, err := os.ReadFile(o.Record)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading which modules are this host's own: %w", err)
	}
	own := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		own[strings.TrimSpace(line)] = true
	}
	known := len(own)
	for i := range ids {
		if f := operator.FingerprintOf(ids[i].Signing).String(); !own[f] {
			own[f] = true
			text = append(text, f+"\n"...)
		}
	}
	if len(own) == known {
		return own, nil
	}
	if err := replace(o.Record, text); err != nil {
		return nil, fmt.Errorf("noting which modules are this host's own: %w", err)
	}
	return own, nil
}
