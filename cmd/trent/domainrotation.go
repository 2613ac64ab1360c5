package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/fastpath"
	"trent/fastpath/custody"
	"trent/hsm/host"
)

// rotationPeriod is how often domain keys rotate; 0: as the domain has it, or daily; below 0: by command alone.
type rotationPeriod time.Duration

// maxRotation is the longest period.
const maxRotation = 7 * 24 * time.Hour

// String is the period as --domain-rotation takes it.
func (p *rotationPeriod) String() string {
	switch {
	case *p < 0:
		return "off"
	case *p == 0:
		return ""
	}
	return time.Duration(*p).String()
}

// Type implements pflag.Value.
func (*rotationPeriod) Type() string { return "duration|off" }

// Set implements pflag.Value.
func (p *rotationPeriod) Set(text string) error {
	if text == "off" {
		*p = -1
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < minRotation || d > maxRotation {
		return fmt.Errorf("%q is neither off nor a time from %v to %v", text, minRotation, maxRotation)
	}
	*p = rotationPeriod(d)
	return nil
}

// UnmarshalYAML implements the config file's key.
func (p *rotationPeriod) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return errors.New("domain_rotation is a text such as 24h or off")
	}
	return p.Set(text)
}

// custody is what the server's cycle of domain keys is told.
func (b *hsmBackend) custody(s *settings) custody.Options {
	o := custody.Options{Domain: b.domain, Period: time.Duration(s.DomainRotation)}
	if b.relay != nil {
		o.Domain = &host.Rotation{Host: b.relay.host, Modules: b.relay.modules}
	}
	return o
}

// rotateByServer has a server rotate its domain keys by a command of its own.
func (f *serverFlag) rotateByServer(ctx context.Context, e *environment) error {
	var r fastpath.DomainRotation
	if err := f.ask(ctx, "domain-rotate", struct{}{}, &r); err != nil {
		return err
	}
	if r.Pending != "" {
		fmt.Fprintf(e.Stderr, "trent: the server goes on: %s\n", r.Pending)
		_, err := fmt.Fprintf(e.Stdout, "domain key %d is pending\n", r.Version)
		return err
	}
	_, err := fmt.Fprintf(e.Stdout, "domain key %d seals; tokens are re-encrypted in the background ('trent status' shows how far)\n", r.Version)
	return err
}
