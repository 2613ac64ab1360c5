package soak

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"trent/loadgen/engine"
)

// sample is something that the load was given and that can be checked: a ciphertext, a signature or a MAC. It holds no plaintext
// of its own, only the digest of what a decryption must give.
type sample struct {
	Slot      int             `json:"slot"`
	N         uint64          `json:"n"`
	Made      time.Time       `json:"made"`
	Operation string          `json:"op"`               // that made it
	Check     string          `json:"check"`            // operation that checks it
	Body      json.RawMessage `json:"body"`             // of the check
	Want      string          `json:"want,omitempty"`   // SHA-256 of the plaintext, hexadecimal
	Source    json.RawMessage `json:"source,omitempty"` // of a second Decrypt that must give the same
	Symmetric bool            `json:"symmetric,omitempty"`
}

// exchanged is what requests and answers have that checks need.
type exchanged struct {
	KeyId, DestinationKeyId                                                  string          `json:",omitempty"`
	Plaintext, CiphertextBlob, Message, Signature, Mac                       string          `json:",omitempty"`
	MessageType, SigningAlgorithm, MacAlgorithm, EncryptionAlgorithm         string          `json:",omitempty"`
	EncryptionContext, SourceEncryptionContext, DestinationEncryptionContext json.RawMessage `json:",omitempty"`
}

const symmetricDefault = "SYMMETRIC_DEFAULT"

// newSample makes a sample of a good answer; ok is false where there is nothing in it to be checked later.
func newSample(t *engine.Tapped) (s sample, ok bool) {
	var in, out exchanged
	if json.Unmarshal(t.Request, &in) != nil || json.Unmarshal(t.Response, &out) != nil {
		return s, false
	}
	s = sample{N: t.N, Operation: t.Operation}
	check := exchanged{}
	switch t.Operation {
	case "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext":
		s.Check = "Decrypt"
		check = exchanged{CiphertextBlob: out.CiphertextBlob, EncryptionContext: in.EncryptionContext}
		if in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != symmetricDefault {
			check.EncryptionAlgorithm, check.KeyId = in.EncryptionAlgorithm, in.KeyId
		} else {
			s.Symmetric = true
		}
		s.Want = digestOf(in.Plaintext + out.Plaintext) // one of them has it
	case "ReEncrypt":
		s.Check, s.Symmetric = "Decrypt", true
		check = exchanged{CiphertextBlob: out.CiphertextBlob, EncryptionContext: in.DestinationEncryptionContext}
		s.Source = encode(exchanged{CiphertextBlob: in.CiphertextBlob, EncryptionContext: in.SourceEncryptionContext})
	case "Sign":
		s.Check = "Verify"
		check = exchanged{KeyId: in.KeyId, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: in.SigningAlgorithm, Signature: out.Signature}
	case "GenerateMac":
		s.Check = "VerifyMac"
		check = exchanged{KeyId: in.KeyId, Message: in.Message, MacAlgorithm: in.MacAlgorithm, Mac: out.Mac}
	default:
		return s, false
	}
	s.Body = encode(check)
	return s, true
}

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("soak: encoding texts: " + err.Error())
	}
	return data
}

// digestOf hashes what a base64 text stands for; "" for none.
func digestOf(text string) string {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// holds reports whether the answer of the check says that the sample is good.
func (s *sample) holds(response []byte) (ok bool, why string) {
	var out struct {
		Plaintext                string
		SignatureValid, MacValid bool
	}
	if err := json.Unmarshal(response, &out); err != nil {
		return false, "the answer is no JSON"
	}
	switch {
	case s.Check == "Verify" && !out.SignatureValid, s.Check == "VerifyMac" && !out.MacValid:
		return false, "not valid any more"
	case s.Check == "Decrypt" && out.Plaintext == "":
		return false, "decrypts to nothing"
	case s.Check == "Decrypt" && s.Want != "" && !bytes.Equal([]byte(digestOf(out.Plaintext)), []byte(s.Want)):
		return false, "decrypts to something else"
	}
	return true, ""
}
