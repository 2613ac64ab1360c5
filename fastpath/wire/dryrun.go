package wire

import "slices"

// IgnoresCiphertext tells whether the request is a dry run that asks about permissions only: its ciphertext may be
// left out, and is not looked at where it is given.
func (r *DecryptRequest) IgnoresCiphertext() bool {
	return ignoresCiphertext(r.DryRun, r.DryRunModifiers)
}

// IgnoresCiphertext tells whether the request is a dry run that asks about permissions only: its ciphertext may be
// left out, and is not looked at where it is given.
func (r *ReEncryptRequest) IgnoresCiphertext() bool {
	return ignoresCiphertext(r.DryRun, r.DryRunModifiers)
}

func ignoresCiphertext(dry bool, modifiers []DryRunModifierType) bool {
	return dry && slices.Contains(modifiers, DryRunModifierTypeIgnoreCiphertext)
}
