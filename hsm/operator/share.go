package operator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// ErrShareFile is a file that is no operator's share.
var ErrShareFile = errors.New("not a file with an operator's share")

const (
	shareMagic   = "trentshr"
	shareVersion = 1
	shareHeader  = 76
	maxShare     = 2048
)

// Share is an operator's share of a recovery key, encrypted to the module that is to recover the domain.
type Share struct {
	Operator hsm.Fingerprint
	Target   hsm.Fingerprint
	Sealed   []byte
}

// HandOver takes an operator's share out of a domain token and encrypts it to the module that is to recover the domain. Error:
// hsm.ErrDomain for a token without a share for that key.
func HandOver(token []byte, k *Key, target hsm.DomainHSM, random io.Reader) (*Share, error) {
	s, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return nil, err
	}
	if k.Agreement == nil {
		return nil, errors.New("handing over a share: this is a host's key; shares are encrypted to operators")
	}
	p, err := k.public()
	if err != nil {
		return nil, err
	}
	for i := range s.Signers {
		one := &s.Signers[i]
		if one.Role != Operator || !bytes.Equal(one.Agreement, p) {
			continue
		}
		f := FingerprintOf(one.Signing)
		sealed, err := domain.Transfer(token, f, k, &target, random)
		if err != nil {
			return nil, errors.Join(hsm.ErrDomain, err)
		}
		return &Share{Operator: f, Target: FingerprintOf(target.Signing), Sealed: sealed}, nil
	}
	return nil, fmt.Errorf("%w: it has no share for this key: the token is of a time before or after this operator's", hsm.ErrDomain)
}

// Encode is the share file.
func (s *Share) Encode() []byte {
	out := binary.BigEndian.AppendUint16([]byte(shareMagic), shareVersion)
	out = append(append(out, s.Operator[:]...), s.Target[:]...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(s.Sealed))), s.Sealed...)
}

// ParseShare reads a share file. Error: ErrShareFile.
func ParseShare(b []byte) (*Share, error) {
	if len(b) < shareHeader || string(b[:len(shareMagic)]) != shareMagic {
		return nil, ErrShareFile
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != shareVersion {
		return nil, fmt.Errorf("%w: it has format %d, this program knows %d: use the version of trent that wrote it", ErrShareFile, v, shareVersion)
	}
	s := &Share{Operator: hsm.Fingerprint(b[10:]), Target: hsm.Fingerprint(b[42:]), Sealed: bytes.Clone(b[shareHeader:])}
	if n := int(binary.BigEndian.Uint16(b[74:])); n != len(s.Sealed) || n == 0 || n > maxShare {
		return nil, fmt.Errorf("%w: it is cut off or damaged: have the operator hand it over again", ErrShareFile)
	}
	return s, nil
}

// Sealed are the shares of a recovery by target. Errors: ErrShareFile for a share that was encrypted to another module, or two of
// one operator.
func Sealed(shares []*Share, target hsm.Fingerprint) ([][]byte, error) {
	seen := map[hsm.Fingerprint]bool{}
	var all [][]byte
	for _, s := range shares {
		switch {
		case s.Target != target:
			return nil, fmt.Errorf("%w for this module: the share of %s is for module %s, this is %s", ErrShareFile, s.Operator, s.Target, target)
		case seen[s.Operator]:
			return nil, fmt.Errorf("%w of somebody else: the share of %s is there twice", ErrShareFile, s.Operator)
		}
		seen[s.Operator] = true
		all = append(all, s.Sealed)
	}
	return all, nil
}
