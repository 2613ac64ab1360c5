package workload

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Material is what a run has of a key group's keys and an entry's artifacts.
type Material interface {
	// KeyID is the identifier to send for key i of a group.
	KeyID(group, i int) string
	// Artifact returns the artifact of a variant of an entry for a key: the base64 of the ciphertext, signature or MAC, and of the
	// payload it was made of. It is asked for variants below Artifacts only.
	Artifact(entry, key, variant int) (artifact, payload string)
	// Artifacts is how many variants of an entry were made for each key. A hit takes its variant modulo this.
	Artifacts(entry int) int
}

// Grantor is a Material that knows whom to give grants to: CreateGrant's GranteePrincipal is an ARN of the keys' account.
type Grantor interface {
	Grantee() string
}

// noGrantee stands where the material does not say.
const noGrantee = "arn:aws:iam::000000000000:root"

// Bodies appends requests from templates that are built once.
type Bodies struct {
	workload *Workload
	material Material
	pool     *pool
	entries  []template
}

// template is an entry's request as pieces to append.
type template struct {
	operation string
	variants  [][]piece // by variant; one list where the context does not depend on it
	artifacts int       // variants made of an artifact, 0 without artifacts
}

type piece struct {
	kind    pieceKind
	literal string
}

type pieceKind uint8

const (
	literalPiece     pieceKind = iota
	keyPiece                   // the key's ID
	destinationPiece           // ReEncrypt's destination key's ID
	payloadPiece               // base64 of fresh payload bytes
	numberPiece                // the size in decimal
	artifactPiece              // base64 of the artifact
	messagePiece               // base64 of what the artifact was made of
)

// Bodies builds the templates of a workload. A nil material is allowed as long as no request with a key is appended.
func (w *Workload) Bodies(m Material) *Bodies {
	b := &Bodies{workload: w, material: m, pool: newPool(), entries: make([]template, len(w.Mix))}
	grantee := noGrantee
	if g, ok := m.(Grantor); ok && g.Grantee() != "" {
		grantee = g.Grantee()
	}
	for i := range w.Mix {
		e := &w.Mix[i]
		t := template{operation: e.Operation}
		if e.Artifact() != NoArtifact && m != nil {
			t.artifacts = max(m.Artifacts(i), 1)
		}
		n := 1
		if e.variable() {
			n = e.Variants
		}
		for v := range n {
			t.variants = append(t.variants, e.pieces(v, grantee))
		}
		b.entries[i] = t
	}
	return b
}

// Operation is the operation of a hit.
func (b *Bodies) Operation(h *Hit) string { return b.entries[h.Entry].operation }

// Append appends the request body of a hit. It does not allocate where dst has room.
func (b *Bodies) Append(dst []byte, h *Hit) []byte {
	t := &b.entries[h.Entry]
	e := &b.workload.Mix[h.Entry]
	variant := h.Variant
	if t.artifacts > 0 {
		variant %= t.artifacts
	}
	pieces := t.variants[0]
	if len(t.variants) > 1 {
		pieces = t.variants[variant]
	}
	for i := range pieces {
		switch p := &pieces[i]; p.kind {
		case literalPiece:
			dst = append(dst, p.literal...)
		case keyPiece:
			dst = append(dst, b.material.KeyID(e.group, h.Key)...)
		case destinationPiece:
			key := (h.Key + 1) % b.workload.Keys[e.destination].Count
			dst = append(dst, b.material.KeyID(e.destination, key)...)
		case payloadPiece:
			dst = b.pool.appendBase64(dst, h.Size, h.Seed)
		case numberPiece:
			dst = strconv.AppendInt(dst, int64(h.Size), 10)
		case artifactPiece:
			artifact, _ := b.material.Artifact(h.Entry, h.Key, variant)
			dst = append(dst, artifact...)
		case messagePiece:
			_, message := b.material.Artifact(h.Entry, h.Key, variant)
			dst = append(dst, message...)
		}
	}
	return dst
}

// variable reports whether the request depends on the variant beyond its artifact.
func (e *Entry) variable() bool {
	for _, value := range e.Context {
		if strings.Contains(value, "{v}") {
			return true
		}
	}
	return false
}

// writer builds the pieces of one JSON object, joining literals.
type writer struct {
	pieces []piece
	text   []byte
	any    bool
}

func (w *writer) member(name string) {
	if w.any {
		w.text = append(w.text, ',')
	} else {
		w.text = append(w.text, '{')
	}
	w.any = true
	w.text = append(appendString(w.text, name), ':')
}

func (w *writer) flush() {
	if len(w.text) > 0 {
		w.pieces = append(w.pieces, piece{literalPiece, string(w.text)})
		w.text = nil
	}
}

// slot writes a string member whose value is known at the hit only.
func (w *writer) slot(name string, kind pieceKind) {
	w.member(name)
	w.text = append(w.text, '"')
	w.flush()
	w.pieces = append(w.pieces, piece{kind: kind})
	w.text = append(w.text, '"')
}

func (w *writer) str(name, value string) {
	w.member(name)
	w.text = appendString(w.text, value)
}

// optional writes a member where it has a value.
func (w *writer) optional(name, value string) {
	if value != "" {
		w.str(name, value)
	}
}

func (w *writer) object(name string, values map[string]string, variant int) {
	if len(values) == 0 {
		return
	}
	w.member(name)
	for i, key := range sortedKeys(values) {
		w.text = append(w.text, "{,"[min(i, 1)])
		w.text = append(appendString(w.text, key), ':')
		w.text = appendString(w.text, strings.ReplaceAll(values[key], "{v}", strconv.Itoa(variant)))
	}
	w.text = append(w.text, '}')
}

