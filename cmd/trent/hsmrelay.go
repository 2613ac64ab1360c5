package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"trent/fastpath"
	"trent/fastpath/admin"
	"trent/hsm"
	"trent/hsm/fleet"
	"trent/hsm/host"
	"trent/hsm/operator"
)

// hsmRelay is a server's way to its HSMs for operators: what they command is published by the server, so that it is never
// behind, and of two commands for one state one is refused.
type hsmRelay struct {
	host    *host.Host
	modules []host.Module
	fleet   *fleet.Fleet
	restart func(ctx context.Context, name string) error // nil: these are not the server's to restart
}

// administered is a server that takes operators' commands for its HSMs, too.
type administered struct {
	*fastpath.Server
	relay *hsmRelay
}

// relayedToken and relayedCommand are the relay's arguments and answers.
type (
	relayedToken struct {
		Token       []byte `json:"token"`
		Undelivered string `json:"undelivered,omitempty"` // why some HSM does not hold it yet
	}
	relayedCommand struct {
		Command []byte `json:"command"`
	}
)

// refusedCommand is the operator's mistake.
type refusedCommand struct{ err error }

func (r *refusedCommand) Error() string { return r.err.Error() }
func (r *refusedCommand) Unwrap() error { return r.err }

// BadRequest tells the administration's door whose mistake it was.
func (*refusedCommand) BadRequest() bool { return true }

// Command implements admin.Commander.
func (a *administered) Command(ctx context.Context, name string, body []byte) (any, error) {
	switch name {
	case "hsm-token":
		token, _ := a.relay.host.Newest()
		return relayedToken{Token: token}, nil
	case "hsm-catch-up":
		var t relayedToken
		if err := json.Unmarshal(body, &t); err != nil {
			return nil, &refusedCommand{fmt.Errorf("reading the domain token: %w", err)}
		}
		undelivered, err := a.relay.host.CatchUp(ctx, t.Token, a.relay.modules)
		if errors.Is(err, hsm.ErrDomain) || errors.Is(err, host.ErrNotHeld) || errors.Is(err, host.ErrConflict) || errors.Is(err, host.ErrNotListed) {
			return nil, &refusedCommand{err}
		}
		if err != nil {
			return nil, err
		}
		return relayedToken{Undelivered: words(undelivered)}, nil
	case "hsm-execute":
		var c relayedCommand
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, &refusedCommand{fmt.Errorf("reading the command: %w", err)}
		}
		token, undelivered, err := a.relay.host.Relay(ctx, c.Command, a.relay.modules)
		if errors.Is(err, hsm.ErrCommand) || errors.Is(err, hsm.ErrQuorum) || errors.Is(err, hsm.ErrStale) || errors.Is(err, host.ErrConflict) {
			return nil, &refusedCommand{err}
		}
		if err != nil {
			return nil, err
		}
		return relayedToken{token, words(undelivered)}, nil
	}
	if answer, known, err := a.relay.command(ctx, name, body); known {
		return answer, err
	}
	return a.Server.Command(ctx, name, body)
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// subject is what the administration speaks to.
func (b *hsmBackend) subject(s *fastpath.Server) admin.Subject {
	if b.relay == nil {
		return s
	}
	return &administered{s, b.relay}
}

// serverFlag names a server whose HSMs are commanded.
type serverFlag struct{ server string }

func (f *serverFlag) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.server, "server", "", "data directory of a server that runs here on appliances: its newest domain token is taken, and it passes commands on")
}

// token asks the server for its newest domain token.
func (f *serverFlag) token(ctx context.Context) ([]byte, *hsm.DomainState, error) {
	var answer relayedToken
	if err := f.ask(ctx, "hsm-token", struct{}{}, &answer); err != nil {
		return nil, nil, err
	}
	s, _, err := hsm.ParseDomainToken(answer.Token)
	if err != nil {
		return nil, nil, failure(fmt.Errorf("reading the server's domain token: %w", err), "")
	}
	return answer.Token, s, nil
}

// execute has the server's HSMs do a command.
func (f *serverFlag) execute(ctx context.Context, command []byte) (*relayedToken, error) {
	var answer relayedToken
	return &answer, f.ask(ctx, "hsm-execute", relayedCommand{command}, &answer)
}

// catchUp brings the server a state that its HSMs were brought without it.
func (f *serverFlag) catchUp(ctx context.Context, e *environment, token []byte) error {
	var answer relayedToken
	if err := f.ask(ctx, "hsm-catch-up", relayedToken{Token: token}, &answer); err != nil {
		return err
	}
	if answer.Undelivered != "" {
		fmt.Fprintf(e.Stderr, "trent: the server goes on bringing it to HSMs that do not hold it yet: %s\n", answer.Undelivered)
	}
	_, err := fmt.Fprintf(e.Stdout, "the server on %s has it\n", f.server)
	return err
}

func (f *serverFlag) ask(ctx context.Context, name string, arguments, answer any) error {
	err := admin.NewClient(f.server).Command(ctx, name, arguments, answer)
	var refused *admin.CommandError
	switch {
	case errors.As(err, &refused):
		return failure(fmt.Errorf("the server's HSMs refused: %w", err), "'trent hsm domain show --server "+f.server+"' shows the newest state")
	case err != nil:
		return failure(fmt.Errorf("asking the server on %s: %w", f.server, err), "start it by 'trent serve --hsm …', or give another --server")
	}
	return nil
}

// relayed prints what a server's HSMs did.
func (s *submission) relayed(ctx context.Context, command []byte, kind operator.CommandKind) error {
	if kind == operator.RecoverDomain || kind == operator.LeaveDomain {
		return usageError(fmt.Errorf("%s is for one appliance, at its console", kind), "give --state DIR of it, without --server")
	}
	answer, err := s.server.execute(ctx, command)
	if err != nil {
		return err
	}
	state, _, err := hsm.ParseDomainToken(answer.Token)
	if err != nil {
		return failure(fmt.Errorf("reading the new domain token: %w", err), "")
	}
	if s.tokenOut != "" {
		if err := writeNew(s.tokenOut, answer.Token, 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.e.Stdout, "the server holds state %d of domain %s\n", state.Number, state.Name)
	if answer.Undelivered != "" {
		fmt.Fprintf(s.e.Stderr, "trent: the server goes on bringing it to HSMs that do not hold it yet: %s\n", answer.Undelivered)
	}
	if len(s.states) > 0 {
		return s.install(ctx, answer.Token)
	}
	return nil
}
