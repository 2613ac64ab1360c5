package operation

import (
	"trent/fastpath/wire"
	"trent/hsm"
)

// compatibleUsage tells whether a key of this spec may be made for this usage.
func compatibleUsage(s hsm.KeySpec, u hsm.Usage) bool {
	i := &specs[s]
	switch u {
	case hsm.EncryptDecrypt:
		return len(i.encryption) > 0
	case hsm.SignVerify:
		return len(i.signing) > 0
	case hsm.GenerateVerifyMAC:
		return len(i.mac) > 0
	case hsm.KeyAgreement:
		return len(i.agreement) > 0
	case hsm.EncapsulateDecapsulate:
		return len(i.encapsulation) > 0
	}
	return false
}

// encryptionAlgorithm finds an algorithm of a key spec, nil where they do not go together.
func encryptionAlgorithm(s hsm.KeySpec, a wire.EncryptionAlgorithmSpec) *encryptionInfo {
	list := specs[s].encryption
	for i := range list {
		if list[i].api == a {
			return &list[i]
		}
	}
	return nil
}

// signingAlgorithm finds an algorithm of a key spec, nil where they do not go together.
func signingAlgorithm(s hsm.KeySpec, a wire.SigningAlgorithmSpec) *signingInfo {
	list := specs[s].signing
	for i := range list {
		if list[i].api == a {
			return &list[i]
		}
	}
	return nil
}

// macAlgorithm finds the module's algorithm for a key spec, AlgorithmNone where they do not go together.
func macAlgorithm(s hsm.KeySpec, a wire.MacAlgorithmSpec) hsm.Algorithm {
	for _, i := range specs[s].mac {
		if i.api == a {
			return i.module
		}
	}
	return hsm.AlgorithmNone
}

// algorithmLists are the algorithm members of KeyMetadata and GetPublicKey; the usage decides which is set.
type algorithmLists struct {
	encryption    []wire.EncryptionAlgorithmSpec
	signing       []wire.SigningAlgorithmSpec
	mac           []wire.MacAlgorithmSpec
	agreement     []wire.KeyAgreementAlgorithmSpec
	encapsulation []wire.EncapsulationAlgorithmSpec
}

func algorithmsOf(s hsm.KeySpec, u hsm.Usage) (l algorithmLists) {
	switch u {
	case hsm.EncryptDecrypt:
		for _, i := range specs[s].encryption {
			if hsm.Permitted(i.module) {
				l.encryption = append(l.encryption, i.api)
			}
		}
	case hsm.SignVerify:
		for _, i := range specs[s].signing {
			l.signing = append(l.signing, i.api)
		}
	case hsm.GenerateVerifyMAC:
		for _, i := range specs[s].mac {
			l.mac = append(l.mac, i.api)
		}
	case hsm.KeyAgreement:
		l.agreement = specs[s].agreement
	case hsm.EncapsulateDecapsulate:
		l.encapsulation = specs[s].encapsulation
	}
	return l
}
