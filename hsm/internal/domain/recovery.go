package domain

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"trent/hsm/internal/gcm"
)

// split makes a recovery key for t's state and shares of it for the operators who have an agreement key. Any threshold
// of them are the scalar of the key (Shamir, over the order of P-384).
func (m *Member) split(t *token) (err error) {
	threshold := t.state.Recovery.Threshold
	var operators []*Principal
	for i := range t.state.Signers {
		if p := &t.state.Signers[i]; p.Role == Operator && len(p.Agreement) > 0 {
			operators = append(operators, p)
		}
	}
	if threshold == 0 || int(threshold) > len(operators) {
		return fmt.Errorf("%w: %d shares are to recover the domain, and %d operators have an agreement key", ErrCommand, threshold, len(operators))
	}
	if err := drawScalar(m.work.recovery[:], m.random); err != nil {
		return err
	}
	secretly(func() {
		var key *ecdh.PrivateKey
		if key, err = ecdh.P384().NewPrivateKey(m.work.recovery[:]); err != nil {
			return
		}
		t.state.Recovery.Key = encodeKey(key.PublicKey())
		secret := group.P384.NewScalar()
		if err = secret.UnmarshalBinary(m.work.recovery[:]); err != nil {
			return
		}
		shares := secretsharing.New(m.random, uint(threshold)-1, secret).Share(uint(len(operators)))
		for i, p := range operators {
			if err = m.sealShare(t, p, byte(i+1), shares[i].Value); err != nil {
				return
			}
		}
	})
	return err
}

// sealShare adds an operator's share to t.
func (m *Member) sealShare(t *token, p *Principal, number byte, value group.Scalar) error {
	scalar, err := value.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encoding a share: %w", err)
	}
	defer clear(scalar)
	plain := append(append(m.work.share[:0], number), scalar...)
	operator := FingerprintOf(p.Signing)
	to := recipient{agreement: p.Agreement}
	envelope, err := to.seal(nil, m.kernel, &m.work.wrap, shareContext(t.state, operator), plain, m.random)
	if err != nil {
		return err
	}
	t.shares = append(t.shares, share{operator, envelope})
	return nil
}

// Transfer takes an operator's share out of a domain token, by the operator's agreement key, and encrypts it to the
// module that is to recover the domain: one of Command.Shares. operator is the fingerprint of the operator's signing
// key. Error: ErrToken for a token without a share for that key.
func Transfer(b []byte, operator Fingerprint, key Agreement, target *HSM, random io.Reader) (out []byte, err error) {
	t, err := parseToken(b)
	if err != nil {
		return nil, err
	}
	o := opener{private: key}
	for _, p := range t.state.Signers {
		if FingerprintOf(p.Signing) == operator {
			o.agreement = p.Agreement
		}
	}
	kernel := gcm.Kernels()[0]
	secretly(func() {
		var wrap wrapKey
		var room [shareSize + gcm.TagSize]byte
		defer func() { clear(room[:]) }()
		err = fmt.Errorf("%w: it has no share for this operator's key", ErrToken)
		for _, s := range t.shares {
			if s.operator != operator {
				continue
			}
			share, openErr := o.open(room[:0], kernel, &wrap, shareContext(t.state, operator), s.envelope)
			if openErr != nil {
				return
			}
			to := recipient{target.Agreement, target.KEM}
			out, err = to.seal(nil, kernel, &wrap, transferContext(t.state, FingerprintOf(target.Signing)), share, random)
		}
	})
	return out, err
}

// AgreementOf is the Agreement of a private key in memory.
func AgreementOf(key *ecdh.PrivateKey) Agreement { return memoryAgreement{key} }

type memoryAgreement struct{ key *ecdh.PrivateKey }

// Agree implements Agreement.
func (m memoryAgreement) Agree(peer []byte) ([]byte, error) {
	point, err := ecdh.P384().NewPublicKey(peer)
	if err != nil {
		return nil, err
	}
	return m.key.ECDH(point)
}

