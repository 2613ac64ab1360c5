//go:build linux && !race

package hsm_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trent/hsm"
)

// job is what a child process of TestNoKeysOutsideTheArena works with: a domain, and keys of it.
type job struct {
	Dir       string
	KeyFile   string
	Kernel    string
	Slots     int
	Stay      bool // work on while the parent looks
	Symmetric *hsm.Key
	Blob      []byte // a ciphertext under it
	MACs      []*hsm.Key
	Import    imported
}

// imported is material, wrapped, and what it takes to import it.
type imported struct {
	Wrapping, Target *hsm.Key
	Token, Wrapped   []byte
}

func (j *job) config() hsm.Config {
	return hsm.Config{Dir: j.Dir, Seal: hsm.Seal{KeyFile: j.KeyFile}, Kernel: j.Kernel, Slots: j.Slots, Workers: 4}
}

// state is what it answers once it has worked.
type state struct {
	Kernel string
	Arena  span
}

const jobVariable = "TRENT_TEST_JOB"

var macSpecs = []hsm.KeySpec{hsm.HMAC224, hsm.HMAC256, hsm.HMAC384, hsm.HMAC512}

// TestNoKeysOutsideTheArena lets a process encrypt, decrypt, import and make MACs under load and searches its memory for
// the keys: with the own kernel nothing is found outside the arena, with the standard library's code the same search finds
// them. A canary that the process keeps on its heap is found always.
func TestNoKeysOutsideTheArena(t *testing.T) {
	if name := os.Getenv(jobVariable); name != "" {
		work(t, name)
		return
	}
	t.Parallel()
	if !ownKernel(t) || !hsm.OwnMAC() {
		t.Skip("this machine lacks the instructions of the code that keeps keys in the arena")
	}
	j := job{Dir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "seal.key")}
	l := openLocal(t, j.config())
	j.Symmetric = newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "s")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: j.Symmetric, In: []byte("plaintext"), Out: make([]byte, 0, 512)}
	if err := l.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	j.Blob = sealed.Out
	symmetric, macs := needles{}, needles{}
	symmetric.add("symmetric material", hsm.MaterialOfKey(l, j.Symmetric))
	symmetric.addSchedule("symmetric material", hsm.MaterialOfKey(l, j.Symmetric))
	symmetric.addWords("symmetric midstate", hsm.MidstateOf(l, j.Symmetric), 4)
	symmetric.addWords("domain key's midstate", hsm.DomainMidstate(l), 4)
	derived := hsm.DerivedOf(l, j.Symmetric, j.Blob)
	symmetric.add("key of the ciphertext", derived)
	symmetric.addSchedule("key of the ciphertext", derived)
	for _, spec := range macSpecs {
		k := newKey(t, l, spec, hsm.GenerateVerifyMAC, "m")
		j.MACs = append(j.MACs, k)
		name := "HMAC key " + strconv.Itoa(len(hsm.MaterialOfKey(l, k))*8)
		macs.add(name, hsm.MaterialOfKey(l, k))
		macs.addWords(name+"'s midstate", hsm.MACKeyOf(l, k), map[bool]int{true: 4, false: 8}[spec <= hsm.HMAC256])
	}
	material := make([]byte, 32)
	if _, err := rand.Read(material); err != nil {
		t.Fatal(err)
	}
	j.Import = wrapFor(t, l, material)
	symmetric.add("imported material", material)
	secret, err := os.ReadFile(j.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	symmetric.add("seal key file", secret)
	canary := needles{"canary": canary()}
	for name, c := range map[string]struct {
		kernel string
		slots  int
		stay   bool
		debug  string
		want   []needles // of which something must be found; of the others nothing may
	}{
		"own kernel":                      {},
		"own kernel, without slots":       {slots: -1},
		"own kernel, under load":          {slots: -1, stay: true, debug: "asyncpreemptoff=1"},
		"control: std kernel":             {kernel: "std", want: []needles{symmetric}},
		"control: standard library's MAC": {debug: "fips140=on", want: []needles{symmetric, macs}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := j
			j.Kernel, j.Slots, j.Stay = c.kernel, c.slots, c.stay
			child, answer, done := start(t, &j, c.debug)
			defer done()
			if c.kernel == "" && c.debug != "fips140=on" && answer.Kernel != "aesni" {
				t.Fatalf("runs kernel %s", answer.Kernel)
			}
			if found := scan(t, child, answer.Arena, canary); len(found) != 1 {
				t.Fatal("the search does not find the canary")
			}
			for _, set := range []needles{symmetric, macs} {
				found := scan(t, child, answer.Arena, set)
				wanted := false
				for _, w := range c.want {
					for name := range w {
						_, ok := set[name]
						wanted = wanted || ok
					}
				}
				switch {
				case wanted && len(found) == 0:
					t.Error("the search finds nothing where keys lie")
				case wanted:
					t.Logf("the search finds, as it should, %d forms, among them %s", len(found), names(found)[0])
				case !wanted && len(found) > 0:
					t.Errorf("outside the arena lie: %q", names(found))
				}
			}
		})
	}
}

