package domain

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Signature is one signer's, of a command.
type Signature struct {
	Signer Fingerprint
	Value  []byte // ECDSA P-384, ASN.1
}

// verifyingKey is the key of a SubjectPublicKeyInfo that ValidKey takes.
func verifyingKey(spki []byte) (*ecdsa.PublicKey, bool) {
	if !ValidKey(spki) {
		return nil, false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), spki[len(keyPrefix):])
	return key, err == nil
}

func commandDigest(body []byte) []byte {
	h := sha512.New384()
	h.Write([]byte(commandLabel))
	h.Write(body)
	return h.Sum(nil)
}

// Sign adds a signature to a command, signed or not. The signer's key is on P-384. Errors: ErrCommand for what is no command;
// ErrSigned when this signer signed it already; else the signer's.
func Sign(command []byte, signer crypto.Signer, random io.Reader) ([]byte, error) {
	_, signatures, err := ParseCommand(command)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("signing a command: %w", err)
	}
	key, ok := verifyingKey(spki)
	if !ok {
		return nil, errors.New("signing a command: the signer's key is not on the curve P-384: make one by 'trent hsm quorum keygen'")
	}
	body, _, err := splitCommand(command)
	if err != nil {
		return nil, err
	}
	digest := commandDigest(body)
	value, err := signer.Sign(random, digest, crypto.SHA384)
	if err != nil {
		return nil, fmt.Errorf("signing a command: %w", err)
	}
	if !ecdsa.VerifyASN1(key, digest, value) {
		return nil, errors.New("signing a command: the signer's signature does not fit its own key")
	}
	f := FingerprintOf(spki)
	if slices.ContainsFunc(signatures, func(s Signature) bool { return s.Signer == f }) {
		return nil, fmt.Errorf("%w by %s", ErrSigned, f)
	}
	return assembleCommand(body, append(signatures, Signature{f, value})), nil
}

// ErrSigned is a second signature by the same signer, which would count no more than the first.
var ErrSigned = errors.New("domain: the command is signed already")

// Merge is a command with the signatures of both files, the first's where both have one. Error: ErrCommand when they are not the
// same command.
func Merge(a, b []byte) ([]byte, error) {
	_, signatures, err := ParseCommand(a)
	if err != nil {
		return nil, err
	}
	_, others, err := ParseCommand(b)
	if err != nil {
		return nil, err
	}
	body, _, err := splitCommand(a)
	if err != nil {
		return nil, err
	}
	if other, _, err := splitCommand(b); err != nil || !bytes.Equal(body, other) {
		return nil, fmt.Errorf("%w: the files hold different commands: collect the signatures of one command only", ErrCommand)
	}
	for _, s := range others {
		if !slices.ContainsFunc(signatures, func(t Signature) bool { return t.Signer == s.Signer }) {
			signatures = append(signatures, s)
		}
	}
	return assembleCommand(body, signatures), nil
}

func assembleCommand(body []byte, signatures []Signature) []byte {
	slices.SortFunc(signatures, func(a, b Signature) int { return bytes.Compare(a.Signer[:], b.Signer[:]) })
	out := append(bytes.Clone(body), byte(len(signatures)))
	for _, s := range signatures {
		out = appendShort(append(out, s.Signer[:]...), s.Value)
	}
	return out
}

func readSignatures(b []byte) ([]Signature, bool) {
	r := &reader{b: b}
	all := list(r, MaxSigners, func(r *reader) Signature {
		s := Signature{Signer: r.hash()}
		n := int(r.u16())
		r.require(n > 0 && n <= signatureRoom)
		s.Value = bytes.Clone(r.take(n))
		return s
	}, func(s *Signature) Fingerprint { return s.Signer })
	return all, !r.bad && len(r.b) == 0
}

// verifySignatures holds every signature of a command against those who may sign. One that is not listed or not right condemns all.
func verifySignatures(body []byte, signatures []Signature, listed []Principal) ([]Fingerprint, error) {
	digest := commandDigest(body)
	signers := make([]Fingerprint, 0, len(signatures))
	for _, s := range signatures {
		i := slices.IndexFunc(listed, func(p Principal) bool { return FingerprintOf(p.Signing) == s.Signer })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s signed it, whom the domain does not list: have it signed by listed signers alone", ErrCommand, s.Signer)
		}
		key, ok := verifyingKey(listed[i].Signing)
		if !ok || !ecdsa.VerifyASN1(key, digest, s.Value) {
			return nil, fmt.Errorf("%w: the signature of %s is wrong: the command or the signature was altered; have it signed anew", ErrCommand, listed[i].Name)
		}
		signers = append(signers, s.Signer)
	}
	return signers, nil
}
