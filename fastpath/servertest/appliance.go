package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/host"
	"trent/hsm/link"
)

// HSMVariable is the environment variable that says where the HSM of servers is whose Options leave it open: "appliance"
// for one behind hsm/link over a Unix socket, empty for the module in this process.
const HSMVariable = "TRENT_TEST_HSM"

// module is an HSM and what it stands on.
type module struct {
	hsm.Module
	under []func() error // ended after it, in this order
}

// Close ends everything.
func (m *module) Close() error {
	errs := []error{m.Module.Close()}
	for _, f := range m.under {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// openModule opens the HSM of a server.
func (s *Server) openModule() (hsm.Module, error) {
	if s.options.Appliance || os.Getenv(HSMVariable) == "appliance" {
		return s.openAppliance()
	}
	return hsm.Open(hsm.Config{Dir: s.DataDir(), Seal: hsm.Seal{KeyFile: filepath.Join(s.Dir, "seal.key")}})
}

// openAppliance starts an appliance in this process and the link to it.
func (s *Server) openAppliance() (_ hsm.Module, err error) {
	m := &module{}
	defer func() {
		if err != nil {
			for _, f := range m.under {
				err = errors.Join(err, f())
			}
		}
	}()
	under := func(f func() error) { m.under = append([]func() error{f}, m.under...) }
	sockets, err := os.MkdirTemp("", "hsm") // a test's own directory has a long path
	if err != nil {
		return nil, err
	}
	under(func() error { return os.RemoveAll(sockets) })
	member, err := hsm.OpenMember(hsm.MemberConfig{
		Dir: filepath.Join(s.DataDir(), "hsm", "1"), Name: "hsm-1", Seal: hsm.Seal{KeyFile: filepath.Join(s.Dir, "seal.key")},
	})
	if err != nil {
		return nil, err
	}
	under(member.Close)
	address := "unix:" + filepath.Join(sockets, "hosts.sock")
	end, err := serve(member, sockets, address)
	if err != nil {
		return nil, err
	}
	under(end)
	h, err := s.gather(sockets)
	if err != nil {
		return nil, err
	}
	linked, err := link.NewHost(link.HostOptions{Peers: h, Hybrid: true})
	if err != nil {
		return nil, err
	}
	under(linked.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m.Module, err = link.Dial(ctx, link.Options{Address: address, Host: linked})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// serve runs an appliance; end stops it.
func serve(member *hsm.Local, state, address string) (end func() error, err error) {
	console, err := appliance.ListenConsole(state)
	if err != nil {
		return nil, err
	}
	hosts, err := appliance.Listen(address)
	if err != nil {
		return nil, errors.Join(err, console.Close())
	}
	a, err := appliance.New(appliance.Options{
		Member: member, Console: console, Hosts: hosts, State: state, Zeroize: member.Zeroize,
		Link: func(to hsm.Member) (appliance.Link, error) {
			return link.NewServer(link.ServerOptions{Module: to, Authority: member.SessionAuthority(), Hybrid: true})
		},
	})
	if err != nil {
		return nil, errors.Join(err, console.Close(), hosts.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() error { stop(); return <-ended }, nil
}

// gather brings the appliance into service by its console, with keys and tokens that a restart finds again.
func (s *Server) gather(state string) (*host.Host, error) {
	operator, err := host.MakeKey(filepath.Join(s.Dir, "operator.key"), true)
	if err != nil {
		return nil, err
	}
	key, err := host.MakeKey(filepath.Join(s.Dir, "host.key"), false)
	if err != nil {
		return nil, err
	}
	tokens, err := host.OpenFileTokens(filepath.Join(s.DataDir(), "hsm"))
	if err != nil {
		return nil, err
	}
	h, err := host.New(key.Signer, tokens)
	if err != nil {
		return nil, err
	}
	owner := &host.Owner{Host: h, Name: "main", Operator: operator, HostKey: key}
	if err := owner.Gather(context.Background(), []host.Module{appliance.NewConsole(state)}); err != nil {
		return nil, fmt.Errorf("bringing the appliance into service: %w", err)
	}
	return h, nil
}
