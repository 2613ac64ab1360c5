//go:build linux

package attacktest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
	"trent/hsm/appliance"
)

// program builds trent as it is shipped, or with the tag reveal; once.
var program = map[bool]func() (string, error){
	false: sync.OnceValues(func() (string, error) { return build("") }),
	true:  sync.OnceValues(func() (string, error) { return build("reveal") }),
}

// built is where programs are built; main removes it.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "trent"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// programsVariable names a directory where both are built already, as trent and trent-reveal.
const programsVariable = "TRENT_ATTACK_PROGRAMS"

func build(tags string) (string, error) {
	name := "trent"
	if tags != "" {
		name += "-" + tags
	}
	if dir := os.Getenv(programsVariable); dir != "" {
		return filepath.Join(dir, name), nil
	}
	path := filepath.Join(built, name)
	c := exec.Command("go", "build", "-tags", tags, "-o", path, "trent/cmd/trent")
	c.Stderr = os.Stderr
	return path, c.Run()
}

// site is an appliance, a server in front of it, and what passes between them and the server's clients.
type site struct {
	*servertest.Endpoint
	dir            string
	program        string
	server         *exec.Cmd
	appliance      *exec.Cmd // nil: the server started it
	state          string    // the appliance's directory
	hostKey        string    // the server's key file
	metrics        string
	canary         secret              // planted in what was started here
	links, clients *wire               // links is nil where the server started the appliance
	logs           map[string]string   // files, by whose they are
	user           *syscall.Credential // whose the programs are; nil: the test's own
}

// canaryVariable holds, in hex, what must be found in a process that has it in its environment.
const canaryVariable = "TRENT_CANARY"

// where a site's keys are.
type where string

const (
	inAppliance where = "appliance" // with a recorder in front of it
	inChild     where = "spawn"     // the server starts the appliance, and nobody stands between them
	inServer    where = "embedded"  // there is no appliance
	inUnlocked  where = "unlocked"  // like inAppliance, by a user who may lock no memory: arenas are of the poorest kind
)

