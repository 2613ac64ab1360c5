package linktest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
)

// member is a module with the identity of a member.
type member struct {
	hsm.Module
	as *Member
}

func (m *member) Identity(context.Context) (hsm.MemberIdentity, error) {
	domain, number, ok := m.as.Domain()
	return hsm.MemberIdentity{HSM: hsm.DomainHSM{Name: "test", Signing: m.as.Identity()}, InService: ok, Domain: domain, Number: number}, nil
}

// Execute returns the command as the token of its successor.
func (m *member) Execute(_ context.Context, command []byte) ([]byte, error) {
	if len(command) == 0 {
		return nil, hsm.ErrCommand
	}
	return command, nil
}

// Install makes the member hold the newest state.
func (m *member) Install(_ context.Context, token []byte) error {
	if len(token) == 0 {
		return hsm.ErrDomain
	}
	m.as.Update()
	return nil
}

// Socket is a short address of a Unix socket that nobody listens on yet.
func Socket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "link")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix:" + filepath.Join(dir, "s")
}

// Start serves a module at an address until Close of the server, or the end of the test.
func Start(t testing.TB, address string, o link.ServerOptions) *link.Server {
	t.Helper()
	l, err := net.Listen("unix", address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	s, err := link.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, link.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Connect makes a client, connected, which ends with the test.
func Connect(t testing.TB, o link.Options) *link.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	c, err := link.Dial(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// LinkHost makes the link's end of a host, which ends with the test; make it before the clients.
func LinkHost(t testing.TB, h *Host) *link.Host {
	t.Helper()
	lh, err := link.NewHost(link.HostOptions{Peers: h, Hybrid: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lh.Close(); err != nil {
			t.Error(err)
		}
	})
	return lh
}

// Local opens a module of its own, which ends with the test; make it before the server.
func Local(t testing.TB) *hsm.Local {
	t.Helper()
	l, err := hsm.Open(hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
