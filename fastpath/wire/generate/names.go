package main

import "strings"

// lowerFirst is the member's name as validation errors spell it: keyId for KeyId.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// constantName spells an enum value as the AWS SDK for Go does: RSASSA_PKCS1_V1_5_SHA_256 becomes
// RsassaPkcs1V15Sha256; values already in camel case stay.
func constantName(value string) string {
	if strings.ToUpper(value) != value {
		return value
	}
	var b strings.Builder
	for word := range strings.SplitSeq(value, "_") {
		b.WriteString(word[:1])
		b.WriteString(strings.ToLower(word[1:]))
	}
	return b.String()
}
