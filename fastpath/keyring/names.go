package keyring

import (
	"bytes"
	"encoding/binary"
)

// Lengths of names (AWS KMS API Reference, "KeyId" and "AliasName").
const (
	keyIDLength    = 36
	accountLength  = 12
	maxAliasLength = 256
	mrkPrefix      = "mrk-"
	aliasPrefix    = "alias/"
	arnPrefix      = "arn:"
	keyPrefix      = "key/"
	kmsService     = ":kms:"
)

// Classify tells the form of a name by its prefixes alone; it does not look whether the name is well-formed.
func Classify(name []byte) Form {
	switch {
	case hasPrefix(name, aliasPrefix):
		return AliasNameForm
	case !hasPrefix(name, arnPrefix):
		return KeyIDForm
	case hasPrefix(resource(name), aliasPrefix):
		return AliasARNForm
	default:
		return KeyARNForm
	}
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// resource is what follows the fifth colon of an ARN, nil if there are fewer.
func resource(arn []byte) []byte {
	for range 5 {
		i := bytes.IndexByte(arn, ':')
		if i < 0 {
			return nil
		}
		arn = arn[i+1:]
	}
	return arn
}

// arnParts are views into an ARN.
type arnParts struct{ partition, region, account, resource []byte }

// parseARN takes "arn:PARTITION:kms:REGION:ACCOUNT:RESOURCE" apart.
func parseARN(arn []byte) (p arnParts, ok bool) {
	rest, service := arn[len(arnPrefix):], []byte(nil)
	for _, part := range [...]*[]byte{&p.partition, &service, &p.region, &p.account} {
		i := bytes.IndexByte(rest, ':')
		if i < 0 {
			return arnParts{}, false
		}
		*part, rest = rest[:i], rest[i+1:]
	}
	p.resource = rest
	return p, string(service) == "kms" && len(p.region) > 0 && isAccount(p.account)
}

// here reads an ARN of the caller's partition and Region by comparing with these instead of looking for colons.
// account and rest, the resource, are views.
func here(arn []byte, caller *Scope) (account, rest []byte, ok bool) {
	p, r := len(caller.Partition), len(caller.Region)
	n := len(arnPrefix) + p + len(kmsService) + r + 1
	if len(arn) < n+accountLength+1 || arn[n-1] != ':' || arn[n+accountLength] != ':' {
		return nil, nil, false
	}
	at := len(arnPrefix)
	if string(arn[at:at+p]) != caller.Partition || string(arn[at+p:at+p+len(kmsService)]) != kmsService ||
		string(arn[n-1-r:n-1]) != caller.Region {
		return nil, nil, false
	}
	account = arn[n : n+accountLength]
	return account, arn[n+accountLength+1:], isAccount(account)
}

func isAccount[T ~string | ~[]byte](s T) bool {
	if len(s) != accountLength {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Where the 16 bytes of a key id stand in its text.
var (
	uuidAt = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}
	mrkAt  = [16]uint8{4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34}
)

// parseKeyID reads a canonical UUID, or "mrk-" and 32 hex digits, of either letter case. lower is false where
// the text has upper-case digits: well-formed, but the id of no key, since all ids are made in lower case and
// the service repeats the text as it was given (that it does not fold case is chosen).
func parseKeyID[T ~string | ~[]byte](s T, id *[16]byte) (multiRegion, lower, ok bool) {
	if len(s) != keyIDLength {
		return false, false, false
	}
	var w [4]uint64 // eight digits each
	if s[0] == 'm' {
		if s[1] != 'r' || s[2] != 'k' || s[3] != '-' {
			return false, false, false
		}
		multiRegion = true
		w = [4]uint64{four(s[4:8], s[8:12]), four(s[12:16], s[16:20]), four(s[20:24], s[24:28]), four(s[28:32], s[32:36])}
	} else {
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return false, false, false
		}
		w = [4]uint64{four(s[:4], s[4:8]), four(s[9:13], s[14:18]), four(s[19:23], s[24:28]), four(s[28:32], s[32:36])}
	}
	var bad, upper uint64
	for i := range w {
		v, b, u := hexWord(w[i])
		bad, upper = bad|b, upper|u
		binary.LittleEndian.PutUint32(id[4*i:], v)
	}
	return multiRegion, upper == 0, bad == 0
}

// four is four and four bytes of text as a little-endian word.
func four[T ~string | ~[]byte](a, b T) uint64 {
	_, _ = a[3], b[3]
	return uint64(uint32(a[0])|uint32(a[1])<<8|uint32(a[2])<<16|uint32(a[3])<<24) |
		uint64(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)<<32
}

// hexWord reads eight hex digits at once, each byte of x by itself. bad is not 0 unless all are digits, upper not 0
// if any is an upper-case letter. TestKeyIDBytes and FuzzKeyID compare it with a regular expression.
func hexWord(x uint64) (v uint32, bad, upper uint64) {
	const ones = 0x0101010101010101
	letter := x >> 6 & ones // bit 6 is set in letters
	value := x&(0x0f*ones) + 9*letter
	folded := x | letter<<5
	bad = (folded ^ (value + '0'*ones + ('a'-'0'-10)*letter)) | // not what the value is written as
		(value & (0xf0 * ones)) | // past f
		((value+6*ones)&(0x10*ones) ^ letter<<4) | // past 9 without being a letter, or a letter before a
		(x & (0x80 * ones))
	value = (value<<4 | value>>8) & 0x00ff00ff00ff00ff
	value = (value | value>>8) & 0x0000ffff0000ffff
	return uint32(value | value>>16), bad, letter << 5 &^ x
}

const hexDigits = "0123456789abcdef"

// formatKeyID is the inverse of parseKeyID.
func formatKeyID(id *[16]byte, multiRegion bool) string {
	b := []byte("00000000-0000-0000-0000-000000000000")
	at := &uuidAt
	if multiRegion {
		copy(b, mrkPrefix)
		at = &mrkAt
	}
	for i, p := range at {
		b[p], b[p+1] = hexDigits[id[i]>>4], hexDigits[id[i]&15]
	}
	return string(b)
}

// storableAlias says whether an alias of this name can exist: the store's keys are separated by NUL and bounded.
// Which characters the API allows is the API's business.
func storableAlias[T ~string | ~[]byte](name T) bool {
	if len(name) <= len(aliasPrefix) || len(name) > maxAliasLength {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
		if i < len(aliasPrefix) && name[i] != aliasPrefix[i] {
			return false
		}
	}
	return true
}
