//go:build pkcs11

package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// Mechanisms that the library's constants do not have by these names.
const (
	ckmECEdwardsKeyPairGen = 0x1055
	ckmEDDSA               = 0x1057
	ckmAESKeyWrapKWP       = 0x210B
)

// mechanisms are what the device can do, by what it says, and what a trial said.
type mechanisms struct {
	of      map[uint]p11.MechanismInfo
	oaep    map[hsm.Algorithm]bool // by the device's own OAEP
	keyWrap []uint                 // of AES key wrap with padding, in the order of trial
	curves  map[hsm.KeySpec]bool
	edwards []byte        // parameters of Ed25519 as the device takes them
	forged  map[uint]bool // what it says of a ciphertext of AES-GCM that is not authentic
	// tellsLength: of a secret that was unwrapped it says how long it is.
	tellsLength bool
}

// read asks the device for its mechanisms.
func (ms *mechanisms) read(ctx *p11.Ctx, slot uint) error {
	list, err := ctx.GetMechanismList(slot)
	if err != nil {
		return fmt.Errorf("pkcs11: listing mechanisms: %w", err)
	}
	ms.of = make(map[uint]p11.MechanismInfo, len(list))
	for _, one := range list {
		if info, err := ctx.GetMechanismInfo(slot, []*p11.Mechanism{one}); err == nil {
			ms.of[one.Mechanism] = info
		}
	}
	for _, wrap := range [...]uint{ckmAESKeyWrapKWP, p11.CKM_AES_KEY_WRAP_PAD} {
		if ms.can(wrap, p11.CKF_UNWRAP) {
			ms.keyWrap = append(ms.keyWrap, wrap)
		}
	}
	return nil
}

// can tells whether the device has a mechanism with all these flags.
func (ms *mechanisms) can(mechanism, flags uint) bool {
	info, ok := ms.of[mechanism]
	return ok && info.Flags&flags == flags
}

// sized is can for keys of that size, in the mechanism's unit.
func (ms *mechanisms) sized(mechanism, flags, size uint) bool {
	info := ms.of[mechanism]
	return ms.can(mechanism, flags) && info.MinKeySize <= size && (size <= info.MaxKeySize || info.MaxKeySize == 0)
}

// Supports tells whether the device has keys of a spec for a usage.
func (m *Module) Supports(spec hsm.KeySpec, usage hsm.Usage) bool {
	if len(hsm.Algorithms(spec, usage)) == 0 {
		return false
	}
	ms := &m.mechanisms
	switch k := kindOf(spec); k {
	case aesKey:
		return ms.can(p11.CKM_AES_KEY_GEN, p11.CKF_GENERATE) && ms.can(p11.CKM_AES_GCM, p11.CKF_ENCRYPT|p11.CKF_DECRYPT)
	case hmacKey:
		return ms.can(p11.CKM_GENERIC_SECRET_KEY_GEN, p11.CKF_GENERATE) && ms.can(hmacs[spec], p11.CKF_SIGN)
	case rsaKey:
		return ms.sized(p11.CKM_RSA_PKCS_KEY_PAIR_GEN, p11.CKF_GENERATE_KEY_PAIR, uint(rsaBits(spec))) && m.anyOf(spec, usage)
	case curveKey:
		return ms.can(p11.CKM_EC_KEY_PAIR_GEN, p11.CKF_GENERATE_KEY_PAIR) && ms.curves[spec] && m.anyOf(spec, usage)
	case edwardsKey:
		return ms.can(ckmECEdwardsKeyPairGen, p11.CKF_GENERATE_KEY_PAIR) && ms.curves[spec] && m.anyOf(spec, usage)
	}
	return false
}

func (m *Module) anyOf(spec hsm.KeySpec, usage hsm.Usage) bool {
	for _, a := range hsm.Algorithms(spec, usage) {
		if m.Runs(a) {
			return true
		}
	}
	return false
}

// Runs tells whether the device runs an algorithm.
func (m *Module) Runs(a hsm.Algorithm) bool {
	ms := &m.mechanisms
	switch a {
	case hsm.AESGCM:
		return ms.can(p11.CKM_AES_GCM, p11.CKF_ENCRYPT|p11.CKF_DECRYPT)
	case hsm.OAEPSHA1, hsm.OAEPSHA256:
		return ms.oaep[a] || ms.can(p11.CKM_RSA_X_509, p11.CKF_DECRYPT)
	case hsm.PKCS1SHA256, hsm.PKCS1SHA384, hsm.PKCS1SHA512:
		return ms.can(p11.CKM_RSA_PKCS, p11.CKF_SIGN|p11.CKF_VERIFY)
	case hsm.PSSSHA256, hsm.PSSSHA384, hsm.PSSSHA512:
		return ms.can(p11.CKM_RSA_PKCS_PSS, p11.CKF_SIGN|p11.CKF_VERIFY)
	case hsm.ECDSASHA256, hsm.ECDSASHA384, hsm.ECDSASHA512:
		return ms.can(p11.CKM_ECDSA, p11.CKF_SIGN|p11.CKF_VERIFY)
	case hsm.ED25519SHA512:
		return ms.can(ckmEDDSA, p11.CKF_SIGN|p11.CKF_VERIFY)
	case hsm.ECDH:
		return ms.can(p11.CKM_ECDH1_DERIVE, p11.CKF_DERIVE)
	case hsm.HMACSHA224, hsm.HMACSHA256, hsm.HMACSHA384, hsm.HMACSHA512:
		return ms.can(hmacOf[a], p11.CKF_SIGN)
	}
	return false
}

// runs is the algorithm that a means for a key, and whether the device runs it. Error: ErrUnsupported.
func (m *Module) runs(k *hsm.Key, usage hsm.Usage, a hsm.Algorithm) (hsm.Algorithm, error) {
	if k.Usage != usage {
		return 0, hsm.ErrUnsupported
	}
	all := hsm.Algorithms(k.Spec, usage)
	if a == hsm.AlgorithmNone && len(all) == 1 {
		a = all[0]
	}
	for _, one := range all {
		if one == a && m.Runs(a) {
			return a, nil
		}
	}
	return 0, hsm.ErrUnsupported
}

// Wraps tells whether the device unwraps material that is wrapped by w.
func (m *Module) Wraps(w hsm.Wrapping) bool {
	ms := &m.mechanisms
	switch w {
	case hsm.WrapOAEPSHA1:
		return ms.oaep[hsm.OAEPSHA1] && ms.can(p11.CKM_RSA_PKCS_OAEP, p11.CKF_UNWRAP)
	case hsm.WrapOAEPSHA256:
		return ms.oaep[hsm.OAEPSHA256] && ms.can(p11.CKM_RSA_PKCS_OAEP, p11.CKF_UNWRAP)
	case hsm.WrapRSAAESKeyWrapSHA1:
		return m.Wraps(hsm.WrapOAEPSHA1) && len(ms.keyWrap) > 0
	case hsm.WrapRSAAESKeyWrapSHA256:
		return m.Wraps(hsm.WrapOAEPSHA256) && len(ms.keyWrap) > 0
	}
	return false
}
