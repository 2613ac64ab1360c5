package attestation

import (
	"bytes"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Limits in bytes, and of counts.
const (
	maxPayload     = 16 << 10
	maxCertificate = 1024
	maxPublicKey   = 1024
	maxUserData    = 512 // and of a nonce
	maxPCRs        = 32
	maxBundle      = 16 // certificates; real bundles have four
)

// tagSign1 is the CBOR tag that a COSE_Sign1 may have (RFC 9052 §2).
const tagSign1 = 0xd2

// sign1 is COSE_Sign1 (RFC 9052 §4.2).
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   cbor.ByteString
	Unprotected cbor.RawMessage
	Payload     cbor.ByteString
	Signature   cbor.ByteString
}

// payload is the map that is signed. Pointers tell absence.
type payload struct {
	ModuleID    string                   `cbor:"module_id"`
	Digest      string                   `cbor:"digest"`
	Timestamp   uint64                   `cbor:"timestamp"`
	PCRs        *map[int]cbor.ByteString `cbor:"pcrs"`
	TPMPCRs     *map[int]cbor.ByteString `cbor:"nitrotpm_pcrs"`
	Certificate cbor.ByteString          `cbor:"certificate"`
	CABundle    []cbor.ByteString        `cbor:"cabundle"`
	PublicKey   *cbor.ByteString         `cbor:"public_key"`
	UserData    *cbor.ByteString         `cbor:"user_data"`
	Nonce       *cbor.ByteString         `cbor:"nonce"`
}

// decode reads one CBOR item and nothing behind it: no member twice, no unknown member, no tags.
func decode(b []byte, into any) error {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   4,
		MaxArrayElements:  64,
		MaxMapPairs:       64,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		return err
	}
	return mode.Unmarshal(b, into)
}

// parseSign1 reads the outer structure. The error is ErrMalformed.
func parseSign1(document []byte) (*sign1, error) {
	if len(document) > 0 && document[0] == tagSign1 {
		document = document[1:]
	}
	var s sign1
	if err := decode(document, &s); err != nil {
		return nil, malformed("COSE_Sign1: %v", err)
	}
	var header map[int]int
	if err := decode([]byte(s.Protected), &header); err != nil {
		return nil, malformed("protected header: %v", err)
	}
	if alg, ok := header[headerAlgorithm]; !ok || len(header) != 1 || alg != algorithmES384 {
		return nil, malformed("the protected header is not ES384 alone")
	}
	if !bytes.Equal(s.Unprotected, []byte{0xa0}) {
		return nil, malformed("the unprotected header is not an empty map")
	}
	if n := len(s.Payload); n < 1 || n > maxPayload {
		return nil, malformed("a payload of %d bytes", n)
	}
	if n := len(s.Signature); n != signatureSize {
		return nil, malformed("a signature of %d bytes", n)
	}
	return &s, nil
}

// parsePayload reads the signed map. The error is ErrMalformed.
func parsePayload(b cbor.ByteString) (*payload, error) {
	var p payload
	if err := decode([]byte(b), &p); err != nil {
		return nil, malformed("payload: %v", err)
	}
	switch {
	case p.ModuleID == "":
		return nil, malformed("no module_id")
	case p.Digest != "SHA384":
		return nil, malformed("digest is not SHA384")
	case p.Timestamp == 0 || p.Timestamp > 1<<62:
		return nil, malformed("timestamp %d", p.Timestamp)
	case (p.PCRs == nil) == (p.TPMPCRs == nil):
		return nil, malformed("not either pcrs or nitrotpm_pcrs")
	case len(p.CABundle) < 1 || len(p.CABundle) > maxBundle:
		return nil, malformed("a cabundle of %d certificates", len(p.CABundle))
	}
	if err := checkPCRs(p.pcrs()); err != nil {
		return nil, err
	}
	for _, c := range append([]cbor.ByteString{p.Certificate}, p.CABundle...) {
		if n := len(c); n < 1 || n > maxCertificate {
			return nil, malformed("a certificate of %d bytes", n)
		}
	}
	for _, optional := range []struct {
		name     string
		value    *cbor.ByteString
		min, max int
	}{{"public_key", p.PublicKey, 1, maxPublicKey}, {"user_data", p.UserData, 0, maxUserData}, {"nonce", p.Nonce, 0, maxUserData}} {
		if v := optional.value; v != nil && (len(*v) < optional.min || len(*v) > optional.max) {
			return nil, malformed("%s of %d bytes", optional.name, len(*v))
		}
	}
	return &p, nil
}

func checkPCRs(pcrs map[int]cbor.ByteString) error {
	if n := len(pcrs); n < 1 || n > maxPCRs {
		return malformed("%d PCRs", n)
	}
	for index, value := range pcrs {
		if index < 0 || index >= maxPCRs {
			return malformed("a PCR of index %d", index)
		}
		if n := len(value); n != 32 && n != 48 && n != 64 {
			return malformed("PCR%d of %d bytes", index, n)
		}
	}
	return nil
}

func (p *payload) pcrs() map[int]cbor.ByteString {
	if p.PCRs != nil {
		return *p.PCRs
	}
	return *p.TPMPCRs
}

// document is p for others. Its byte slices are nil where the member is absent.
func (p *payload) document() *Document {
	d := &Document{
		ModuleID: p.ModuleID, Timestamp: time.UnixMilli(int64(p.Timestamp)).UTC(), NitroTPM: p.TPMPCRs != nil, PCRs: map[int][]byte{},
		PublicKey: bytesOf(p.PublicKey), UserData: bytesOf(p.UserData), Nonce: bytesOf(p.Nonce),
	}
	for index, value := range p.pcrs() {
		d.PCRs[index] = []byte(value)
	}
	return d
}

func bytesOf(s *cbor.ByteString) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
