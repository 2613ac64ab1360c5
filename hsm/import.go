package hsm

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"time"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/token"
)

// An import token is a token of its own purpose: its spec and usage are those of the key to import into, its
// material identifier names the wrapping key, and the identity it is bound to is the key's. What it encloses:
//
//	offset  size  what
//	0       1     Wrapping
//	1       1     spec of the wrapping key
//	2       8     when it ends, milliseconds since the epoch, big-endian
//
// So whoever holds one can read which wrapping key it is for, and change nothing.
const importTokenContent = 10

// ImportTokenSize is the length of an import token in bytes.
const ImportTokenSize = token.Overhead + importTokenContent

// importGrant is what an import token says.
type importGrant struct {
	wrapping Wrapping
	key      MaterialID // the wrapping key
	spec     KeySpec    // of the wrapping key
	ends     int64      // milliseconds since the epoch
}

// CanImport says whether material of spec may be imported wrapped by w under a key of wrappingSpec.
func CanImport(spec KeySpec, w Wrapping, wrappingSpec KeySpec) bool {
	return algorithm.CanImport(algorithm.Spec(spec), algorithm.Wrapping(w), algorithm.Spec(wrappingSpec))
}

// Importable says whether material of spec can be imported at all.
func Importable(spec KeySpec) bool { return algorithm.Importable(algorithm.Spec(spec)) }

// WrappingKeyOf returns the identifier of the wrapping key that an import token names in its public header; false:
// it is no import token. Nothing is authenticated by this.
func WrappingKeyOf(importToken []byte) (MaterialID, bool) {
	h, err := token.Parse(importToken)
	if d, deviceErr := token.ParseDevice(importToken); deviceErr == nil { // hsm/pkcs11's
		h, err = d.Header, nil
	}
	if err != nil || h.Purpose != token.Import || len(importToken) != ImportTokenSize {
		return MaterialID{}, false
	}
	return MaterialID(h.Material), true
}

// wrappingKey makes a key pair under which material for the key of c.Key's identity is wrapped, or takes the one in the
// pool token c.Target.
func (l *Local) wrappingKey(c *Call) error {
	if !isWrapping(c.Spec) {
		return ErrUnsupported
	}
	keyID, ok := keyIDOf(c.Key.Identity)
	if !ok {
		return ErrToken
	}
	h := token.Header{Purpose: token.ImportWrapping, Spec: uint8(c.Spec), Usage: uint8(EncryptDecrypt)}
	if c.Target == nil {
		return l.generateAsymmetric(c, &h, c.Key.Identity, keyID)
	}
	k := Key{Token: c.Target.Token, Spec: c.Spec, Usage: c.Target.Usage}
	if k.Usage != UsageNone && k.Usage != EncryptDecrypt {
		return ErrToken
	}
	p, err := l.parseAs(&k, token.Pool)
	if err != nil {
		return err
	}
	spki := p.Public()
	p.Wipe()
	if !fits(c.Public, len(spki)) {
		return ErrShort
	}
	if err := l.rewrapAs(c, &k, token.Pool, &h, c.Key.Identity, keyID); err != nil {
		return err
	}
	c.Public = append(c.Public, spki...)
	return nil
}

// isWrapping says whether there are wrapping keys of spec.
func isWrapping(spec KeySpec) bool {
	for w := WrapOAEPSHA1; w <= WrapSM2PKE; w++ {
		if algorithm.Wraps(algorithm.Wrapping(w), algorithm.Spec(spec)) {
			return true
		}
	}
	return false
}

// importToken appends the token for an import into c.Key by the wrapping key c.Target to c.Out.
func (l *Local) importToken(c *Call) error {
	k := c.Key
	if _, ok := keyIDOf(k.Identity); !ok || c.Target == nil {
		return ErrToken
	}
	if !CanImport(k.Spec, c.Wrapping, c.Target.Spec) {
		return ErrUnsupported
	}
	if !fits(c.Out, ImportTokenSize) {
		return ErrShort
	}
	var content [importTokenContent]byte
	content[0], content[1] = byte(c.Wrapping), byte(c.Target.Spec)
	binary.BigEndian.PutUint64(content[2:], uint64(c.Time.UnixMilli()))
	h := token.Header{Purpose: token.Import, Spec: uint8(k.Spec), Usage: uint8(k.Usage), Material: c.Target.Material}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	defer l.release(w)
	return l.wrap(w, c, &h, k.Identity, nil, content[:])
}

