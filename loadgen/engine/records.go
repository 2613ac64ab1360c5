package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
)

// records is the record layer of TLS 1.3 (RFC 8446, sections 5 and 7) on a connection whose handshake crypto/tls has made. It reads
// and writes without allocation, where crypto/tls makes an object for each record that it reads, and what is under it may refuse to
// wait. It belongs to one goroutine.
type records struct {
	net.Conn // what made the handshake; not used any more
	under    io.ReadWriter

	incoming, outgoing half

	in     []byte // received; in[start:] is not used yet
	start  int
	plain  []byte // of the last record, not handed out yet; part of in
	out    []byte
	failed error
}

// half is one direction.
type half struct {
	hash     func() hash.Hash
	key      int // bytes
	secret   []byte
	aead     cipher.AEAD
	iv       [12]byte
	nonce    [12]byte
	sequence uint64
}

// The content types and handshake messages that matter after a handshake.
const (
	typeCipherSpec = 20
	typeAlert      = 21
	typeHandshake  = 22
	typeData       = 23

	messageTicket    = 4
	messageKeyUpdate = 24

	recordHead  = 5
	maxFragment = 16384
	maxRecord   = maxFragment + 256
)

var errRecord = errors.New("malformed TLS record")

// secrets takes the traffic secrets of a connection as a tls.Config.KeyLogWriter.
type secrets struct{ client, server []byte }

// Write takes a line of the key log.
func (s *secrets) Write(line []byte) (int, error) {
	if f := bytes.Fields(line); len(f) == 3 {
		secret, err := hex.AppendDecode(nil, f[2])
		switch {
		case err != nil:
		case string(f[0]) == "CLIENT_TRAFFIC_SECRET_0":
			s.client = secret
		case string(f[0]) == "SERVER_TRAFFIC_SECRET_0":
			s.server = secret
		}
	}
	return len(line), nil
}

// newRecords takes over from crypto/tls after its handshake, given all that was received so far. Nil: it cannot, and crypto/tls can
// go on.
func newRecords(c *tls.Conn, s *secrets, received []byte) *records {
	state := c.ConnectionState()
	h := half{hash: sha256.New, key: 16}
	switch {
	case state.Version != tls.VersionTLS13:
		return nil
	case state.CipherSuite == tls.TLS_AES_256_GCM_SHA384:
		h = half{hash: sha512.New384, key: 32}
	case state.CipherSuite != tls.TLS_AES_128_GCM_SHA256:
		return nil
	}
	r := &records{Conn: c, incoming: h, outgoing: h}
	if r.incoming.use(s.server) != nil || r.outgoing.use(s.client) != nil || !r.skipHandshake(received) {
		return nil
	}
	return r
}

// skipHandshake finds what was received after the handshake. Its records look like those of the handshake, but only they can be
// opened.
func (r *records) skipHandshake(received []byte) bool {
	for {
		record := wholeRecord(received)
		if record == nil {
			break
		}
		if record[0] == typeData {
			content, kind, err := r.incoming.open(bytes.Clone(record))
			ticket := err == nil && kind == typeHandshake && len(content) > 0 && content[0] == messageTicket
			if !ticket && (err == nil || r.incoming.sequence > 0) {
				return false
			}
		}
		received = received[len(record):]
	}
	r.in = append(make([]byte, 0, 2<<10), received...)
	return len(received) < recordHead || recordLength(received) <= maxRecord
}

