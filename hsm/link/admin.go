package link

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"trent/hsm"
)

// appendIdentity appends what a member says of itself.
func appendIdentity(dst []byte, id *hsm.MemberIdentity) []byte {
	inService := byte(0)
	if id.InService {
		inService = 1
	}
	dst = append(dst, inService)
	dst = append(dst, id.Domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, id.Number)
	dst = append(dst, id.Hash[:]...)
	dst = appendBytes(dst, []byte(id.HSM.Name))
	dst = appendBytes(dst, id.HSM.Signing)
	dst = appendBytes(dst, id.HSM.Agreement)
	return appendBytes(dst, id.HSM.KEM)
}

// parseIdentity is appendIdentity's other way. Error: errMessage.
func parseIdentity(b []byte) (hsm.MemberIdentity, error) {
	var id hsm.MemberIdentity
	s := scanner{b: b}
	inService := s.byte()
	copy(id.Domain[:], s.take(len(id.Domain)))
	id.Number = s.uint64()
	copy(id.Hash[:], s.take(len(id.Hash)))
	id.HSM.Name = string(s.bytes())
	id.HSM.Signing, id.HSM.Agreement, id.HSM.KEM = bytes.Clone(s.bytes()), bytes.Clone(s.bytes()), bytes.Clone(s.bytes())
	if !s.done() || inService > 1 {
		return hsm.MemberIdentity{}, errMessage
	}
	id.InService = inService == 1
	return id, nil
}

// appendStatus appends a status, as JSON: it grows, and is no secret, hot or signed thing.
func appendStatus(dst []byte, s *hsm.Status) ([]byte, error) {
	b, err := json.Marshal(s)
	return append(dst, b...), err
}

// parseStatus is appendStatus's other way; it leaves out what it does not know. Error: errMessage.
func parseStatus(b []byte) (hsm.Status, error) {
	var s hsm.Status
	if err := json.Unmarshal(b, &s); err != nil {
		return hsm.Status{}, errMessage
	}
	return s, nil
}