// recover makes a token for a fresh module of the newest one of a domain that has lost all its modules.
func (m *Member) recover(command, newest []byte, now time.Time) ([]byte, error) {
	t, err := parseToken(newest)
	if err != nil {
		return nil, err
	}
	c, signers, err := Check(t.state, command, m.print, now)
	if err != nil {
		return nil, err
	}
	if m.memory.domain != [idSize]byte{} {
		return nil, fmt.Errorf("%w: only a module in no domain recovers one", ErrCommand)
	}
	if err := m.combine(t, c.Shares); err != nil {
		return nil, err
	}
	o := &opener{recipient: recipient{agreement: t.state.Recovery.Key}, private: scalarAgreement(m.work.recovery[:])}
	if err := m.decrypt(t, o, t.keyContext(FingerprintOf(t.state.Recovery.Key)), t.recovery); err != nil {
		return nil, fmt.Errorf("%w: the shares do not open the domain token", ErrCommand)
	}
	next, change, err := t.state.Successor(c, command, signers, now)
	if err != nil {
		return nil, err
	}
	m.work.parent = m.work.keys
	key := func(version uint32) []byte { return m.parentKey(t.state, version) }
	return m.export(&step{holdingOf(t), next, change, command}, key)
}

// combine sets m.work.recovery to the recovery key of t's state. Error: ErrCommand.
func (m *Member) combine(t *token, sealed [][]byte) (err error) {
	need := int(t.state.Recovery.Threshold)
	secretly(func() {
		var shares []secretsharing.Share
		seen := map[byte]bool{}
		for _, one := range sealed {
			plain, openErr := m.own().open(m.work.share[:0], m.kernel, &m.work.wrap, transferContext(t.state, m.print), one)
			if openErr != nil || len(plain) != shareSize || plain[0] == 0 {
				err = fmt.Errorf("%w: a share is not one of this domain for this module", ErrCommand)
				return
			}
			value := group.P384.NewScalar()
			if value.UnmarshalBinary(plain[1:]) != nil || seen[plain[0]] {
				err = fmt.Errorf("%w: a share is malformed or there twice", ErrCommand)
				return
			}
			seen[plain[0]] = true
			shares = append(shares, secretsharing.Share{ID: group.P384.NewScalar().SetUint64(uint64(plain[0])), Value: value})
		}
		if need == 0 || len(shares) < need {
			err = fmt.Errorf("%w: %d shares, and it takes %d", ErrCommand, len(shares), need)
			return
		}
		secret, recoverErr := secretsharing.Recover(uint(need)-1, shares)
		if recoverErr != nil {
			err = fmt.Errorf("%w: the shares do not fit together", ErrCommand)
			return
		}
		scalar, recoverErr := secret.MarshalBinary()
		defer clear(scalar)
		key, keyErr := ecdh.P384().NewPrivateKey(scalar)
		if recoverErr != nil || keyErr != nil || !bytes.Equal(encodeKey(key.PublicKey()), t.state.Recovery.Key) {
			err = fmt.Errorf("%w: the shares do not make the recovery key", ErrCommand)
			return
		}
		copy(m.work.recovery[:], scalar)
	})
	return err
}

const withTokenMagic = "trentwtk"

// WithToken is a command to recover a domain, accompanied by its newest token, or one to restore domain keys, with the
// token of a backup:
//
//	offset  size  what
//	0       8     "trentwtk"
//	8       4     l, the length of the command, big-endian
//	12      l     the signed command
//	12+l          the domain token
func WithToken(command, newest []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte(withTokenMagic), uint32(len(command)))
	return append(append(out, command...), newest...)
}

// splitToken is its inverse; false: it is a command alone.
func splitToken(b []byte) (command, newest []byte, ok bool) {
	r := &reader{b: b}
	r.expect(withTokenMagic)
	command = r.take(int(r.u32()))
	return command, r.b, !r.bad
}