func names(found map[string]bool) (list []string) {
	for n := range found {
		list = append(list, n)
	}
	sort.Strings(list)
	return list
}

// canary is not in the program's text: the search would find it there.
func canary() []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i*i*7 + 13)
	}
	return b
}

// start runs a child until it has worked; done ends it.
func start(t *testing.T, j *job, debug string) (pid int, answer state, done func()) {
	t.Helper()
	in, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "job")
	if err := os.WriteFile(file, in, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoKeysOutsideTheArena$")
	child.Env = append(os.Environ(), jobVariable+"="+file, "GODEBUG="+debug, "GOGC=off")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	done = func() {
		_ = stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		if err := child.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	}
	if err := json.NewDecoder(stdout).Decode(&answer); err != nil {
		done()
		t.Fatal(err)
	}
	return child.Process.Pid, answer, done
}

// work is the child.
func work(t *testing.T, file string) {
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var j job
	if err := json.Unmarshal(in, &j); err != nil {
		t.Fatal(err)
	}
	kept := canary()
	l := openLocal(t, j.config())
	var stop atomic.Bool
	var load, warm sync.WaitGroup
	for range 4 {
		warm.Add(1)
		load.Go(func() {
			c := newCaller()
			for n := 0; n < 1000 || j.Stay && !stop.Load(); n++ {
				if err := c.round(l, &j); err != nil {
					t.Error(err)
					break
				}
				if n%250 == 0 {
					if err := c.take(l, &j.Import); err != nil {
						t.Error(err)
					}
				}
				if n%100 == 0 {
					runtime.GC() // preempts the others, and moves stacks
				}
				if n == 999 {
					warm.Done()
				}
			}
		})
	}
	warm.Wait()
	if !j.Stay {
		load.Wait()
		interruptAll(t)
	}
	status, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from, size := hsm.ArenaSpan(l)
	out, err := json.Marshal(state{status.Kernel, span{from, from + size}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.Write(out); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop.Store(true)
	load.Wait()
	runtime.KeepAlive(kept)
}

// interruptAll overwrites what lies in the threads' signal stacks: registers at the moment of an interruption, which
// package hsm lists as an exception.
func interruptAll(t *testing.T) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, thread := range threads {
			if tid, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			}
		}
	}
	for range 100 {
		runtime.Gosched()
	}
}

// caller makes one of each call, in buffers of its own.
type caller struct{ out, secret []byte }

func newCaller() *caller { return &caller{make([]byte, 0, 512), make([]byte, 0, 64)} }

func (c *caller) round(l *hsm.Local, j *job) error {
	message := bytes.Repeat([]byte("m"), 300)
	calls := []hsm.Call{
		{Op: hsm.OpEncrypt, Key: j.Symmetric, In: []byte("plaintext")},
		{Op: hsm.OpDecrypt, Key: j.Symmetric, In: j.Blob},
		{Op: hsm.OpDataKey, Key: j.Symmetric, N: 32},
		{Op: hsm.OpReEncrypt, Key: j.Symmetric, Target: j.Symmetric, In: j.Blob},
	}
	for _, k := range j.MACs {
		calls = append(calls, hsm.Call{Op: hsm.OpMAC, Key: k, In: message}, hsm.Call{Op: hsm.OpRewrap, Key: k})
	}
	for i := range calls {
		calls[i].Out, calls[i].Secret = c.out, c.secret
		if err := l.Do(&calls[i]); err != nil {
			return err
		}
	}
	return nil
}

// take imports, and uses what was imported.
func (c *caller) take(l *hsm.Local, i *imported) error {
	made := hsm.Call{Op: hsm.OpImport, Key: i.Wrapping, Target: i.Target, In: i.Wrapped, In2: i.Token, Time: importEnds.Add(-time.Hour), Out: make([]byte, 0, 512)}
	if err := l.Do(&made); err != nil {
		return err
	}
	k := *i.Target
	k.Token, k.Material = made.Out, made.Material
	return l.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: &k, In: []byte("plaintext"), Out: c.out})
}

var importEnds = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// wrapFor makes a wrapping key and does with material what an importer does.
func wrapFor(t *testing.T, l *hsm.Local, material []byte) imported {
	t.Helper()
	target := &hsm.Key{Identity: identity("imported"), Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}
	made := hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: &hsm.Key{Identity: target.Identity}, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)}
	if err := l.Do(&made); err != nil {
		t.Fatal(err)
	}
	wrapping := &hsm.Key{Token: made.Out, Identity: target.Identity, Material: made.Material, Spec: hsm.RSA2048}
	token := hsm.Call{Op: hsm.OpImportToken, Key: target, Target: wrapping, Wrapping: hsm.WrapOAEPSHA256, Time: importEnds, Out: make([]byte, 0, hsm.ImportTokenSize)}
	if err := l.Do(&token); err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(made.Public)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), material, nil)
	if err != nil {
		t.Fatal(err)
	}
	return imported{wrapping, target, token.Out, wrapped}
}
