package custody

import (
	"context"
	"time"

	"trent/hsm"
)

// Embedded is the domain of one module that has it alone.
func Embedded(m *hsm.Local) Domain { return embedded{m} }

type embedded struct{ m *hsm.Local }

func (e embedded) DomainKeys(ctx context.Context) ([]hsm.DomainKeyInfo, time.Duration, error) {
	s, err := e.m.Status(ctx)
	return s.DomainKeys, 0, err
}

func (e embedded) Rotate(context.Context) error { return e.m.RotateDomainKey() }

// Activate is never needed: the module's new key is active at once.
func (e embedded) Activate(context.Context, uint32) error { return nil }

func (e embedded) Drop(_ context.Context, version uint32, _ time.Time) error {
	return e.m.DropDomainKey(version)
}
