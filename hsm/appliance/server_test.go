package appliance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/link"
)

// fake is a member without keys: it says what it was asked.
type fake struct {
	hsm.Module
	mu        sync.Mutex
	identity  hsm.MemberIdentity
	commands  [][]byte
	installed [][]byte
	refuse    error
}

func (f *fake) Status(context.Context) (hsm.Status, error) {
	return hsm.Status{Kernel: "fake"}, hsm.ErrOutOfService
}

func (f *fake) Identity(context.Context) (hsm.MemberIdentity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.identity, nil
}

func (f *fake) Execute(_ context.Context, command []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, command)
	return []byte("successor"), f.refuse
}

func (f *fake) Install(_ context.Context, token []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.installed = append(f.installed, token)
	}
	return f.refuse
}

func newFake() *fake {
	return &fake{identity: hsm.MemberIdentity{
		HSM:       hsm.DomainHSM{Name: "hsm-1", Signing: []byte("signing"), Agreement: []byte("agreement"), KEM: []byte("kem")},
		InService: true, Domain: [16]byte{1}, Number: 7, Hash: [32]byte{2},
	}}
}

// run starts a server on a state directory of its own and gives its console; ended is what Run returned.
func run(t *testing.T, o appliance.Options) (state string, stop func(), ended <-chan error) {
	t.Helper()
	state, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	if o.Console, err = appliance.ListenConsole(state); err != nil {
		t.Fatal(err)
	}
	s, err := appliance.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return state, cancel, result
}

func TestConsole(t *testing.T) {
	t.Parallel()
	f := newFake()
	state, stop, ended := run(t, appliance.Options{Member: f, State: t.TempDir()})
	c, ctx := appliance.NewConsole(state), t.Context()

	id, err := c.Identity(ctx)
	if err != nil || !reflect.DeepEqual(id, f.identity) {
		t.Errorf("identity %+v, %v", id, err)
	}
	if token, err := c.Token(ctx); err != nil || token != nil {
		t.Errorf("a token before any: %q, %v", token, err)
	}
	token, err := c.Execute(ctx, []byte("command"))
	if err != nil || string(token) != "successor" || string(f.commands[0]) != "command" {
		t.Errorf("execute: %q, %v, asked %q", token, err, f.commands)
	}
	if err := c.Install(ctx, token); err != nil || string(f.installed[0]) != "successor" {
		t.Errorf("install: %v, asked %q", err, f.installed)
	}
	if token, err := c.Token(ctx); err != nil || string(token) != "successor" {
		t.Errorf("token %q, %v", token, err)
	}
	if log, err := c.Audit(ctx); err != nil || !strings.HasPrefix(string(log), "trentlog") {
		t.Errorf("audit %q, %v", log, err)
	}
	own := sha256.Sum256([]byte("signing"))
	if st, err := c.Status(ctx); err != nil || st.Fingerprint != hex.EncodeToString(own[:]) || st.Module.Kernel != "fake" {
		t.Errorf("status %+v, %v", st, err)
	}

	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := os.Stat(filepath.Join(state, appliance.ConsoleName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestConsoleErrors: what a member refuses comes out of the client as the same error.
func TestConsoleErrors(t *testing.T) {
	t.Parallel()
	f := newFake()
	state, _, _ := run(t, appliance.Options{Member: f})
	c, ctx := appliance.NewConsole(state), t.Context()
	for _, want := range []error{hsm.ErrQuorum, hsm.ErrStale, hsm.ErrCommand, hsm.ErrDomain, hsm.ErrOutOfService, hsm.ErrUnavailable} {
		f.refuse = errors.Join(want, errors.New("because"))
		if _, err := c.Execute(ctx, nil); !errors.Is(err, want) || !strings.Contains(err.Error(), "because") {
			t.Errorf("execute: %v, want %v", err, want)
		}
		if err := c.Install(ctx, nil); !errors.Is(err, want) {
			t.Errorf("install: %v, want %v", err, want)
		}
	}
	if err := c.Install(ctx, make([]byte, appliance.MaxTokenBytes+1)); err == nil {
		t.Error("a token beyond the limit is taken")
	}
	if token, err := c.Token(ctx); err != nil || token != nil {
		t.Errorf("a refused token is kept: %q, %v", token, err)
	}
	if _, err := c.Audit(ctx); err == nil {
		t.Error("an audit log where none is kept")
	}
	if err := c.Zeroize(ctx, strings.Repeat("0", 64)); err == nil {
		t.Error("zeroized by the fingerprint of another")
	}
}

// TestNoDebugging: there is nothing else at the console, in particular no profiler.
func TestNoDebugging(t *testing.T) {
	t.Parallel()
	state, _, _ := run(t, appliance.Options{Member: newFake()})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(state, appliance.ConsoleName))
	}}}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/metrics", "/"} {
		resp, err := client.Get("http://localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestZeroize(t *testing.T) {
	t.Parallel()
	erased := false
	f := newFake()
	state, _, ended := run(t, appliance.Options{Member: f, Zeroize: func() error { erased = true; return nil }})
	own := sha256.Sum256(f.identity.HSM.Signing)
	if err := appliance.NewConsole(state).Zeroize(t.Context(), hex.EncodeToString(own[:])); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, appliance.ErrZeroized) || !erased {
		t.Errorf("run: %v, erased %t", err, erased)
	}
}

