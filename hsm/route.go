package hsm

import (
	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/blob"
)

// Encrypt, Decrypt and ReEncrypt go by the kind of key on each side: blobs for symmetric keys, bare RSA or SM2
// ciphertexts for asymmetric ones.

// symmetricAlgorithm is the algorithm of a symmetric encryption key's spec, AlgorithmNone for other specs.
func symmetricAlgorithm(s KeySpec) Algorithm {
	switch s {
	case SymmetricDefault:
		return AESGCM
	case SM4:
		return SM4GCM
	}
	return AlgorithmNone
}

// isSymmetric reports whether k is a symmetric encryption key and a is its algorithm.
func isSymmetric(k *Key, a Algorithm) bool {
	own := symmetricAlgorithm(k.Spec)
	return own != AlgorithmNone && k.Usage == EncryptDecrypt && (a == AlgorithmNone || a == own)
}

func (l *Local) doEncrypt(c *Call) error {
	if isSymmetric(c.Key, c.Algorithm) {
		return l.encrypt(c)
	}
	alg, err := bareAlgorithm(c.Key, c.Algorithm)
	if err != nil {
		return err
	}
	return l.encryptTo(c, c.Key, alg, c.In)
}

func (l *Local) doDecrypt(c *Call) error {
	if isSymmetric(c.Key, c.Algorithm) {
		return l.decrypt(c)
	}
	alg, err := bareAlgorithm(c.Key, c.Algorithm)
	if err != nil {
		return err
	}
	return l.decryptBare(c, alg, func(plaintext []byte) error {
		return c.deliver(plaintext)
	})
}

func (l *Local) doReEncrypt(c *Call) error {
	if c.Target == nil {
		return ErrToken
	}
	from, to := isSymmetric(c.Key, c.Algorithm), isSymmetric(c.Target, c.TargetAlgorithm)
	if from && to {
		return l.reencrypt(c)
	}
	var fromAlg, toAlg algorithm.Alg
	var err error
	if !from {
		if fromAlg, err = bareAlgorithm(c.Key, c.Algorithm); err != nil {
			return err
		}
	}
	if !to {
		if toAlg, err = bareAlgorithm(c.Target, c.TargetAlgorithm); err != nil {
			return err
		}
	}
	seal := func(plaintext []byte) error {
		if to {
			return l.sealFor(c, plaintext)
		}
		return l.encryptTo(c, c.Target, toAlg, plaintext)
	}
	if from {
		return l.openFor(c, seal)
	}
	return l.decryptBare(c, fromAlg, seal)
}

// sealFor appends the blob of plaintext under c.Target to c.Out.
func (l *Local) sealFor(c *Call, plaintext []byte) error {
	if !fits(c.Out, blob.Size(len(plaintext))) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	defer l.release(w)
	content := newContent(w, len(plaintext))
	defer clear(content)
	copy(content[blob.ContentHeader:], plaintext)
	return l.seal(w, c, c.Target, c.TargetAAD, content)
}

// openFor hands the plaintext of the blob in c.In to f, outside the worker, and wipes it.
func (l *Local) openFor(c *Call, f func(plaintext []byte) error) error {
	b, err := blobFor(c)
	if err != nil {
		return err
	}
	plaintext := make([]byte, b.Plaintext())
	defer clear(plaintext)
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content, err := l.open(w, c, &b)
	if err == nil {
		copy(plaintext, content[blob.ContentHeader:])
	}
	clear(content)
	l.release(w)
	if err != nil {
		return err
	}
	return f(plaintext)
}

// bareAlgorithm is the public key encryption algorithm that a names for k. Error: ErrUnsupported.
func bareAlgorithm(k *Key, a Algorithm) (algorithm.Alg, error) {
	if !isAsymmetric(k.Spec) {
		return 0, ErrUnsupported
	}
	return algorithmFor(k, EncryptDecrypt, a)
}
