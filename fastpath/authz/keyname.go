package authz

import "strings"

// KeyNamed finds a condition key by its name, without regard to case, and the user's part of the name of a Named one.
// A name that is none of the known keys' is KeyOther's; the empty name is KeyNone.
func KeyNamed(s string) (Key, string) {
	if s == "" {
		return KeyNone, ""
	}
	for k := KeyNone + 1; k < KeyOther; k++ {
		row := &keyRows[k]
		n := len(row.Name)
		switch {
		case len(s) < n || !strings.EqualFold(s[:n], row.Name):
		case !row.Named && len(s) == n:
			return k, ""
		case row.Named && len(s) > n+1 && s[n] == row.separator():
			return k, s[n+1:]
		}
	}
	return KeyOther, s
}

// separator is what stands between a Named key's own name and the user's part: aws:PrincipalTag/NAME, but
// kms:EncryptionContext:NAME.
func (r *KeyRow) separator() byte {
	if strings.HasPrefix(r.Name, "kms:") {
		return ':'
	}
	return '/'
}
