package sts

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"trent/fastpath/authz"
)

// claims are the content of a session token. The names are part of tokens that clients hold: they may be added to.
type claims struct {
	Partition string `json:"p"`
	Account   string `json:"a"`
	// Of is the ARN of the role, the user or the account's root that the session was made of, UniqueID its id then.
	Of       string `json:"o"`
	UniqueID string `json:"u,omitempty"`
	// Federated sessions are of a federated user that Of vouches for.
	Federated bool   `json:"f,omitempty"`
	Name      string `json:"n,omitempty"` // of the session, or the federated user
	Secret    string `json:"s"`

	Issued  int64 `json:"i"`           // Unix seconds, as all times
	Expires int64 `json:"e"`           //
	MFA     int64 `json:"m,omitempty"` // 0: no second factor

	Policy         string      `json:"y,omitempty"` // the session policy that was passed
	PolicyARNs     []string    `json:"Y,omitempty"`
	Tags           []authz.Tag `json:"t,omitempty"`
	Transitive     []string    `json:"T,omitempty"` // names of the tags that sessions assumed from this one inherit
	SourceIdentity string      `json:"d,omitempty"`
	Provider       string      `json:"w,omitempty"` // ARN of the provider of a web identity
}

func (c *claims) issued() time.Time  { return time.Unix(c.Issued, 0) }
func (c *claims) expires() time.Time { return time.Unix(c.Expires, 0) }

// inherited are the tags that a session assumed from this one has too.
func (c *claims) inherited() []authz.Tag {
	var out []authz.Tag
	for _, t := range c.Tags {
		if hasName(c.Transitive, t.Key) {
			out = append(out, t)
		}
	}
	return out
}

// Forms of a token's content, its first byte. Small ones are not deflated: that costs more than it saves.
const (
	plainContent    = 1
	deflatedContent = 2
	deflateFrom     = 1 << 10 // bytes
	maxContent      = 64 << 10
)

// encode makes the content of a token.
func (c *claims) encode() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a session: %w", err)
	}
	if len(text) < deflateFrom {
		return append([]byte{plainContent}, text...), nil
	}
	b := bytes.NewBuffer([]byte{deflatedContent})
	b.Write(deflated(text))
	return b.Bytes(), nil
}

// decode reads the content of a token that was authentic; an error means that another release made it.
func (c *claims) decode(content []byte) error {
	if len(content) == 0 {
		return fmt.Errorf("decoding a session: nothing is in it")
	}
	text := content[1:]
	switch content[0] {
	case plainContent:
	case deflatedContent:
		var err error
		if text, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(text)), maxContent)); err != nil {
			return fmt.Errorf("decoding a session: %w", err)
		}
	default:
		return fmt.Errorf("decoding a session: unknown form %d", content[0])
	}
	if err := json.Unmarshal(text, c); err != nil {
		return fmt.Errorf("decoding a session: %w", err)
	}
	return nil
}

func deflated(text []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is valid
	_, _ = w.Write(text)                               // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
