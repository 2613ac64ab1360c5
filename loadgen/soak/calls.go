package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
)

// Caller sends single calls; engine.Client is one.
type Caller interface {
	// Call may send a request again whose connection turned out closed.
	Call(ctx context.Context, operation string, body []byte) (status int, response []byte, err error)
	// CallOnce sends it once at the most.
	CallOnce(ctx context.Context, operation string, body []byte) (status int, response []byte, err error)
}

// counted counts what the soak itself calls beside the load, for the comparison with the server's counts.
type counted struct {
	Caller
	sent, good atomic.Uint64
}

// Call is described at Caller.
func (c *counted) Call(ctx context.Context, operation string, body []byte) (int, []byte, error) {
	c.sent.Add(1)
	status, response, err := c.Caller.Call(ctx, operation, body)
	return c.note(status, response, err)
}

// CallOnce is described at Caller.
func (c *counted) CallOnce(ctx context.Context, operation string, body []byte) (int, []byte, error) {
	c.sent.Add(1)
	status, response, err := c.Caller.CallOnce(ctx, operation, body)
	return c.note(status, response, err)
}

func (c *counted) note(status int, response []byte, err error) (int, []byte, error) {
	if err == nil && status == 200 {
		c.good.Add(1)
	}
	return status, response, err
}

// verdict sorts what became of a call.
type verdict uint8

const (
	done      verdict = iota // answered well
	refused                  // the API said no: it had no effect
	uncertain                // no answer, or the server's own trouble: it may have had its effect
)

// judge sorts an answer; name is the exception's, or what stands for it.
func judge(status int, response []byte, err error) (v verdict, name string) {
	switch {
	case err != nil:
		return uncertain, "no answer: " + err.Error()
	case status == 200:
		return done, ""
	}
	name = exception(response)
	if status >= 500 || status == 429 || strings.Contains(name, "Throttl") || strings.Contains(name, "TooManyRequests") || name == "" {
		return uncertain, name
	}
	return refused, name
}

// exception is the name in an error answer, without its namespace.
func exception(response []byte) string {
	var out struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(response, &out) != nil {
		return ""
	}
	return out.Type[strings.LastIndexByte(out.Type, '#')+1:]
}

// fields is a JSON object in a fixed order.
func fields(pairs ...any) []byte {
	var out bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		out.WriteByte("{,"[min(i, 1)])
		out.Write(encode(pairs[i]))
		out.WriteByte(':')
		out.Write(encode(pairs[i+1]))
	}
	if len(pairs) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes()
}
