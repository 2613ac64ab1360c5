package hsm

import (
	"fmt"
	"io"

	"trent/hsm/internal/blob"
	"trent/hsm/internal/gcm"
)

// encrypt seals c.In under c.Key.
func (l *Local) encrypt(c *Call) error {
	if len(c.In) > blob.MaxPlaintext {
		return ErrInput
	}
	if !fits(c.Out, blob.Size(len(c.In))) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content := newContent(w, len(c.In))
	copy(content[blob.ContentHeader:], c.In)
	err = l.seal(w, c, c.Key, c.AAD, content)
	clear(content)
	l.release(w)
	return err
}

// decrypt opens c.In under c.Key.
func (l *Local) decrypt(c *Call) error {
	b, err := blobFor(c)
	if err != nil {
		return err
	}
	if !fits(c.Secret, b.Plaintext()) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content, err := l.open(w, c, &b)
	if err == nil {
		c.Secret = append(c.Secret, content[blob.ContentHeader:]...)
		c.Material = c.Key.Material
	}
	clear(content)
	l.release(w)
	return err
}

// reencrypt opens c.In under c.Key and seals it under c.Target, both symmetric.
func (l *Local) reencrypt(c *Call) error {
	b, err := blobFor(c)
	if err != nil {
		return err
	}
	if !fits(c.Out, blob.Size(b.Plaintext())) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content, err := l.open(w, c, &b)
	if err == nil {
		err = l.seal(w, c, c.Target, c.TargetAAD, content)
	}
	clear(content)
	l.release(w)
	return err
}

// dataKey makes c.N random bytes, seals them under c.Key and returns both; with no room for them at all in
// c.Secret, the sealed ones alone.
func (l *Local) dataKey(c *Call) error {
	if c.N < 1 || c.N > blob.MaxPlaintext {
		return ErrInput
	}
	if !fits(c.Out, blob.Size(c.N)) || cap(c.Secret) > 0 && !fits(c.Secret, c.N) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content := newContent(w, c.N)
	dataKey := content[blob.ContentHeader:]
	if err = l.draw(dataKey); err == nil {
		err = l.seal(w, c, c.Key, c.AAD, content)
	}
	if err == nil && cap(c.Secret) > 0 {
		c.Secret = append(c.Secret, dataKey...)
	}
	clear(content)
	l.release(w)
	return err
}

// random appends c.N random bytes to c.Secret, straight from the source.
func (l *Local) randomBytes(c *Call) error {
	if c.N < 0 || !fits(c.Secret, c.N) {
		return ErrShort
	}
	n := len(c.Secret)
	out := c.Secret[:n+c.N]
	if err := l.draw(out[n:]); err != nil {
		return err
	}
	c.Secret = out
	return nil
}

// newContent is a worker's room for the content of a plaintext of p bytes, header written.
func newContent(w *worker, p int) []byte {
	return blob.AppendContentHeader(w.scratch.content[:0], p)[:blob.ContentHeader+p]
}

// blobFor parses c.In as a blob of c.Key's. Error: ErrAuthentication.
func blobFor(c *Call) (blob.Blob, error) {
	b, ok := blob.Parse(c.In)
	if !ok || MaterialID(b.Material) != c.Key.Material {
		return blob.Blob{}, ErrAuthentication
	}
	return b, nil
}

// seal appends the blob of content to c.Out, which has the room. Errors: ErrToken, ErrDomain, ErrUnavailable.
func (l *Local) seal(w *worker, c *Call, k *Key, context, content []byte) error {
	s := w.scratch
	if err := l.draw(s.nonces[:]); err != nil {
		return err
	}
	m, err := l.midstate(w, k)
	if err != nil {
		return err
	}
	derivation, nonce := s.nonces[:blob.DerivationSize], (*[blob.NonceSize]byte)(s.nonces[blob.DerivationSize:])
	layout := blob.Measure(len(content) - blob.ContentHeader)
	start := len(c.Out)
	der := start + blob.HeaderSize
	out := layout.AppendHeader(c.Out, (*[blob.MaterialSize]byte)(&k.Material), derivation)
	aad := appendAAD(w, c, out[start:der], k.Identity, context)
	kernel, label := l.sealing(k)
	m.Derive(&s.key, label, derivation)
	s.ready = slotState{} // where m is without a slot
	out = kernel.Seal(&s.cipher, out[:start+layout.SealedAt()], &s.key, nonce, content, aad)
	layout.AppendDER(out[:der], nonce) // afterwards: the kernel may have drawn the nonce itself
	clear(s.key[:])
	c.Out, c.Material = out, k.Material
	return nil
}

// open returns the content of a blob, in w's scratch, for the caller to clear. Errors: ErrToken, ErrDomain,
// ErrAuthentication.
func (l *Local) open(w *worker, c *Call, b *blob.Blob) ([]byte, error) {
	s := w.scratch
	m, err := l.midstate(w, c.Key)
	if err != nil {
		return nil, err
	}
	aad := appendAAD(w, c, b.Header, c.Key.Identity, c.AAD)
	kernel, label := l.sealing(c.Key)
	m.Derive(&s.key, label, b.Derivation)
	s.ready = slotState{}
	content, ok := kernel.Open(&s.cipher, s.content[:0], &s.key, (*[blob.NonceSize]byte)(b.Nonce), b.Sealed, aad)
	clear(s.key[:])
	if !ok {
		return nil, ErrAuthentication
	}
	if _, ok := blob.PlaintextOf(content); !ok {
		clear(content)
		return nil, ErrAuthentication
	}
	return content, nil
}

// sealing is the cipher of a symmetric key's ciphertexts, and the KDF label of their keys.
func (l *Local) sealing(k *Key) (gcm.Kernel, string) {
	if k.Spec == SM4 {
		return gcm.SM4, blob.LabelSM4
	}
	return l.kernel, blob.Label
}

// appendAAD joins header ‖ identity ‖ encryption context, an absent one being the empty one, in the worker's
// scratch, or where that is too small in a buffer that the Call keeps. Nothing of it is secret.
func appendAAD(w *worker, c *Call, header, identity, context []byte) []byte {
	if len(context) == 0 {
		context = emptyContext
	}
	buf := w.scratch.aad[:0]
	if len(header)+len(identity)+len(context) > len(w.scratch.aad) {
		buf = c.aad[:0]
	}
	buf = append(append(append(buf, header...), identity...), context...)
	if len(buf) > len(w.scratch.aad) {
		c.aad = buf
	}
	return buf
}

// draw fills b from the source of randomness. Error: ErrUnavailable.
func (l *Local) draw(b []byte) error {
	if _, err := io.ReadFull(l.random, b); err != nil {
		return fmt.Errorf("%w: drawing random bytes: %w", ErrUnavailable, err)
	}
	return nil
}

// fits reports whether n more bytes fit b's capacity.
func fits(b []byte, n int) bool { return cap(b)-len(b) >= n }
