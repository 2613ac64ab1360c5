package operation

import (
	"errors"

	"trent/hsm"
)

// withPooled runs a command that can use a key made ahead: with a pool token of spec, for any usage, where the pool has
// one ready, and without one where it has none or the module takes that token no more, because the domain key that it
// lies under is gone.
func (s *Service) withPooled(spec hsm.KeySpec, command func(pooled *hsm.Key) error) error {
	if pooled := s.pool(spec); pooled != nil {
		if err := command(pooled); !errors.Is(err, hsm.ErrDomain) && !errors.Is(err, hsm.ErrToken) {
			return err
		}
	}
	return command(nil)
}

// newMaterial makes the key that target describes and returns the command with its token, public key and material: one
// made ahead is adopted, else one is made.
func (s *Service) newMaterial(c *Call, target *hsm.Key) (*hsm.Call, error) {
	err := s.withPooled(target.Spec, func(pooled *hsm.Key) error {
		m := c.prepare(hsm.OpGenerate, false)
		m.Spec, m.Usage, m.Key = target.Spec, target.Usage, target
		if pooled != nil {
			m.Op, m.Key, m.Target = hsm.OpAdopt, pooled, target
		}
		return s.do(c)
	})
	return &c.module, err
}
