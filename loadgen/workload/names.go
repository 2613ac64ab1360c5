package workload

import (
	"fmt"
	"slices"
)

// Operations lists the operations that a mix may contain.
func Operations() []string { return names(operations) }

// KeySpecs lists the key specs that a key group may have.
func KeySpecs() []string { return names(specs) }

// PairSpecs lists the specs of data key pairs.
func PairSpecs() []string { return slices.Clone(pairSpecs) }

// MakesPairs reports whether an operation makes data key pairs.
func MakesPairs(operation string) bool { return isPair(operation) }

// TakesContext reports whether an operation takes an encryption context, with a symmetric key.
func TakesContext(operation string) bool { return operations[operation].context }

// UsesKey reports whether an operation names a key.
func UsesKey(operation string) bool { return operations[operation].usage != "" }

// Usage is the usage of a key of a spec that an operation can be called with: for one that takes any key the spec's default,
// "" for one that uses no key. Error: no key of the spec serves the operation.
func Usage(operation, keySpec string) (string, error) {
	op, ok := operations[operation]
	if !ok {
		return "", fmt.Errorf("unknown operation %q", operation)
	}
	if op.usage == "" {
		return "", nil
	}
	if isPair(operation) && slices.Contains(pairSpecs, keySpec) {
		return encryptDecrypt, nil // the spec is the pair's
	}
	s, ok := specs[keySpec]
	if !ok {
		return "", fmt.Errorf("unknown key spec %q", keySpec)
	}
	for _, usage := range s.usages {
		switch {
		case op.symmetric && keySpec != symmetric:
			return "", fmt.Errorf("%s needs a key of spec %s, not %s", operation, symmetric, keySpec)
		case operation == "GetPublicKey" && (keySpec == symmetric || usage == generateMac):
			return "", fmt.Errorf("GetPublicKey needs an asymmetric key, not %s", keySpec)
		case op.usage == anyUsage || op.usage == usage:
			return usage, nil
		}
	}
	return "", fmt.Errorf("%s needs a key of usage %s, which %s cannot have", operation, op.usage, keySpec)
}

// Fits says what is wrong with calling an operation with a key of a spec; nil where nothing is.
func Fits(operation, keySpec string) error {
	_, err := Usage(operation, keySpec)
	return err
}
