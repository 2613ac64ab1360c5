package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// Client speaks to the administration socket of a data directory.
type Client struct{ http *http.Client }

// NewClient makes a client for the server of dir. Nothing is dialled before the first call.
func NewClient(dir string) *Client {
	path := filepath.Join(dir, SocketName)
	return &Client{http: &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
		},
	}}
}

// Status decodes the server's status into v.
func (c *Client) Status(ctx context.Context, v any) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/status")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("reading the server's status: %w", err)
	}
	return nil
}

// Stop asks the server to drain and end.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/v1/stop")
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	return answerOf(c.http, req)
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the server answered %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

// answerOf sends a request and reads the answer. Errors: *refusal, the connection's.
func answerOf(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, &refusal{resp.StatusCode, strings.TrimSpace(string(body))}
	}
	return body, nil
}
