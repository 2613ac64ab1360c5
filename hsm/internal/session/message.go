package session

import "encoding/binary"

// version is of all formats of this package.
const version = 1

// Kinds of messages.
const (
	helloKind = iota + 1
	answerKind
	openKind
	acceptKind
)

// Offers, a bit each: what an end can agree by. All ends can do the first.
const (
	classical = 1 << iota // ECDH P-384
	hybrid                // ECDH P-384 and ML-KEM-1024

	known = classical | hybrid
)

// Bounds in bytes.
const (
	MaxToken  = 512 // of a session key's token
	MaxHello  = helloFixed + kemKeySize
	MaxAnswer = answerFixed + kemSize + MaxToken
	MaxOpen   = openFixed + MaxToken
	MaxAccept = acceptSize
)

const (
	randomSize   = 32
	sealedSize   = 12 + 32 + 16 // the session key under the negotiated one
	headerSize   = 2
	proofSize    = 32
	helloFixed   = headerSize + 1 + 16 + 8 + fingerprintSize + pointSize + signatureSize
	answerFixed  = headerSize + 2 + 16 + 8 + identitySize + pointSize + 4 + sealedSize + 2 + signatureSize
	openFixed    = headerSize + 16 + randomSize + digestSize + 2 + proofSize
	acceptSize   = headerSize + 8 + identitySize + randomSize + signatureSize + proofSize
	maxSeconds   = 24 * 60 * 60
	minTokenSize = 1
)

// hello is the first message of a handshake, the host's.
type hello struct {
	offers    byte
	domain    [16]byte
	number    uint64
	host      Fingerprint
	point     []byte
	kem       []byte // encapsulation key; of hybrid offers
	signed    []byte // everything before the signature
	signature []byte
}

// append writes all but the signature.
func (m *hello) append(dst []byte) []byte {
	dst = append(dst, version, helloKind, m.offers)
	dst = append(dst, m.domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, m.number)
	dst = append(dst, m.host[:]...)
	dst = append(dst, m.point...)
	return append(dst, m.kem...)
}

func parseHello(message []byte) (m hello, ok bool) {
	r := reader{rest: message}
	r.header(helloKind)
	m.offers = r.byte()
	copy(m.domain[:], r.take(16))
	m.number = r.uint64()
	copy(m.host[:], r.take(fingerprintSize))
	m.point = r.take(pointSize)
	if m.offers&hybrid != 0 {
		m.kem = r.take(kemKeySize)
	}
	m.signed, m.signature = r.signature(message)
	return m, r.done() && m.offers&classical != 0 && m.offers&^known == 0
}

// answer is the module's message of a handshake.
type answer struct {
	offers    byte
	choice    byte // one bit
	domain    [16]byte
	number    uint64
	identity  []byte
	point     []byte
	kem       []byte // ciphertext; of a hybrid choice
	seconds   uint32 // that the session key is good for
	agreed    []byte // everything up to here
	sealed    []byte // nonce ‖ session key ‖ tag
	token     []byte
	signed    []byte // everything before the signature
	signature []byte
}

// append writes what comes before the sealed session key.
func (m *answer) append(dst []byte) []byte {
	dst = append(dst, version, answerKind, m.offers, m.choice)
	dst = append(dst, m.domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, m.number)
	dst = append(dst, m.identity...)
	dst = append(dst, m.point...)
	dst = append(dst, m.kem...)
	return binary.BigEndian.AppendUint32(dst, m.seconds)
}

func parseAnswer(message []byte) (m answer, ok bool) {
	r := reader{rest: message}
	r.header(answerKind)
	m.offers, m.choice = r.byte(), r.byte()
	copy(m.domain[:], r.take(16))
	m.number = r.uint64()
	m.identity = r.take(identitySize)
	m.point = r.take(pointSize)
	if m.choice == hybrid {
		m.kem = r.take(kemSize)
	}
	m.seconds = r.uint32()
	m.agreed = message[:len(message)-len(r.rest)]
	m.sealed = r.take(sealedSize)
	m.token = r.token()
	m.signed, m.signature = r.signature(message)
	return m, r.done() && m.offers&classical != 0 && m.offers&^known == 0 && (m.choice == classical || m.choice == hybrid) &&
		m.seconds > 0 && m.seconds <= maxSeconds
}

// open is the host's message at the start of a connection.
type open struct {
	domain     [16]byte
	random     [randomSize]byte
	transcript [digestSize]byte
	token      []byte
	proved     []byte // everything before the proof
	proof      []byte
}

// append writes all but the proof.
func (m *open) append(dst []byte) []byte {
	dst = append(dst, version, openKind)
	dst = append(dst, m.domain[:]...)
	dst = append(dst, m.random[:]...)
	dst = append(dst, m.transcript[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.token)))
	return append(dst, m.token...)
}

func parseOpen(message []byte) (m open, ok bool) {
	r := reader{rest: message}
	r.header(openKind)
	copy(m.domain[:], r.take(16))
	copy(m.random[:], r.take(randomSize))
	copy(m.transcript[:], r.take(digestSize))
	m.token = r.token()
	m.proved = message[:len(message)-len(r.rest)]
	m.proof = r.take(proofSize)
	return m, r.done()
}

// accept is the module's message at the start of a connection.
type accept struct {
	number    uint64
	identity  []byte
	random    [randomSize]byte
	signed    []byte // everything before the signature
	signature []byte
	proved    []byte // everything before the proof
	proof     []byte
}

// append writes what comes before the signature.
func (m *accept) append(dst []byte) []byte {
	dst = append(dst, version, acceptKind)
	dst = binary.BigEndian.AppendUint64(dst, m.number)
	dst = append(dst, m.identity...)
	return append(dst, m.random[:]...)
}

func parseAccept(message []byte) (m accept, ok bool) {
	r := reader{rest: message}
	r.header(acceptKind)
	m.number = r.uint64()
	m.identity = r.take(identitySize)
	copy(m.random[:], r.take(randomSize))
	m.signed, m.signature = r.signature(message)
	m.proved = message[:len(message)-len(r.rest)]
	m.proof = r.take(proofSize)
	return m, r.done()
}

// reader takes a message apart. After the first failure it gives zeros and nil.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) header(kind byte) {
	if r.byte() != version || r.byte() != kind {
		r.failed = true
	}
}

func (r *reader) token() []byte {
	n := 0
	if b := r.take(2); b != nil {
		n = int(binary.BigEndian.Uint16(b))
	}
	if n < minTokenSize || n > MaxToken {
		r.failed = true
	}
	return r.take(n)
}

// signature takes the signature and what it is of: all of message before it.
func (r *reader) signature(message []byte) (signed, signature []byte) {
	signed = message[:len(message)-len(r.rest)]
	return signed, r.take(signatureSize)
}

// done reports whether the message was whole and is used up.
func (r *reader) done() bool { return !r.failed && len(r.rest) == 0 }