// openImportToken reads c.In2 as an import token for c.Target. Errors: ErrImportToken, ErrExpired, and those of claim.
func (l *Local) openImportToken(c *Call) (g importGrant, err error) {
	t := c.Target
	named, ok := WrappingKeyOf(c.In2)
	if !ok {
		return g, ErrImportToken
	}
	k := Key{Token: c.In2, Identity: t.Identity, Material: named, Spec: t.Spec, Usage: t.Usage}
	w, err := l.claim(c)
	if err != nil {
		return g, err
	}
	defer l.release(w)
	dk, err := l.domainKeyOf(&k, token.Import)
	if err != nil {
		return g, ErrImportToken
	}
	content, err := token.Open(w.scratch.material[:0], l.kernel, dk, &w.scratch.token, k.Identity, k.Token)
	if err != nil {
		return g, ErrImportToken
	}
	g = importGrant{Wrapping(content[0]), named, KeySpec(content[1]), int64(binary.BigEndian.Uint64(content[2:]))}
	if c.Time.UnixMilli() >= g.ends {
		return g, ErrExpired
	}
	return g, nil
}

// importKey unwraps c.In, for the key c.Target, by the wrapping key c.Key as the import token c.In2 says.
func (l *Local) importKey(c *Call) error {
	t := c.Target
	if t == nil {
		return ErrToken
	}
	keyID, ok := keyIDOf(t.Identity)
	if !ok {
		return ErrToken
	}
	if len(algorithm.Algorithms(algorithm.Spec(t.Spec), algorithm.Usage(t.Usage))) == 0 {
		return ErrUnsupported
	}
	g, err := l.openImportToken(c)
	if err != nil {
		return err
	}
	if l.approvedOnly && !algorithm.Approved(algorithm.Spec(g.spec)) {
		return ErrUnsupported
	}
	wrapping := Key{Token: c.Key.Token, Identity: t.Identity, Material: g.key, Spec: g.spec, Usage: EncryptDecrypt}
	if err := l.gate.enter(c.Deadline); err != nil {
		return err
	}
	defer l.gate.leave()
	p, err := l.parseAs(&wrapping, token.ImportWrapping)
	if err != nil {
		return err
	}
	defer p.Wipe()
	secretly(func() {
		buf := make([]byte, 0, len(c.In))
		defer func() { clear(buf[:cap(buf)]) }()
		var in []byte
		if in, err = algorithm.Unwrap(p, algorithm.Wrapping(g.wrapping), c.In, buf); err == nil {
			err = l.enclose(c, keyID, in)
		}
	})
	if errors.Is(err, algorithm.ErrMaterial) || errors.Is(err, ErrMaterial) {
		return ErrMaterial
	}
	return translate(err)
}

// enclose makes the token of what was unwrapped. Symmetric material is copied to a worker's scratch alone; asymmetric
// keys are parsed on the heap, as everywhere in this package.
func (l *Local) enclose(c *Call, keyID, in []byte) error {
	t := c.Target
	material, spki, err := algorithm.Import(algorithm.Spec(t.Spec), in)
	defer func() { clear(material) }()
	if err != nil {
		return err
	}
	if !fits(c.Public, len(spki)) || !fits(c.Out, token.Size(len(material))) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	defer l.release(w)
	var id MaterialID
	identify(&id, w.scratch.ready.midstate(), material, keyID)
	if t.Material != (MaterialID{}) && subtle.ConstantTimeCompare(id[:], t.Material[:]) != 1 {
		return ErrMaterial
	}
	h := token.Header{Purpose: token.Key, Spec: uint8(t.Spec), Usage: uint8(t.Usage)}
	if err := l.wrap(w, c, &h, t.Identity, keyID, material); err != nil {
		return err
	}
	c.Public = append(c.Public, spki...)
	return nil
}

// ImportTokenLife is how long import token and wrapping key are good (AWS KMS Developer Guide, "Download the wrapping
// public key and import token").
const ImportTokenLife = 24 * time.Hour
