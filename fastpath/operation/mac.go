package operation

import (
	"context"
	"errors"

	"trent/fastpath/wire"
	"trent/hsm"
)

func generateMAC(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateMacRequest)
	key := c.Key.Snapshot
	algorithm, err := c.macing(r.MacAlgorithm)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpMAC, false)
	m.Key, m.Algorithm, m.In = key.Current, algorithm, r.Message
	if err := s.do(c); err != nil {
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.mac = wire.GenerateMacResponse{Mac: m.Out, MacAlgorithm: r.MacAlgorithm, KeyId: key.ARN}
	c.Response = &c.responses.mac
	return nil
}

func verifyMAC(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.VerifyMacRequest)
	key := c.Key.Snapshot
	algorithm, err := c.macing(r.MacAlgorithm)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpVerifyMAC, false)
	m.Key, m.Algorithm, m.In, m.In2 = key.Current, algorithm, r.Message, r.Mac
	if err := s.do(c); err != nil {
		if errors.Is(err, hsm.ErrMismatch) {
			return wire.Bare(wire.CodeKMSInvalidMacException)
		}
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.verifyMAC = wire.VerifyMacResponse{KeyId: key.ARN, MacValid: wire.Some(true), MacAlgorithm: r.MacAlgorithm}
	c.Response = &c.responses.verifyMAC
	return nil
}

// macing makes the checks that GenerateMac and VerifyMac share.
func (c *Call) macing(a wire.MacAlgorithmSpec) (hsm.Algorithm, error) {
	key := c.Key.Snapshot
	if err := c.ready(key, c.Operation.String()); err != nil {
		return 0, err
	}
	algorithm := macAlgorithm(key.Spec, a)
	if algorithm == hsm.AlgorithmNone {
		return 0, incompatible(a.String(), key)
	}
	return algorithm, nil
}
