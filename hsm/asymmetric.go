package hsm

import (
	"errors"
	"fmt"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/token"
)

// maxSignature is the longest signature and RSA ciphertext in bytes: RSA_4096.
const maxSignature = 512

// PlaintextLimit is the longest plaintext in bytes that a key of spec encrypts by a; 0: not at all.
func PlaintextLimit(spec KeySpec, a Algorithm) int {
	if spec == SymmetricDefault {
		if a == AESGCM || a == AlgorithmNone {
			return 4096
		}
		return 0
	}
	return algorithm.PlaintextLimit(algorithm.Spec(spec), algorithm.Alg(a))
}

// algorithmFor is the algorithm that a means for k: the spec's only one when it is not given. Error:
// ErrUnsupported.
func algorithmFor(k *Key, usage Usage, a Algorithm) (algorithm.Alg, error) {
	if k.Usage != usage {
		return 0, ErrUnsupported
	}
	if a == AlgorithmNone {
		all := algorithm.Algorithms(algorithm.Spec(k.Spec), algorithm.Usage(usage))
		if len(all) != 1 {
			return 0, ErrUnsupported
		}
		return all[0], nil
	}
	if !algorithm.Compatible(algorithm.Spec(k.Spec), algorithm.Usage(usage), algorithm.Alg(a)) {
		return 0, ErrUnsupported
	}
	return algorithm.Alg(a), nil
}

// translate turns the errors of package algorithm into this one's, and leaves this one's alone.
func translate(err error) error {
	for _, own := range [...]error{nil, ErrShort, ErrBusy, ErrDeadline, ErrUnavailable, ErrToken, ErrDomain} {
		if errors.Is(err, own) {
			return err
		}
	}
	switch {
	case errors.Is(err, algorithm.ErrMismatch):
		return ErrMismatch
	case errors.Is(err, algorithm.ErrDecrypt):
		return ErrAuthentication
	case errors.Is(err, algorithm.ErrDigestLength), errors.Is(err, algorithm.ErrTooLong):
		return ErrInput
	case errors.Is(err, algorithm.ErrMaterial):
		return ErrToken
	case errors.Is(err, algorithm.ErrUnsupported):
		return ErrUnsupported
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// sign appends the signature of c.In to c.Out.
func (l *Local) sign(c *Call) error {
	alg, err := algorithmFor(c.Key, SignVerify, c.Algorithm)
	if err != nil {
		return err
	}
	return l.withKey(c, c.Key, true, func(p algorithm.Private) error {
		var buf [maxSignature]byte
		sig, err := algorithm.Sign(p, alg, c.Digest, c.In, buf[:0], l.random)
		if err != nil {
			return err
		}
		return c.appendOut(sig)
	})
}

// verify compares c.In2 with what c.Key would sign for c.In.
func (l *Local) verify(c *Call) error {
	alg, err := algorithmFor(c.Key, SignVerify, c.Algorithm)
	if err != nil {
		return err
	}
	return l.withKey(c, c.Key, false, func(p algorithm.Private) error {
		return algorithm.Verify(p, alg, c.Digest, c.In, c.In2)
	})
}

// encryptRSA appends the bare ciphertext of plaintext under k to c.Out.
func (l *Local) encryptRSA(c *Call, k *Key, alg algorithm.Alg, plaintext []byte) error {
	return l.withKey(c, k, false, func(p algorithm.Private) error {
		var buf [maxSignature]byte
		ciphertext, err := algorithm.Encrypt(p, alg, plaintext, buf[:0], l.random)
		if err != nil {
			return err
		}
		c.Material = k.Material
		return c.appendOut(ciphertext)
	})
}

// decryptRSA hands the plaintext of c.In to f, and wipes it. The standard library takes ciphertexts without their
// leading zeros; RFC 8017 §7.1.2 and this package do not.
func (l *Local) decryptRSA(c *Call, alg algorithm.Alg, f func(plaintext []byte) error) error {
	if len(c.In) != modulusSize(c.Key.Spec) {
		return ErrAuthentication
	}
	return l.withKey(c, c.Key, true, func(p algorithm.Private) error {
		var buf [maxSignature]byte
		defer clear(buf[:])
		plaintext, err := algorithm.Decrypt(p, alg, c.In, buf[:0])
		if err != nil {
			return err
		}
		return f(plaintext)
	})
}

// withKey runs f with k parsed. RSA with the private key waits for an engine; the rest is fast. f's errors may
// be package algorithm's.
func (l *Local) withKey(c *Call, k *Key, private bool, f func(algorithm.Private) error) error {
	if _, err := l.domainKeyOf(k, token.Key); err != nil {
		return err
	}
	if private && isRSA(k.Spec) {
		if err := l.gate.enter(c.Deadline); err != nil {
			return err
		}
		defer l.gate.leave()
	}
	p, err := l.parsed.acquire(k, l.epoch.Load())
	if err != nil {
		return err
	}
	defer l.parsed.release(p)
	secretly(func() { err = f(p.key) })
	return translate(err)
}

// parse unwraps and parses an asymmetric key.
func (l *Local) parse(k *Key) (algorithm.Private, error) { return l.parseAs(k, token.Key) }

// parseAs is parse for a token of any purpose. A worker is held for the unwrapping alone.
func (l *Local) parseAs(k *Key, purpose token.Purpose) (algorithm.Private, error) {
	dk, err := l.domainKeyOf(k, purpose)
	if err != nil {
		return nil, err
	}
	var p algorithm.Private
	secretly(func() {
		material := make([]byte, 0, token.MaterialSize(k.Token))
		defer func() { clear(material[:cap(material)]) }()
		var w *worker
		if w, err = l.claim(&Call{}); err != nil {
			return
		}
		opened, openErr := token.Open(material, l.kernel, dk, &w.scratch.token, k.Identity, k.Token)
		l.release(w)
		if openErr != nil {
			err = ErrToken
			return
		}
		p, err = algorithm.Parse(algorithm.Spec(k.Spec), opened)
		err = translate(err)
	})
	return p, err
}

// appendOut appends a result within c.Out's capacity. Error: ErrShort.
func (c *Call) appendOut(b []byte) error {
	if !fits(c.Out, len(b)) {
		return ErrShort
	}
	c.Out = append(c.Out, b...)
	return nil
}

func isRSA(s KeySpec) bool { return s >= RSA2048 && s <= RSA4096 }

// modulusSize is the size of an RSA spec's modulus, and so of its ciphertexts, in bytes.
func modulusSize(s KeySpec) int { return 256 + 128*int(s-RSA2048) }

func isAsymmetric(s KeySpec) bool { return s >= RSA2048 && s <= P521 }