// fakeLink is a Link that waits for its end and lets a test reach the member that hosts get.
type fakeLink struct {
	member hsm.Member
	mu     sync.Mutex
	did    []string
	end    chan struct{}
	once   sync.Once
}

func (l *fakeLink) note(s string) { l.mu.Lock(); l.did = append(l.did, s); l.mu.Unlock() }
func (l *fakeLink) Serve(net.Listener) error {
	<-l.end
	return link.ErrServerClosed
}
func (l *fakeLink) Shutdown(context.Context) error { l.note("shutdown"); return nil }
func (l *fakeLink) Recheck()                       { l.note("recheck") }
func (l *fakeLink) Close() error                   { l.note("close"); l.once.Do(func() { close(l.end) }); return nil }

// TestFirstJoin: what hosts reach takes no token before the console gave one; and the order of the end.
func TestFirstJoin(t *testing.T) {
	t.Parallel()
	f, l := newFake(), &fakeLink{end: make(chan struct{})}
	f.identity.Domain, f.identity.InService = [16]byte{}, false
	state, stop, ended := run(t, appliance.Options{Member: f, Link: func(m hsm.Member) (appliance.Link, error) { l.member = m; return l, nil }})
	if err := l.member.Install(t.Context(), []byte("token")); !errors.Is(err, hsm.ErrDomain) || len(f.installed) != 0 {
		t.Errorf("a first token from a host: %v, installed %q", err, f.installed)
	}
	c := appliance.NewConsole(state)
	if err := c.Install(t.Context(), []byte("first")); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.identity.Domain = [16]byte{1}
	f.mu.Unlock()
	if err := l.member.Install(t.Context(), []byte("second")); err != nil {
		t.Errorf("a token from a host: %v", err)
	}
	if token, err := c.Token(t.Context()); err != nil || !bytes.Equal(token, []byte("second")) {
		t.Errorf("held %q, %v", token, err)
	}
	stop()
	if err := <-ended; err != nil || !reflect.DeepEqual(l.did, []string{"recheck", "recheck", "shutdown", "close"}) {
		t.Errorf("run: %v, link did %v", err, l.did)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	path := filepath.Join(base, "made", "s")
	l, err := appliance.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600 | os.ModeSocket, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	if _, err := appliance.Listen("unix:" + path); err == nil {
		t.Error("a socket that is served is taken over")
	}
	open := filepath.Join(base, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := appliance.Listen("unix:" + filepath.Join(open, "s")); err == nil {
		t.Error("a directory that others can enter is used")
	}
	if _, err := appliance.Listen("unix:" + filepath.Join(base, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long path: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	// What a killed process leaves is replaced.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	again, err := appliance.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	tcp, err := appliance.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = tcp.Close()
}

// TestIdleConnections: a connection that says nothing does not hold up the end.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	state, stop, ended := run(t, appliance.Options{Member: newFake(), Drain: 50 * time.Millisecond})
	for range 20 {
		c, err := net.Dial("unix", filepath.Join(state, appliance.ConsoleName))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
