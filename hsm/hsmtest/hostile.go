package hsmtest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"trent/hsm"
)

// hostileTokens gives every operation tokens of other purposes than the one it is for, and what is no token, with all
// that stands beside them made to fit: its spec, usage, material and identity.
func (s *suite) hostileTokens(t *testing.T) {
	to := target(hsm.P256, hsm.SignVerify, t.Name())
	w := s.wrappingFor(t, to, s.hybrid(t), hsm.RSA2048)
	const materialAt = 24 // in a token (package token)
	keyOf := func(token []byte, spec hsm.KeySpec, usage hsm.Usage, identity []byte) hsm.Key {
		k := hsm.Key{Token: token, Identity: identity, Spec: spec, Usage: usage}
		if len(token) >= materialAt+len(k.Material) {
			copy(k.Material[:], token[materialAt:])
		}
		return k
	}
	own := NewKey(t, s, hsm.P256, hsm.SignVerify, t.Name())
	pooled := s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.P256, Usage: hsm.SignVerify}).Out
	tokens := map[string]hsm.Key{
		"key":             keyOf(own.Token, hsm.P256, hsm.SignVerify, own.Identity),
		"pool":            keyOf(pooled, hsm.P256, hsm.SignVerify, nil),
		"pool of RSA":     keyOf(s.pooled(t, hsm.RSA2048).Token, hsm.RSA2048, hsm.UsageNone, nil),
		"wrapping":        keyOf(w.Key.Token, hsm.RSA2048, hsm.EncryptDecrypt, to.Identity),
		"import":          keyOf(w.In2, hsm.P256, hsm.SignVerify, to.Identity),
		"none":            keyOf(nil, hsm.P256, hsm.SignVerify, to.Identity),
		"a byte":          keyOf(own.Token[:1], hsm.P256, hsm.SignVerify, own.Identity),
		"a header":        keyOf(own.Token[:72], hsm.P256, hsm.SignVerify, own.Identity),
		"without its end": keyOf(own.Token[:len(own.Token)-1], hsm.P256, hsm.SignVerify, own.Identity),
		"with more":       keyOf(append(bytes.Clone(own.Token), 0), hsm.P256, hsm.SignVerify, own.Identity),
		"zeros":           keyOf(make([]byte, len(own.Token)), hsm.P256, hsm.SignVerify, own.Identity),
		"of another key":  keyOf(own.Token, hsm.P256, hsm.SignVerify, Identity("another")),
	}
	for name, k := range tokens {
		for op := hsm.OpEncrypt; op < hsm.NumOps; op++ {
			switch {
			case op == hsm.OpRandom || op == hsm.OpGenerate || op == hsm.OpGeneratePool || op == hsm.OpWrappingKey || op == hsm.OpImportToken,
				name == "key" && (op == hsm.OpSign || op == hsm.OpVerify || op == hsm.OpRewrap),
				name == "pool" && op == hsm.OpAdopt:
				continue // it reads no token, or this is the right one
			}
			for _, as := range []hsm.Key{
				k, keyOf(k.Token, hsm.SymmetricDefault, hsm.EncryptDecrypt, k.Identity), keyOf(k.Token, hsm.HMAC256, hsm.GenerateVerifyMAC, k.Identity),
				keyOf(k.Token, hsm.P256, hsm.KeyAgreement, k.Identity), keyOf(k.Token, hsm.MLKEM768, hsm.EncapsulateDecapsulate, k.Identity),
				keyOf(k.Token, hsm.RSA2048, hsm.SignVerify, k.Identity), keyOf(k.Token, hsm.RSA2048, hsm.EncryptDecrypt, k.Identity),
			} {
				if as.Spec == hsm.RSA2048 && name == "wrapping" && op == hsm.OpImport ||
					op == hsm.OpRewrap && (k.Usage == hsm.UsageNone || name == "pool" || name == "wrapping") && as.Spec == k.Spec && as.Usage == k.Usage {
					continue
				}
				s.refuseToken(t, name, hsm.Call{
					Op: op, Key: &as, Target: to, Spec: hsm.P256, N: 32, In: peerOfP256, In2: w.In2, Time: w.Time,
				})
			}
		}
		if name == "pool" || name == "pool of RSA" {
			continue
		}
		forged := hsm.Key{Token: k.Token, Spec: k.Spec, Usage: k.Usage}
		sealing := &NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name()).Key
		s.refuseToken(t, name, hsm.Call{Op: hsm.OpDataKeyPair, Key: sealing, Spec: hsm.P256, Target: &forged})
		s.refuseToken(t, name, hsm.Call{Op: hsm.OpWrappingKey, Key: to, Spec: hsm.RSA2048, Target: &forged})
	}
}

// refuseToken runs a call that must fail for what its token is, or for what it says to be, and must append nothing.
func (s *suite) refuseToken(t *testing.T, name string, c hsm.Call) {
	t.Helper()
	err := s.try(&c)
	which := fmt.Sprintf("op %d by a token (%s) as spec %d, usage %d", c.Op, name, c.Key.Spec, c.Key.Usage)
	if !errors.Is(err, hsm.ErrToken) && !errors.Is(err, hsm.ErrUnsupported) && !errors.Is(err, hsm.ErrDomain) && !errors.Is(err, hsm.ErrAuthentication) {
		t.Errorf("%s: %v", which, err)
	}
	if len(c.Out)+len(c.Secret)+len(c.Public) > 0 || !bytes.Equal(c.Secret[:cap(c.Secret)], make([]byte, cap(c.Secret))) {
		t.Errorf("%s: results with %v", which, err)
	}
}
