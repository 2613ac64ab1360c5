package blob

// The constant parts of the DER, tag bytes included.
var (
	oidEncryptedData = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06} // RFC 5652 §8
	oidData          = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01} // RFC 5652 §4
	versionZero      = []byte{0x02, 0x01, 0x00}
	// SEQUENCE { aes256-GCM (RFC 5084 §3.2), SEQUENCE { OCTET STRING 12 …
	algorithmHead = []byte{0x30, 0x1e, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e, 0x30, 0x11, 0x04, 0x0c}
	// … INTEGER 16 } }
	algorithmTail = []byte{0x02, 0x01, 0x10}
)

const (
	tagSequence  = 0x30
	tagExplicit0 = 0xa0
	tagImplicit0 = 0x80

	algorithmSize = 32
	oidSize       = 11
	versionSize   = 3

	minOverhead = 94  // 58 + 94 + 32 = 184
	maxOverhead = 104 // five lengths of three bytes
	maxPrefix   = maxOverhead - ContentHeader - TagSize
)

// lengths are the contents' lengths of the nested elements, outermost first.
type lengths struct {
	info      int // SEQUENCE ContentInfo
	explicit  int // [0]
	encrypted int // SEQUENCE EncryptedData
	content   int // SEQUENCE EncryptedContentInfo
	sealed    int // [0] IMPLICIT
}

// measure lays out the DER of a plaintext of p bytes.
func measure(p int) lengths {
	var l lengths
	l.sealed = ContentHeader + p + TagSize
	l.content = oidSize + algorithmSize + element(l.sealed)
	l.encrypted = versionSize + element(l.content)
	l.explicit = element(l.encrypted)
	l.info = oidSize + element(l.explicit)
	return l
}

// measureTotal finds the layout whose total is n; the total grows strictly with p, so there is at most one.
func measureTotal(n int) (lengths, bool) {
	for p := n - minOverhead; p >= 0 && p >= n-maxOverhead; p-- {
		if p > MaxPlaintext {
			continue
		}
		if l := measure(p); l.total() == n {
			return l, true
		}
	}
	return lengths{}, false
}

func (l *lengths) total() int { return element(l.info) }

// prefix is how many bytes stand before sealed.
func (l *lengths) prefix() int { return l.total() - l.sealed }

// nonceAt is the offset of the nonce in the DER.
func (l *lengths) nonceAt() int {
	return l.prefix() - (element(l.sealed) - l.sealed) - len(algorithmTail) - NonceSize
}

// append writes everything before sealed.
func (l *lengths) append(dst, nonce []byte) []byte {
	dst = appendElement(dst, tagSequence, l.info)
	dst = append(dst, oidEncryptedData...)
	dst = appendElement(dst, tagExplicit0, l.explicit)
	dst = appendElement(dst, tagSequence, l.encrypted)
	dst = append(dst, versionZero...)
	dst = appendElement(dst, tagSequence, l.content)
	dst = append(dst, oidData...)
	dst = append(dst, algorithmHead...)
	dst = append(dst, nonce...)
	dst = append(dst, algorithmTail...)
	return appendElement(dst, tagImplicit0, l.sealed)
}

// element is the size of a DER element with a one-byte tag and n bytes of content (X.690 §10.1: shortest length).
func element(n int) int {
	switch {
	case n < 0x80:
		return 2 + n
	case n < 0x100:
		return 3 + n
	default:
		return 4 + n
	}
}

func appendElement(dst []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(dst, tag, byte(n))
	case n < 0x100:
		return append(dst, tag, 0x81, byte(n))
	default:
		return append(dst, tag, 0x82, byte(n>>8), byte(n))
	}
}
