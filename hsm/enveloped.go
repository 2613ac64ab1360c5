package hsm

// CMS EnvelopedData as the service answers it: BER, whose outer elements have indefinite lengths. Clients that
// only read DER fail with the service, and so they should here.
//
//	SEQUENCE { 1.2.840.113549.1.7.3, [0] SEQUENCE {             ContentInfo (RFC 5652 §3, §6)
//	  2,                                                        version: a recipient without certificate
//	  SET { SEQUENCE {                                          KeyTransRecipientInfo (§6.2.1)
//	    2, [0] subjectKeyIdentifier,                            SHA-256 of the recipient's SubjectPublicKeyInfo
//	    SEQUENCE { 1.2.840.113549.1.1.7, RSAES-OAEP-params },   RFC 4055 §4.1: SHA-256, MGF1 with SHA-256
//	    OCTET STRING encryptedKey } },
//	  SEQUENCE { 1.2.840.113549.1.7.1,
//	    SEQUENCE { 2.16.840.1.101.3.4.1.42, OCTET STRING iv },  AES-256-CBC (RFC 3565 §4.1)
//	    [0] { OCTET STRING … } } } }                            the content in pieces

const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagSequence    = 0x30
	tagSet         = 0x31
	tagImplicit0   = 0x80
	tagExplicit0   = 0xa0

	indefinite = 0x80
	// pieceSize is the length in bytes of the content's pieces.
	pieceSize = 1000
)

var (
	oidEnvelopedData = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03}
	oidData          = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01}
	oidAES256CBC     = []byte{0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a}

	versionTwo = []byte{tagInteger, 0x01, 0x02}

	// oaepSHA256 is the AlgorithmIdentifier of RSAES-OAEP with SHA-256 in both places.
	oaepSHA256 = []byte{
		0x30, 0x3c,
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, // id-RSAES-OAEP
		0x30, 0x2f,
		0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, // id-sha256
		0xa1, 0x1c, 0x30, 0x1a,
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, // id-mgf1
		0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, // id-sha256
	}

	// endOfContents closes the five elements of indefinite length.
	endOfContents = make([]byte, 5*2)
)

// appendEnveloped appends EnvelopedData to dst.
func appendEnveloped(dst []byte, recipient [32]byte, encryptedKey, iv, content []byte) []byte {
	info := append([]byte(nil), versionTwo...)
	info = appendBER(info, tagImplicit0, recipient[:])
	info = append(info, oaepSHA256...)
	info = appendBER(info, tagOctetString, encryptedKey)

	dst = append(append(dst, tagSequence, indefinite), oidEnvelopedData...)
	dst = append(dst, tagExplicit0, indefinite)
	dst = append(append(dst, tagSequence, indefinite), versionTwo...)
	dst = appendBER(dst, tagSet, appendBER(nil, tagSequence, info))

	dst = append(append(dst, tagSequence, indefinite), oidData...)
	dst = appendBER(dst, tagSequence, appendBER(oidAES256CBC[:len(oidAES256CBC):len(oidAES256CBC)], tagOctetString, iv))
	dst = append(dst, tagExplicit0, indefinite)
	for len(content) > 0 {
		n := min(len(content), pieceSize)
		dst = appendBER(dst, tagOctetString, content[:n])
		content = content[n:]
	}
	return append(dst, endOfContents...)
}

// appendBER appends an element of definite length, of less than 64 KiB.
func appendBER(dst []byte, tag byte, content []byte) []byte {
	switch n := len(content); {
	case n < 0x80:
		dst = append(dst, tag, byte(n))
	case n < 0x100:
		dst = append(dst, tag, 0x81, byte(n))
	default:
		dst = append(dst, tag, 0x82, byte(n>>8), byte(n))
	}
	return append(dst, content...)
}
