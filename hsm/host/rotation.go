package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"trent/hsm"
	"trent/hsm/operator"
)

// Rotation has domain keys rotate by the host's own commands.
type Rotation struct {
	Host    *Host
	Modules []Module
}

// ErrUnacknowledged is a pending domain key that some member does not hold, or cannot be asked about.
var ErrUnacknowledged = errors.New("host: not every member holds the pending domain key")

// DomainKeys are the keys of the newest state, and the period of rotation. Error: ErrNoDomain.
func (r *Rotation) DomainKeys(context.Context) ([]hsm.DomainKeyInfo, time.Duration, error) {
	_, s := r.Host.Newest()
	if s == nil {
		return nil, 0, ErrNoDomain
	}
	return s.Keys, s.Rotation, nil
}

// Rotate makes a pending key. Errors: those of Relay.
func (r *Rotation) Rotate(ctx context.Context) error {
	return r.command(ctx, operator.Command{Kind: operator.RotateKeys})
}

// Activate makes the pending key active, once every member that the newest state lists has been found to hold it: until then a
// token under it might meet a member that cannot open it. Errors: ErrUnacknowledged, those of Relay.
func (r *Rotation) Activate(ctx context.Context, version uint32) error {
	if err := r.acknowledged(ctx); err != nil {
		return err
	}
	return r.command(ctx, operator.Command{Kind: operator.ActivateKey, Version: version})
}

// Drop removes a key, with the host's word that no token was under it at counted. Errors: those of Relay.
func (r *Rotation) Drop(ctx context.Context, version uint32, counted time.Time) error {
	return r.command(ctx, operator.Command{
		Kind: operator.DropKey, Version: version,
		Statement: operator.Statement{Version: version, Counted: counted.Truncate(time.Millisecond)},
	})
}

// command signs and does one. Modules that do not hold the successor yet get it by Attend.
func (r *Rotation) command(ctx context.Context, c operator.Command) error {
	_, s := r.Host.Newest()
	if s == nil {
		return ErrNoDomain
	}
	proposed, err := operator.Propose(s, c, time.Now(), commandLife)
	if err != nil {
		return err
	}
	signed, err := operator.Sign(proposed, r.Host.key, rand.Reader)
	if err != nil {
		return err
	}
	_, _, err = r.Host.Relay(ctx, signed, r.Modules)
	return err
}

// acknowledgment is how long a module may take to say what it holds.
const acknowledgment = 5 * time.Second

// acknowledged asks all modules at a time.
func (r *Rotation) acknowledged(ctx context.Context) error {
	_, s := r.Host.Newest()
	if s == nil {
		return ErrNoDomain
	}
	ctx, cancel := context.WithTimeout(ctx, acknowledgment)
	defer cancel()
	var mu sync.Mutex
	holds := map[string]bool{}
	var all sync.WaitGroup
	for _, m := range r.Modules {
		all.Go(func() {
			_ = r.Host.Deliver(ctx, m) // whether it has it, it says itself
			id, err := m.Identity(ctx)
			if err != nil || !id.InService || id.Domain != s.Domain || id.Number < s.Number || id.Number == s.Number && id.Hash != s.Hash() {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			holds[string(id.HSM.Signing)] = true
		})
	}
	all.Wait()
	var missing []string
	for i := range s.Members {
		if !holds[string(s.Members[i].Signing)] {
			missing = append(missing, s.Members[i].Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s; start them, or have operators remove them", ErrUnacknowledged, strings.Join(missing, ", "))
	}
	return nil
}