// newSite starts both, by the program as it is shipped or by that which reveals keys.
func newSite(t *testing.T, reveal bool, keys where) *site {
	t.Helper()
	path, err := program[reveal]()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{dir: dir, program: path, canary: secret{what: "the planted text", bytes: randomBytes(32)}, logs: map[string]string{}}
	if err := os.Mkdir(s.path("revealed"), 0o700); err != nil {
		t.Fatal(err)
	}
	serve := []string{"serve", "--key-pool", "none", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", s.path("kms"), "--ready-file", s.path("ready.json")}
	if keys == inUnlocked {
		s.lockNothing(t)
	}
	switch keys {
	case inAppliance, inUnlocked:
		serve = append(serve, s.form(t, serve)...)
	case inChild:
		s.state = s.path("kms", "hsm", "1")
		serve = append(serve, "--hsm", "spawn:1")
	case inServer:
	}
	s.server = s.start(t, "server", serve...)
	s.connect(t)
	return s
}

// lockNothing has the programs be those of a user without privileges.
func (s *site) lockNothing(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user takes root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	s.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	content, err := os.ReadFile(s.program)
	if err != nil {
		t.Fatal(err)
	}
	s.program = s.path("trent")
	if err := os.WriteFile(s.program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.dir, s.path("revealed")} {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

// form starts an appliance with a recorder in front of it, makes it a domain that lists the server, and returns what the
// server needs to be told.
func (s *site) form(t *testing.T, serve []string) (flags []string) {
	t.Helper()
	s.state, s.hostKey = s.path("a"), s.path("host.key")
	s.appliance = s.start(t, "appliance", "hsm", "serve", "--init", "--state", s.state, "--name", "hsm-a")
	s.await(t, "the appliance", func() bool {
		_, err := appliance.NewConsole(s.state).Identity(t.Context())
		return err == nil
	})
	s.links = record(t, "unix", s.path("proxy"), "unix", filepath.Join(s.state, "hosts.sock"))
	if err := os.Chmod(s.path("proxy"), 0o666); err != nil {
		t.Fatal(err)
	}
	flags = []string{"--hsm", "unix:" + s.path("proxy"), "--hsm-host-key", s.hostKey}
	if out, err := s.command(append(serve, flags...)...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("no domain token")) {
		t.Fatalf("the first start, which makes the host's key: %v\n%s", err, out)
	}
	s.run(t, "hsm", "quorum", "keygen", "--name", "alice", "--dir", s.dir, "--no-passphrase")
	s.run(t, "hsm", "domain", "create", "--name", "main", "--state", s.state, "--operator", s.path("alice.pub"), "--host", s.path("host.pub"),
		"--key", s.path("alice.key"), "--token-out", s.path("domain.token"))
	return append(flags, "--hsm-domain-token", s.path("domain.token"))
}

// appliancePID is the appliance's process, whoever started it.
func (s *site) appliancePID(t *testing.T) int {
	t.Helper()
	st, err := appliance.NewConsole(s.state).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.PID
}

func (s *site) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *site) command(args ...string) *exec.Cmd {
	c := exec.Command(s.program, args...)
	if s.user != nil {
		c = exec.Command("/bin/sh", append([]string{"-c", `ulimit -l 0 && exec "$0" "$@"`, s.program}, args...)...)
	}
	c.Env = []string{"HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.path("config"), "PATH=" + os.Getenv("PATH"), "GOTRACEBACK=crash", canaryVariable + "=" + hex.EncodeToString(s.canary.bytes)}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: s.user}
	c.Dir = s.dir
	return c
}

// run is a command that must succeed.
func (s *site) run(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("trent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// start starts a program that is killed with the test; what it says goes to a file.
func (s *site) start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	s.logs[name] = s.path(name + ".log")
	f, err := os.Create(s.logs[name])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := s.command(args...)
	c.Stdout, c.Stderr = f, f
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c
}

func (s *site) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			for name, path := range s.logs {
				log, _ := os.ReadFile(path)
				t.Logf("%s:\n%s", name, log)
			}
			t.Fatalf("%s did not come", what)
		}
	}
}

// connect waits for the server, and puts a recorder in front of it.
func (s *site) connect(t *testing.T) {
	t.Helper()
	var info struct{ Endpoint, CA, Metrics, Region, Account string }
	s.await(t, "the server", func() bool {
		b, err := os.ReadFile(s.path("ready.json"))
		return err == nil && json.Unmarshal(b, &info) == nil
	})
	root, err := os.ReadFile(info.CA)
	if err != nil {
		t.Fatal(err)
	}
	s.clients = record(t, "tcp", "127.0.0.1:0", "tcp", strings.TrimPrefix(info.Endpoint, "https://"))
	s.metrics = info.Metrics
	if s.hostKey == "" && s.state != "" {
		keys, err := filepath.Glob(s.path("config", "trent", "*.host.key"))
		if err != nil || len(keys) != 1 {
			t.Fatalf("the host's keys: %q, %v", keys, err)
		}
		s.hostKey = keys[0]
	}
	s.Endpoint = &servertest.Endpoint{
		URL: "https://" + s.clients.address, Region: info.Region, Account: info.Account,
		AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret, RootCAs: x509.NewCertPool(),
	}
	s.RootCAs.AppendCertsFromPEM(root)
	t.Cleanup(s.CloseIdle)
}

// wire is a recorder between two ends.
type wire struct {
	address string
	mu      sync.Mutex
	bytes   bytes.Buffer // each direction in pieces as they came
}

// record listens and passes on to an address what it keeps.
func record(t *testing.T, network, address, toNetwork, to string) *wire {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c, toNetwork, to)
		}
	}()
	return w
}

func (w *wire) pass(c net.Conn, network, to string) {
	defer c.Close()
	other, err := net.Dial(network, to)
	if err != nil {
		return
	}
	defer other.Close()
	go func() { w.copy(other, c); _ = other.Close() }()
	w.copy(c, other)
}

func (w *wire) copy(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			w.mu.Lock()
			w.bytes.Write(buf[:n])
			w.mu.Unlock()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// recorded is a copy of what passed so far.
func (w *wire) recorded() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.bytes.Bytes())
}
