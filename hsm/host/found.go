package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
}

// Gather brings modules into service as one domain: it makes the domain where there is none yet, makes its members be
// these modules and no others, and delivers the newest token to each. Errors: ErrNotListed, ErrForeign, those of commands
// and tokens.
func (o *Owner) Gather(ctx context.Context, modules []Module) error {
	ids := make([]hsm.DomainHSM, len(modules))
	for i, m := range modules {
		id, err := m.Identity(ctx)
		if err != nil {
			return fmt.Errorf("asking module %d who it is: %w", i+1, err)
		}
		ids[i] = id.HSM
	}
	switch err := o.Host.Reload(ctx); {
	case errors.Is(err, ErrNoDomain):
		if err := o.found(ctx, modules, ids); err != nil {
			return fmt.Errorf("making the domain: %w", err)
		}
	case err != nil:
		return err
	default:
		if err := o.adjust(ctx, modules, ids); err != nil {
			return err
		}
	}
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

// adjust makes the members of the domain be these modules, by one that is a member already.
func (o *Owner) adjust(ctx context.Context, modules []Module, ids []hsm.DomainHSM) error {
	_, state := o.Host.Newest()
	member := -1
	same := len(ids) == len(state.Members)
	for i := range ids {
		listed := slices.ContainsFunc(state.Members, func(m hsm.DomainHSM) bool { return string(m.Signing) == string(ids[i].Signing) })
		if listed && member < 0 {
			member = i
		}
		same = same && listed
	}
	switch {
	case same:
		return nil
	case member < 0:
		return fmt.Errorf("%w %s: what its keys protect needs one, or the operators' shares", ErrForeign, state.Name)
	}
	if err := o.Host.Deliver(ctx, modules[member]); err != nil {
		return fmt.Errorf("bringing the domain token to module %d: %w", member+1, err)
	}
	if err := o.execute(ctx, modules[member], state, operator.Command{Kind: operator.ModifyMembers, Members: ids}); err != nil {
		return fmt.Errorf("changing the members of domain %s from %d to %d: %w", state.Name, len(state.Members), len(ids), err)
	}
	return nil
}
