package hsm

import (
	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/blob"
)

// Encrypt, Decrypt and ReEncrypt go by the kind of key on each side: blobs for symmetric keys, bare RSA
// ciphertexts for asymmetric ones.

// isSymmetric reports whether k is a symmetric encryption key and a is its algorithm.
func isSymmetric(k *Key, a Algorithm) bool {
	return k.Spec == SymmetricDefault && k.Usage == EncryptDecrypt && (a == AlgorithmNone || a == AESGCM)
}

func (l *Local) doEncrypt(c *Call) error {
	if isSymmetric(c.Key, c.Algorithm) {
		return l.encrypt(c)
	}
	alg, err := rsaAlgorithm(c.Key, c.Algorithm)
	if err != nil {
		return err
	}
	return l.encryptRSA(c, c.Key, alg, c.In)
}

func (l *Local) doDecrypt(c *Call) error {
	if isSymmetric(c.Key, c.Algorithm) {
		return l.decrypt(c)
	}
	alg, err := rsaAlgorithm(c.Key, c.Algorithm)
	if err != nil {
		return err
	}
	return l.decryptRSA(c, alg, func(plaintext []byte) error {
		if !fits(c.Secret, len(plaintext)) {
			return ErrShort
		}
		c.Secret, c.Material = append(c.Secret, plaintext...), c.Key.Material
		return nil
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
		if fromAlg, err = rsaAlgorithm(c.Key, c.Algorithm); err != nil {
			return err
		}
	}
	if !to {
		if toAlg, err = rsaAlgorithm(c.Target, c.TargetAlgorithm); err != nil {
			return err
		}
	}
	seal := func(plaintext []byte) error {
		if to {
			return l.sealFor(c, plaintext)
		}
		return l.encryptRSA(c, c.Target, toAlg, plaintext)
	}
	if from {
		return l.openFor(c, seal)
	}
	return l.decryptRSA(c, fromAlg, seal)
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

// rsaAlgorithm is the OAEP algorithm that a names for k. Error: ErrUnsupported.
func rsaAlgorithm(k *Key, a Algorithm) (algorithm.Alg, error) {
	if !isRSA(k.Spec) {
		return 0, ErrUnsupported
	}
	return algorithmFor(k, EncryptDecrypt, a)
}