// Read is described at io.Reader. An error of what is under it is returned as it is, and after errAgain it may be tried again.
func (r *records) Read(b []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.failed != nil {
			return 0, r.failed
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// next takes one record, or reads.
func (r *records) next() error {
	if rest := r.in[r.start:]; len(rest) >= recordHead {
		if recordLength(rest) > maxRecord {
			r.failed = errRecord
			return nil
		}
		if record := wholeRecord(rest); record != nil {
			r.start += len(record)
			r.failed = r.take(record)
			return nil
		}
	}
	return r.receive()
}

// receive reads more, after making room for at least the rest of a record.
func (r *records) receive() error {
	if r.start > 0 {
		r.in = r.in[:copy(r.in, r.in[r.start:])]
		r.start = 0
	}
	want := 2 << 10
	if len(r.in) >= recordHead {
		want = recordHead + recordLength(r.in)
	}
	if cap(r.in) < want || len(r.in) == cap(r.in) {
		r.in = append(make([]byte, 0, max(want, 2*cap(r.in))), r.in...)
	}
	n, err := r.under.Read(r.in[len(r.in):cap(r.in)])
	r.in = r.in[:len(r.in)+n]
	if n > 0 {
		return nil
	}
	if err == io.EOF && len(r.in) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pending reports whether something was received that has not been looked at.
func (r *records) pending() bool { return len(r.plain) > 0 || r.start < len(r.in) }

// take acts on a record; the error is the connection's end.
func (r *records) take(record []byte) error {
	switch record[0] {
	case typeCipherSpec:
		return nil
	case typeData:
	default:
		return errRecord
	}
	content, kind, err := r.incoming.open(record)
	if err != nil {
		return err
	}
	switch kind {
	case typeData:
		r.plain = content
		return nil
	case typeHandshake:
		return r.messages(content)
	case typeAlert:
		if len(content) == 2 && content[1] == 0 { // close_notify
			return io.EOF
		}
	}
	return errRecord
}

// messages acts on handshake messages: tickets are of no use here, an update changes the key.
func (r *records) messages(content []byte) error {
	for len(content) > 0 {
		if len(content) < 4 {
			return errRecord
		}
		length := int(content[1])<<16 | int(content[2])<<8 | int(content[3])
		if length > len(content)-4 {
			return errRecord
		}
		body := content[4 : 4+length]
		switch {
		case content[0] == messageTicket:
		case content[0] == messageKeyUpdate && length == 1 && body[0] <= 1:
			if err := r.incoming.update(); err != nil {
				return err
			}
			if body[0] == 1 {
				if err := r.answerUpdate(); err != nil {
					return err
				}
			}
		default:
			return errRecord
		}
		content = content[4+length:]
	}
	return nil
}

// answerUpdate changes the key of the other direction too, saying so under the old one.
func (r *records) answerUpdate() error {
	if err := r.write([]byte{messageKeyUpdate, 0, 0, 1, 0}, typeHandshake); err != nil {
		return err
	}
	return r.outgoing.update()
}

// Write sends b.
func (r *records) Write(b []byte) (int, error) {
	for written := 0; ; {
		part := b[written:min(len(b), written+maxFragment)]
		if err := r.write(part, typeData); err != nil {
			return written, err
		}
		if written += len(part); written == len(b) {
			return written, nil
		}
	}
}

func (r *records) write(content []byte, kind byte) error {
	length := len(content) + 1 + r.outgoing.aead.Overhead()
	if cap(r.out) < recordHead+length {
		r.out = make([]byte, 0, recordHead+2*length)
	}
	r.out = append(r.out[:0], typeData, 3, 3, byte(length>>8), byte(length))
	r.out = append(append(r.out, content...), kind)
	body := r.out[recordHead:]
	r.outgoing.aead.Seal(body[:0], r.outgoing.next(), body, r.out[:recordHead]) // in place: there is room for the tag
	r.out = r.out[:recordHead+length]
	_, err := r.under.Write(r.out)
	return err
}

// use sets the secret that the keys come from (RFC 8446, section 7.3).
func (h *half) use(secret []byte) error {
	if len(secret) != h.hash().Size() {
		return errRecord
	}
	h.secret, h.sequence = secret, 0
	key, err := expandLabel(h.hash, secret, "key", h.key)
	if err != nil {
		return err
	}
	iv, err := expandLabel(h.hash, secret, "iv", len(h.iv))
	if err != nil {
		return err
	}
	copy(h.iv[:], iv)
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	h.aead, err = cipher.NewGCM(block)
	return err
}

// update goes on to the next secret (RFC 8446, section 7.2).
func (h *half) update() error {
	secret, err := expandLabel(h.hash, h.secret, "traffic upd", len(h.secret))
	if err != nil {
		return err
	}
	return h.use(secret)
}

func expandLabel(hash func() hash.Hash, secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := []byte{byte(length >> 8), byte(length), byte(len(label))}
	info = append(append(info, label...), 0)
	return hkdf.Expand(hash, secret, string(info), length)
}

// next is the nonce of the next record.
func (h *half) next() []byte {
	h.nonce = h.iv
	tail := h.nonce[4:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^h.sequence)
	h.sequence++
	return h.nonce[:]
}

// open decrypts a record in place. One that cannot be opened leaves the sequence as it was.
func (h *half) open(record []byte) (content []byte, kind byte, err error) {
	body := record[recordHead:]
	content, err = h.aead.Open(body[:0], h.next(), body, record[:recordHead])
	if err != nil {
		h.sequence--
		return nil, 0, err
	}
	for n := len(content); n > 0; n-- { // padding is zeros after the type
		if kind := content[n-1]; kind != 0 {
			return content[:n-1], kind, nil
		}
	}
	return nil, 0, errRecord
}

func recordLength(b []byte) int { return int(b[3])<<8 | int(b[4]) }

// wholeRecord is the record that b begins with, nil where it is not whole.
func wholeRecord(b []byte) []byte {
	if len(b) < recordHead || len(b) < recordHead+recordLength(b) {
		return nil
	}
	return b[:recordHead+recordLength(b)]
}
