package hsm

import (
	"errors"
	"fmt"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/token"
)

// PlaintextLimit is the longest plaintext in bytes that a key of spec encrypts by a; 0: not at all.
func PlaintextLimit(spec KeySpec, a Algorithm) int {
	if own := symmetricAlgorithm(spec); own != AlgorithmNone {
		if a == own || a == AlgorithmNone {
			return blob.MaxPlaintext
		}
		return 0
	}
	return algorithm.PlaintextLimit(algorithm.Spec(spec), algorithm.Alg(a))
}

// Permitted says whether the process may run a at all. Where GODEBUG=fips140=only enforces FIPS 140-3, RSAES_OAEP_SHA_1
// is refused, by ErrUnsupported, and so is what is wrapped by it.
func Permitted(a Algorithm) bool { return algorithm.Permitted(algorithm.Alg(a)) }

// Algorithms lists what a key of spec and usage can run, in the API's order; none if the two do not go together.
func Algorithms(spec KeySpec, usage Usage) []Algorithm {
	var list []Algorithm
	for _, a := range algorithm.Algorithms(algorithm.Spec(spec), algorithm.Usage(usage)) {
		list = append(list, Algorithm(a))
	}
	return list
}

// algorithmFor is the algorithm that a means for k: the spec's only one when it is not given. Error:
// ErrUnsupported.
func algorithmFor(k *Key, usage Usage, a Algorithm) (algorithm.Alg, error) {
	if k.Usage != usage {
		return 0, ErrUnsupported
	}
	if a == AlgorithmNone {
		if only := algorithm.Only(algorithm.Spec(k.Spec), algorithm.Usage(usage)); only != algorithm.AlgNone {
			return only, nil
		}
		return 0, ErrUnsupported
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
	case errors.Is(err, algorithm.ErrPeer):
		return ErrPeer
	case errors.Is(err, algorithm.ErrUnsupported):
		return ErrUnsupported
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// form is how c.In is given. Error: ErrUnsupported for two ways at once.
func (c *Call) form() (algorithm.Form, error) {
	switch {
	case c.Digest && c.ExternalMu:
		return 0, ErrUnsupported
	case c.Digest:
		return algorithm.Digest, nil
	case c.ExternalMu:
		return algorithm.ExternalMu, nil
	}
	return algorithm.Message, nil
}

// sign appends the signature of c.In to c.Out.
func (l *Local) sign(c *Call) error {
	alg, err := algorithmFor(c.Key, SignVerify, c.Algorithm)
	if err != nil {
		return err
	}
	form, err := c.form()
	if err != nil {
		return err
	}
	return l.withKey(c, c.Key, true, func(p algorithm.Private) error {
		out, err := algorithm.Sign(p, alg, form, c.In, c.Out, l.random)
		if err != nil {
			return err
		}
		return c.setOut(out)
	})
}

// verify compares c.In2 with what c.Key would sign for c.In.
func (l *Local) verify(c *Call) error {
	alg, err := algorithmFor(c.Key, SignVerify, c.Algorithm)
	if err != nil {
		return err
	}
	form, err := c.form()
	if err != nil {
		return err
	}
	return l.withKey(c, c.Key, false, func(p algorithm.Private) error {
		return algorithm.Verify(p, alg, form, c.In, c.In2)
	})
}

// encryptTo appends the bare ciphertext of plaintext under k to c.Out.
func (l *Local) encryptTo(c *Call, k *Key, alg algorithm.Alg, plaintext []byte) error {
	return l.withKey(c, k, false, func(p algorithm.Private) error {
		out, err := algorithm.Encrypt(p, alg, plaintext, c.Out, l.random)
		if err != nil {
			return err
		}
		if err := c.setOut(out); err != nil {
			return err
		}
		c.Material = k.Material
		return nil
	})
}

// decryptBare hands the plaintext of the bare ciphertext c.In to f, and wipes it.
func (l *Local) decryptBare(c *Call, alg algorithm.Alg, f func(plaintext []byte) error) error {
	return l.withKey(c, c.Key, true, func(p algorithm.Private) error {
		var buf [algorithm.MaxPlaintext]byte
		defer clear(buf[:])
		plaintext, err := algorithm.Decrypt(p, alg, c.In, buf[:0])
		if err != nil {
			return err
		}
		return f(plaintext)
	})
}

// derive appends the secret that c.Key shares with the peer whose public key c.In is to c.Secret.
func (l *Local) derive(c *Call) error {
	if _, err := algorithmFor(c.Key, KeyAgreement, c.Algorithm); err != nil {
		return err
	}
	return l.withKey(c, c.Key, false, func(p algorithm.Private) error {
		var buf [maxSharedSecret]byte
		defer clear(buf[:])
		shared, err := algorithm.Agree(p, c.In, buf[:0])
		if err != nil {
			return err
		}
		return c.deliver(shared)
	})
}

// encapsulate makes a shared secret for c.Key: its ciphertext goes to c.Out, itself to c.Secret.
func (l *Local) encapsulate(c *Call) error {
	if _, err := algorithmFor(c.Key, EncapsulateDecapsulate, c.Algorithm); err != nil {
		return err
	}
	return l.withKey(c, c.Key, false, func(p algorithm.Private) error {
		var buf [maxSharedSecret]byte
		defer clear(buf[:])
		out, shared, err := algorithm.Encapsulate(p, c.Out, buf[:0], l.random)
		if err != nil {
			return err
		}
		if len(out) > cap(c.Out) || !fits(c.Secret, len(shared)) {
			return ErrShort
		}
		c.Out, c.Material = out, c.Key.Material
		return c.deliver(shared)
	})
}

// decapsulate appends the shared secret in the ciphertext c.In to c.Secret.
func (l *Local) decapsulate(c *Call) error {
	if _, err := algorithmFor(c.Key, EncapsulateDecapsulate, c.Algorithm); err != nil {
		return err
	}
	return l.withKey(c, c.Key, false, func(p algorithm.Private) error {
		var buf [maxSharedSecret]byte
		defer clear(buf[:])
		shared, err := algorithm.Decapsulate(p, c.In, buf[:0])
		if err != nil {
			return err
		}
		return c.deliver(shared)
	})
}

// maxSharedSecret is the longest shared secret in bytes: the x coordinate of a point of P-521.
const maxSharedSecret = 66

// withKey runs f with k parsed. RSA and ML-DSA with the private key wait for an engine; the rest is fast. f's errors may
// be package algorithm's.
func (l *Local) withKey(c *Call, k *Key, private bool, f func(algorithm.Private) error) error {
	if _, err := l.domainKeyOf(k, token.Key); err != nil {
		return err
	}
	if private && algorithm.Slow(algorithm.Spec(k.Spec)) {
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
	run := secretly
	if (c.Op == OpSign || c.Op == OpVerify) && !algorithm.Slow(algorithm.Spec(k.Spec)) {
		run = swept
	}
	run(func() { err = f(p.key) })
	return translate(err)
}

// parse unwraps and parses an asymmetric key.
func (l *Local) parse(k *Key) (algorithm.Private, error) { return l.parseAs(k, token.Key) }

// parseAs is parse for a token of any purpose. A worker is held for the unwrapping alone.
func (l *Local) parseAs(k *Key, purpose token.Purpose) (algorithm.Private, error) {
	if _, err := l.domainKeyOf(k, purpose); err != nil {
		return nil, err
	}
	var p algorithm.Private
	var err error
	secretly(func() {
		material := make([]byte, 0, token.MaterialSize(k.Token))
		defer func() { clear(material[:cap(material)]) }()
		var w *worker
		if w, err = l.claim(&Call{}); err != nil {
			return
		}
		dk, openErr := l.domainKeyOf(k, purpose) // again: it may have been dropped before w was claimed
		if openErr != nil {
			l.release(w)
			err = openErr
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

// setOut takes the result of an append to c.Out that stayed within its capacity. Error: ErrShort where it did not.
func (c *Call) setOut(out []byte) error {
	if len(out) > cap(c.Out) {
		return ErrShort
	}
	c.Out = out
	return nil
}

// deliver appends a plaintext result to c.Secret. Error: ErrShort.
func (c *Call) deliver(secret []byte) error {
	if !fits(c.Secret, len(secret)) {
		return ErrShort
	}
	c.Secret, c.Material = append(c.Secret, secret...), c.Key.Material
	return nil
}

func isAsymmetric(s KeySpec) bool { return algorithm.Asymmetric(algorithm.Spec(s)) }
