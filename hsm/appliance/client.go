package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"

	"trent/hsm"
)

// Console is the other end of an appliance's console. Safe for concurrent use.
type Console struct{ http *http.Client }

// NewConsole makes a client for the appliance of a state directory. Nothing is dialled before the first call.
func NewConsole(state string) *Console {
	path := filepath.Join(state, ConsoleName)
	return &Console{http: &http.Client{
		Timeout: 2 * consoleTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
		},
	}}
}

// Identity is who the appliance is.
func (c *Console) Identity(ctx context.Context) (hsm.MemberIdentity, error) {
	var id Identity
	if err := c.get(ctx, "/identity", &id); err != nil {
		return hsm.MemberIdentity{}, err
	}
	m, ok := id.member()
	if !ok {
		return m, errors.New("reading the appliance's identity: malformed")
	}
	return m, nil
}

// Status is what it says of itself.
func (c *Console) Status(ctx context.Context) (s Status, err error) {
	return s, c.get(ctx, "/status", &s)
}

// Token is the domain token that it holds; nil for none.
func (c *Console) Token(ctx context.Context) ([]byte, error) {
	token, err := c.do(ctx, http.MethodGet, "/token", nil)
	if errors.Is(err, errNone) {
		return nil, nil
	}
	return token, err
}

// Audit is the domain's log of commands, as it keeps it.
func (c *Console) Audit(ctx context.Context) ([]byte, error) {
	return c.do(ctx, http.MethodGet, "/audit", nil)
}

// Execute has a signed command done and returns the successor's token. Errors: as hsm.Member.
func (c *Console) Execute(ctx context.Context, command []byte) ([]byte, error) {
	return c.do(ctx, http.MethodPost, "/execute", command)
}

// Install has it hold the state of a domain token. Errors: as hsm.Member.
func (c *Console) Install(ctx context.Context, token []byte) error {
	_, err := c.do(ctx, http.MethodPost, "/install", token)
	return err
}

// Zeroize erases the appliance of that fingerprint for good.
func (c *Console) Zeroize(ctx context.Context, fingerprint string) error {
	b, err := json.Marshal(map[string]string{"fingerprint": fingerprint})
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, "/zeroize", b)
	return err
}

func (c *Console) get(ctx context.Context, path string, v any) error {
	b, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("reading the appliance's answer: %w", err)
	}
	return nil
}

// maxAnswer bounds an answer in bytes: the audit log is the largest.
const maxAnswer = 64 << 20

func (c *Console) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the appliance: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the appliance's answer: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return b, nil
	}
	var r refusal
	if json.Unmarshal(b, &r) != nil || r.Error == "" {
		return nil, fmt.Errorf("the appliance answered %s", resp.Status)
	}
	for _, k := range kinds {
		if k.word == r.Kind {
			return nil, &refused{text: r.Error, kind: k.err}
		}
	}
	return nil, errors.New("the appliance answered: " + r.Error)
}

// refused is an appliance's refusal, in its words.
type refused struct {
	text string
	kind error
}

func (r *refused) Error() string { return "the appliance refused: " + r.text }
func (r *refused) Unwrap() error { return r.kind }
