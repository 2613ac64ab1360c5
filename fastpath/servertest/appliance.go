package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trent/fastpath/custody"
	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/supervise"
	"trent/hsm/host"
	"trent/hsm/link"
)

// HSMVariable is the environment variable that says where the HSM of servers is whose Options leave it open: empty for the
// module in this process, "appliance" for one in this process but behind hsm/link over a Unix socket, and the path of a
// trent binary for an appliance in a process of its own, confined as that does it.
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
	where := os.Getenv(HSMVariable)
	switch {
	case s.options.Appliance && where == "" || where == "appliance":
		return s.openLinked(s.startAppliance)
	case where != "":
		return s.openLinked(func(sockets string) (console, address string, end func() error, err error) {
			return s.startProcess(where, sockets)
		})
	}
	m, err := hsm.Open(hsm.Config{Dir: s.DataDir(), Seal: hsm.Seal{KeyFile: filepath.Join(s.Dir, "seal.key")}})
	if err != nil {
		return nil, err
	}
	s.domain = custody.Embedded(m)
	return m, nil
}

// openLinked starts an appliance and the link to it. start is given a directory with a short path, and says where the
// console and the socket for hosts are.
func (s *Server) openLinked(start func(sockets string) (console, address string, end func() error, err error)) (_ hsm.Module, err error) {
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
	console, address, end, err := start(sockets)
	if err != nil {
		return nil, err
	}
	under(end)
	h, err := s.gather(console)
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
	client, err := link.Dial(ctx, link.Options{Address: address, Host: linked})
	if err != nil {
		return nil, err
	}
	m.Module = client
	s.domain = &host.Rotation{Host: h, Modules: []host.Module{client}}
	return m, nil
}

// startAppliance starts one in this process.
func (s *Server) startAppliance(sockets string) (console, address string, end func() error, err error) {
	member, err := hsm.OpenMember(hsm.MemberConfig{
		Dir: filepath.Join(s.DataDir(), "hsm", "1"), Name: "hsm-1", Seal: hsm.Seal{KeyFile: filepath.Join(s.Dir, "seal.key")},
	})
	if err != nil {
		return "", "", nil, err
	}
	address = "unix:" + filepath.Join(sockets, "hosts.sock")
	stop, err := serve(member, sockets, address)
	if err != nil {
		return "", "", nil, errors.Join(err, member.Close())
	}
	return sockets, address, func() error { return errors.Join(stop(), member.Close()) }, nil
}

// startProcess starts one as a child, whose state directory is reached by a short path.
func (s *Server) startProcess(program, sockets string) (console, address string, end func() error, err error) {
	kept, dir := filepath.Join(s.DataDir(), "hsm"), filepath.Join(sockets, "h")
	if err := errors.Join(os.MkdirAll(kept, 0o700), os.Symlink(kept, dir)); err != nil {
		return "", "", nil, err
	}
	children, err := supervise.Start(context.Background(), supervise.Options{
		Program: program, Dir: dir, N: 1, Env: os.Environ(), Stderr: os.Stderr,
		Args: func(_ int, state, listen string) []string {
			return []string{"hsm", "serve", "--state", state, "--listen", listen, "--seal-key", filepath.Join(s.Dir, "seal.key"), "--init", "--quiet", "--lifeline"}
		},
	})
	if err != nil {
		return "", "", nil, err
	}
	child := children.Children()[0]
	return child.State, child.Listen, func() error { children.Close(); return nil }, nil
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
	owner := &host.Owner{Host: h, Name: "main", Operator: operator, HostKey: key, Record: filepath.Join(s.DataDir(), "hsm", "modules")}
	if err := owner.Gather(context.Background(), []host.Module{appliance.NewConsole(state)}); err != nil {
		return nil, fmt.Errorf("bringing the appliance into service: %w", err)
	}
	return h, nil
}