func (w *writer) done() []piece {
	if !w.any {
		w.text = append(w.text, '{')
	}
	w.text = append(w.text, '}')
	w.flush()
	return w.pieces
}

// pieces is the request of a variant, members in the order in which the SDKs' serializers write them where that matters to nobody.
func (e *Entry) pieces(variant int, grantee string) []piece {
	w := &writer{}
	op := operations[e.Operation]
	switch e.Operation {
	case "Decrypt":
		w.slot("CiphertextBlob", artifactPiece)
		if e.Algorithm != symmetric {
			w.str("EncryptionAlgorithm", e.Algorithm)
		}
		w.object("EncryptionContext", e.Context, variant)
		if e.SendKeyID || e.Algorithm != symmetric {
			w.slot("KeyId", keyPiece)
		}
	case "ReEncrypt":
		w.slot("CiphertextBlob", artifactPiece)
		w.object("DestinationEncryptionContext", e.Context, variant)
		w.slot("DestinationKeyId", destinationPiece)
		w.object("SourceEncryptionContext", e.Context, variant)
	case "CreateGrant":
		w.str("GranteePrincipal", grantee)
		w.slot("KeyId", keyPiece)
		w.member("Operations")
		w.text = append(w.text, grantOperations(e.usage)...)
	case "ListKeys":
	case "GenerateRandom":
		w.member("NumberOfBytes")
		w.flush()
		w.pieces = append(w.pieces, piece{kind: numberPiece})
	default:
		if op.algorithm == "EncryptionAlgorithm" && e.Algorithm != symmetric {
			w.str("EncryptionAlgorithm", e.Algorithm)
		}
		w.object("EncryptionContext", e.Context, variant)
		w.slot("KeyId", keyPiece)
		w.optional("KeyPairSpec", e.PairSpec)
		w.optional("KeySpec", e.DataKeySpec)
		e.payloadPieces(w, &op)
	}
	return w.done()
}

// grantOperations is what a grant on a key of the usage is for, as JSON.
func grantOperations(usage string) string {
	switch usage {
	case signVerify:
		return `["Sign"]`
	case generateMac:
		return `["GenerateMac"]`
	}
	return `["Decrypt"]`
}

func (e *Entry) payloadPieces(w *writer, op *operation) {
	switch {
	case op.payload == "NumberOfBytes" && e.DataKeySpec == "":
		w.member("NumberOfBytes")
		w.flush()
		w.pieces = append(w.pieces, piece{kind: numberPiece})
	case op.payload == "Message" || op.payload == "Plaintext":
		if op.algorithm == "MacAlgorithm" {
			w.str("MacAlgorithm", e.Algorithm)
		}
		kind := payloadPiece
		if op.artifact != NoArtifact {
			kind = messagePiece
		}
		w.slot(op.payload, kind)
		w.optional("MessageType", e.MessageType)
		if op.algorithm == "SigningAlgorithm" {
			w.str("SigningAlgorithm", e.Algorithm)
		}
	}
	switch op.artifact {
	case Signature:
		w.slot("Signature", artifactPiece)
	case MAC:
		w.slot("Mac", artifactPiece)
	}
}

// MakeArtifact is the request that makes the artifact of a variant with a key: the operation, its body, and the base64 of the
// payload in it.
func (b *Bodies) MakeArtifact(entry, key, variant int, keyID string) (operation string, body []byte, payload string) {
	e := &b.workload.Mix[entry]
	size := e.Payload.quantile((float64(variant) + 0.5) / float64(e.Variants))
	seed := mix(uint64(entry)<<48 ^ uint64(variant)<<32 ^ uint64(key))
	payload = string(b.pool.appendBase64(nil, size, seed))
	w := &writer{}
	switch e.Artifact() {
	case Ciphertext:
		operation = "Encrypt"
		w.optional("EncryptionAlgorithm", e.Algorithm)
		w.object("EncryptionContext", e.Context, variant)
		w.str("KeyId", keyID)
		w.str("Plaintext", payload)
	case Signature:
		operation = "Sign"
		w.str("KeyId", keyID)
		w.str("Message", payload)
		w.str("MessageType", e.MessageType)
		w.str("SigningAlgorithm", e.Algorithm)
	case MAC:
		operation = "GenerateMac"
		w.str("KeyId", keyID)
		w.str("MacAlgorithm", e.Algorithm)
		w.str("Message", payload)
	default:
		panic("workload: entry without artifacts")
	}
	return operation, []byte(w.done()[0].literal), payload
}

// pool is random bytes and their base64, so that a payload is a copy from a random place.
type pool struct {
	raw  []byte
	text []byte
}

// poolSize is a multiple of 3; it leaves more than 4,096 places for the largest payload.
const poolSize = 3 << 14

func newPool() *pool {
	p := &pool{raw: make([]byte, poolSize)}
	r := stream(0x7061796c6f6164)
	for i := range p.raw {
		p.raw[i] = byte(r.next())
	}
	p.text = base64.StdEncoding.AppendEncode(nil, p.raw)
	return p
}

// appendBase64 appends the base64 of size bytes (at most 4,096) that the seed chooses.
func (p *pool) appendBase64(dst []byte, size int, seed uint64) []byte {
	triples := (size + 2) / 3
	at := int(seed % uint64(poolSize/3-triples+1))
	whole := size / 3
	dst = append(dst, p.text[4*at:4*(at+whole)]...)
	if rest := size - 3*whole; rest > 0 {
		from := 3 * (at + whole)
		dst = base64.StdEncoding.AppendEncode(dst, p.raw[from:from+rest])
	}
	return dst
}

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
