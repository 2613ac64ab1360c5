package fastpath

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"trent/fastpath/fault"
	"trent/fastpath/keyring"
	"trent/fastpath/model"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// ModeledError says whether an operation of the API may answer an exception: one of its model's, or one that all have. An
// empty operation stands for any; an empty exception asks whether there is such an operation.
func ModeledError(name, exception string) bool {
	for _, op := range model.Operations() {
		if name != "" && name != op.Name {
			continue
		}
		if exception == "" || slices.Contains(op.Errors, exception) {
			return true
		}
		for _, common := range model.Errors() {
			if !common.Modeled && common.Name == exception {
				return true
			}
		}
	}
	return false
}

// faultTexts are the service's own texts of what rules are mostly made for.
var faultTexts = map[wire.Code]string{
	wire.CodeDependencyTimeoutException: "The system timed out while trying to fulfill the request. You can retry the request.",
	wire.CodeKMSInternalException:       "An internal error occurred. You can retry the request.",
	wire.CodeKeyUnavailableException:    "The key is not available right now. You can retry the request.",
	wire.CodeThrottlingException:        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
	wire.CodeDryRunOperationException:   "The request would have succeeded, but the DryRun option is set.",
}

// fault is the error that a rule orders for an authorized request, nil mostly.
func (s *Server) fault(ctx context.Context, c *operation.Call) *wire.Error {
	if s.faults.None() {
		return nil
	}
	r, hit := s.faults.Hit(&fault.Request{
		Operation: c.Operation.String(), Caller: c.Caller.ARN,
		Names: func(key string) bool { return s.names(ctx, c, key) },
	})
	if !hit {
		return nil
	}
	code := codeNamed(r.Error)
	if r.Message == "" {
		r.Message = faultTexts[code]
	}
	if r.Message == "" {
		return wire.Bare(code)
	}
	return wire.Errorf(code, "%s", r.Message)
}

// names says whether a key's name, in the caller's account and the endpoint's Region, means one of the call's keys.
func (s *Server) names(ctx context.Context, c *operation.Call, name string) bool {
	found, err := s.keys.Resolve(ctx, c.Scope, []byte(name))
	if err != nil || found.Snapshot.Missing {
		return false
	}
	for _, key := range []*keyring.Snapshot{c.Key.Snapshot, c.Target.Snapshot} {
		if key != nil && key.ARN == found.Snapshot.ARN {
			return true
		}
	}
	return false
}

// errCommand is a command of the administration that cannot be done as it was given.
type errCommand struct{ err error }

func (e *errCommand) Error() string { return e.err.Error() }
func (e *errCommand) Unwrap() error { return e.err }

// BadRequest tells the administration's door whose mistake it was.
func (*errCommand) BadRequest() bool { return true }

func badCommand(format string, args ...any) error { return &errCommand{fmt.Errorf(format, args...)} }

// Command implements admin.Commander: what the running server is told by name, with arguments in JSON.
func (s *Server) Command(ctx context.Context, name string, body []byte) (any, error) {
	switch name {
	case "fault-add":
		var r fault.Rule
		if err := decodeStrictly(body, &r); err != nil {
			return nil, err
		}
		added, err := s.faults.Add(r)
		if err != nil {
			return nil, &errCommand{err}
		}
		return added, nil
	case "fault-list":
		return s.faults.List(), nil
	case "fault-clear":
		var q struct {
			IDs []int `json:"ids"`
		}
		if err := decodeStrictly(body, &q); err != nil {
			return nil, err
		}
		for _, id := range q.IDs {
			if !slices.ContainsFunc(s.faults.List(), func(r fault.Rule) bool { return r.ID == id }) {
				return nil, badCommand("no rule %d is in force", id)
			}
		}
		return map[string]int{"cleared": s.faults.Clear(q.IDs...)}, nil
	case "transition-hold", "transition-release", "transition-list":
		return s.transition(ctx, name, body)
	case "certificates-reload":
		return s.reloadCertificates()
	case "domain-rotate":
		return s.rotateDomain(ctx)
	case "policy-explain":
		return s.explainRequest(ctx, body)
	case "policy-simulate":
		return s.simulate(ctx, body)
	case "principal-list", "principal-show", "principal-apply", "principal-delete", "principal-key", "principal-export":
		return s.principal(ctx, name, body)
	}
	return nil, badCommand("there is no command %q", name)
}

// decodeStrictly reads the arguments of a command.
func decodeStrictly(body []byte, v any) error {
	if len(body) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badCommand("reading the command's arguments: %w", err)
	}
	if d.More() {
		return &errCommand{errors.New("there is more than one command")}
	}
	return nil
}
