//go:build unix

package link_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// childEnv makes this program the server of a module, for tests and benchmarks with two processes.
const childEnv = "TRENT_LINK_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		code := m.Run()
		if left := leftGoroutines(); code == 0 && left != "" {
			fmt.Fprintln(os.Stderr, "goroutines of the link outlive their tests:\n"+left)
			code = 1
		}
		os.Exit(code)
	}
	if err := serveAsChild(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// leftGoroutines gives the stacks of goroutines that run code of this package's, once they have had time to end.
func leftGoroutines() string {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := make([]byte, 1<<20)
		var left []string
		for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
			if strings.Contains(stack, "trent/hsm/link.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

// childOrder is the first line that a child reads.
type childOrder struct{ Dir, Member string }

// serveAsChild serves until its standard input ends; every further line there is answered by the CPU time so far.
func serveAsChild() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var order childOrder
	if err := json.Unmarshal(line, &order); err != nil {
		return err
	}
	exported, err := base64.StdEncoding.DecodeString(order.Member)
	if err != nil {
		return err
	}
	member, err := linktest.Import(exported)
	if err != nil {
		return err
	}
	local, err := hsm.Open(hsm.Config{Dir: filepath.Join(order.Dir, "state"), Seal: hsm.Seal{KeyFile: filepath.Join(order.Dir, "seal.key")}})
	if err != nil {
		return err
	}
	defer local.Close()
	s, err := link.NewServer(link.ServerOptions{Module: linktest.AsMember(local, member), Authority: member, Hybrid: true})
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", filepath.Join(order.Dir, "s"))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	fmt.Println("ready")
	for {
		if _, err := in.ReadString('\n'); err != nil {
			return errors.Join(s.Close(), ignoreClosed(<-ended))
		}
		fmt.Println(int64(cpuTime()))
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, link.ErrServerClosed) || err == io.EOF {
		return nil
	}
	return err
}

// child is a module in a process of its own, and the client that reaches it.
type child struct {
	*link.Client
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startChild(t testing.TB, o link.Options) *child {
	t.Helper()
	d := linktest.NewDomain(t)
	host := d.NewHost(t)
	o.Address, o.Host = linktest.Socket(t), linktest.LinkHost(t, host)
	dir := filepath.Dir(strings.TrimPrefix(o.Address, "unix:"))
	order, err := json.Marshal(childOrder{dir, base64.StdEncoding.EncodeToString(d.NewMember(t, true).Export(t))})
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{process: exec.Command(exe)}
	c.process.Env = append(os.Environ(), childEnv+"=1")
	c.process.Stderr = os.Stderr
	if c.in, err = c.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.in.Close()
		c.process.Wait() // a test may have killed it
	})
	if got := c.ask(t, string(order)); got != "ready" {
		t.Fatalf("the child says %q", got)
	}
	c.Client = linktest.Connect(t, o)
	return c
}

func (c *child) ask(t testing.TB, line string) string {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		t.Fatal(err)
	}
	answer, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// cpu is the CPU time of the child so far.
func (c *child) cpu(t testing.TB) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(c.ask(t, "cpu"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n)
}
