package engine

import (
	"context"
	"errors"

	"trent/loadgen/workload"
)

var errNotYet = errors.New("engine: under construction")

type vegetaEngine struct{}
type nativeEngine struct{}

func (vegetaEngine) Name() string                               { return "vegeta" }
func (nativeEngine) Name() string                               { return "native" }
func (vegetaEngine) Run(context.Context, *Plan) (Report, error) { return Report{}, errNotYet }
func (nativeEngine) Run(context.Context, *Plan) (Report, error) { return Report{}, errNotYet }

// Provisioned is the keys and artifacts a workload runs on.
type Provisioned struct{ workload *workload.Workload }

// Provision creates the keys that w needs, and the ciphertexts, signatures and MACs that its entries send.
func Provision(ctx context.Context, t Target, w *workload.Workload, o ProvisionOptions) (*Provisioned, error) {
	return nil, errNotYet
}

// Release schedules the deletion of the keys in 7 days, unless they are to be kept.
func (p *Provisioned) Release(ctx context.Context) error { return nil }

// Client sends single signed calls.
type Client struct{}

// NewClient checks the target's rules and makes a client.
func NewClient(t Target) (*Client, error) { return nil, errNotYet }

// Call sends one operation ("CreateKey") with a JSON body and returns the HTTP status and the body of the answer.
func (c *Client) Call(ctx context.Context, operation string, body []byte) (status int, response []byte, err error) {
	return 0, nil, errNotYet
}

// Close closes the client's connections.
func (c *Client) Close() {}
