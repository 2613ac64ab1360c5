//go:build linux

package attacktest_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/asn1"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"trent/hsm"
	"trent/hsm/operator"
)

// longVariable is set for what needs root, gdb or a minute.
const longVariable = "TRENT_ATTACK_TESTS"

// numbersOf are the private numbers of a key in PKCS #8.
func numbersOf(t *testing.T, what string, material []byte) (all []*secret) {
	t.Helper()
	var outer struct {
		Version   int
		Algorithm asn1.RawValue
		Private   []byte
		Rest      []asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(material, &outer); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var leaves func(b []byte)
	leaves = func(b []byte) {
		for len(b) > 0 {
			var v asn1.RawValue
			rest, err := asn1.Unmarshal(b, &v)
			if err != nil {
				return
			}
			b = rest
			number := strings.TrimLeft(string(v.Bytes), "\x00")
			switch {
			case v.IsCompound && v.Class == asn1.ClassUniversal:
				leaves(v.Bytes)
			case (v.Tag == asn1.TagInteger || v.Tag == asn1.TagOctetString || v.Class == asn1.ClassContextSpecific && !v.IsCompound) && len(number) > window+4:
				all = append(all, &secret{what: fmt.Sprintf("%s, number %d", what, len(all)+1), bytes: []byte(number)})
			}
		}
	}
	leaves(outer.Private)
	if strings.Contains(what, "RSA") {
		all = all[1:] // the modulus
	}
	if len(all) == 0 {
		t.Fatalf("%s has no private number", what)
	}
	return all
}

// revealed reads what processes revealed, each secret once.
func (s *site) revealed(t *testing.T) (all []*secret) {
	t.Helper()
	seen := map[string]bool{}
	for _, b := range filesOf(t, s.path("revealed")) {
		for len(b) > 0 {
			n := int(b[0])
			name := string(b[1 : 1+n])
			m := int(b[1+n])<<8 | int(b[2+n])
			key := b[3+n : 3+n+m]
			b = b[3+n+m:]
			if seen[string(key)] || m <= window {
				continue
			}
			seen[string(key)] = true
			if number, ok := strings.CutPrefix(name, "spec "); ok {
				spec, _ := strconv.Atoi(number)
				all = append(all, materialSecrets(t, hsm.KeySpec(spec), key, len(all))...)
				continue
			}
			identity := map[string]bool{"signing key": true, "agreement key": true, "ML-KEM key": true}[name]
			all = append(all, &secret{what: fmt.Sprintf("%s %d", name, len(all)), bytes: key, symmetric: !identity})
		}
	}
	return all
}

// requireKinds sees that no kind of key escapes the search.
func requireKinds(t *testing.T, known []*secret) {
	t.Helper()
	count := map[string]int{}
	for _, s := range known {
		count[strings.TrimRight(strings.TrimPrefix(s.what, "RSA "), "0123456789 ")]++
		fields := strings.Fields(strings.TrimPrefix(s.what, "RSA "))
		count[fields[0]]++
	}
	for _, kind := range []string{"session key", "session key of a token", "agreed key", "key to send", "key to receive", "domain key", "key of a domain token", "signing key", "agreement key", "ML-KEM key"} {
		if count[kind] == 0 {
			t.Errorf("no %s was revealed", kind)
		}
	}
	for spec := hsm.SymmetricDefault; spec <= hsm.MLKEM1024; spec++ {
		if spec != hsm.SM4 && count[fmt.Sprint(spec)] == 0 {
			t.Errorf("no key of spec %v was revealed", spec)
		}
	}
}

// materialSecrets are the secrets in the material of a key.
func materialSecrets(t *testing.T, spec hsm.KeySpec, material []byte, n int) []*secret {
	what := fmt.Sprintf("%v %d", spec, n)
	switch spec {
	case hsm.SpecNone: // a session's, and when it ends
		return []*secret{{what: "session key of a token", bytes: material[:32], symmetric: true}}
	case hsm.SymmetricDefault, hsm.HMAC224, hsm.HMAC256, hsm.HMAC384, hsm.HMAC512:
		return []*secret{{what: what, bytes: material, symmetric: true}}
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096:
		what = "RSA " + what
	case hsm.MLDSA44, hsm.MLDSA65, hsm.MLDSA87, hsm.MLKEM512, hsm.MLKEM768, hsm.MLKEM1024:
		return []*secret{{what: what, bytes: material[len(material)-32:]}} // the end of the seed
	}
	return numbersOf(t, what, material)
}

// identity is the server's private key.
func (s *site) identity(t *testing.T) *secret {
	t.Helper()
	b, err := os.ReadFile(s.hostKey)
	if err != nil {
		t.Fatal(err)
	}
	k, err := operator.ParseKey(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := k.Signer.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &secret{what: "the host's key", bytes: scalar}
}

// filesOf are the contents of a directory, by path.
func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// attack is one search of everything: with keys that were imported alone, or with all.
func attack(t *testing.T, reveal bool, where where) {
	s := newSite(t, reveal, where)
	readable := memoryReadable(t, s.server.Process.Pid)
	c := newClient(t, s)
	keys, secrets := c.importAll()
	keys = append(keys, c.generate()...)
	for i := range keys {
		if err := c.use(t.Context(), &keys[i]); err != nil {
			t.Fatalf("%s %s: %v", keys[i].spec, keys[i].usage, err)
		}
		c.refused(&keys[i])
	}
	for _, command := range []string{"rotate", "activate"} {
		s.run(t, "hsm", "domain", command, "--server", s.path("kms"), "--key", s.hostKey)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer func() { stop(); clients.Wait() }()
	for range 2 {
		clients.Go(func() { c.load(ctx, keys) })
	}
	if reveal {
		known := s.revealed(t)
		requireKinds(t, known)
		secrets = append(secrets, known...)
	}
	host := s.identity(t)
	h, withHost := newHaystack(append(secrets, &s.canary)), newHaystack(append(secrets, &s.canary, host))
	t.Logf("%d secrets of %d keys, %d windows", len(secrets), len(keys), len(h.flat))

	if readable {
		s.searchServer(t, h)
		s.searchAppliance(t, withHost)
	}
	public := map[string][]byte{
		"metrics": s.metricsText(t), "status of the appliance": s.run(t, "hsm", "status", "--state", s.state), "status of the server": s.run(t, "status", "--data-dir", s.path("kms")),
		"audit log": s.run(t, "hsm", "audit", "show", "--state", s.state),
	}
	stop()
	clients.Wait()
	if readable && os.Getenv(longVariable) != "" {
		s.searchCores(t, h, withHost) // gdb holds a process up for longer than its clients wait
	} else {
		t.Log("skipped: core dumps by gdb, which make attack-tests makes")
	}
	s.abort(t)
	maps.Copy(public, filesOf(t, s.path("kms")))
	maps.Copy(public, filesOf(t, s.state))
	for name, path := range s.logs {
		public["log of the "+name], _ = os.ReadFile(path)
	}
	public["traffic to the server"] = s.clients.recorded()
	if s.links != nil {
		public["traffic to the appliance"] = s.links.recorded()
	}
	public["answers"] = append(c.answers.Bytes(), s.canary.bytes...) // the control
	searchPublic(t, withHost, public)
}

// searchServer looks through the server's memory, where no key may be.
func (s *site) searchServer(t *testing.T, h *haystack) {
	t.Helper()
	m := searchMemory(t, s.server.Process.Pid, h)
	t.Logf("the server: %d MiB searched, arenas of %d KiB", m.read>>20, m.arena>>10)
	s.requireCanary(t, m, "server")
	for name, n := range m.found {
		t.Errorf("the server's memory has %s, %d times", name, n)
	}
}

// requireCanary takes the control out of what was found.
func (s *site) requireCanary(t *testing.T, m *memory, whose string) {
	t.Helper()
	if m.found[s.canary.what+", hex"] == 0 {
		t.Errorf("the %s's memory lacks what was planted: the search is worth nothing", whose)
	}
	if m.arena == 0 {
		t.Errorf("the %s has no arena", whose)
	}
	maps.DeleteFunc(m.found, func(name string, _ int) bool { return strings.HasPrefix(name, s.canary.what) })
}

// searchAppliance looks through the appliance's memory, where symmetric keys may be in the arena alone.
func (s *site) searchAppliance(t *testing.T, h *haystack) {
	t.Helper()
	m := searchMemory(t, s.appliancePID(t), h)
	t.Logf("the appliance: %d MiB searched, an arena of %d KiB, read: %t", m.read>>20, m.arena>>10, m.arenaRead)
	if s.appliance != nil { // what the server starts has not the server's environment
		s.requireCanary(t, m, "appliance")
	}
	kinds := map[string]int{} // of what was found in an arena that can be read
	for name := range m.inArena {
		what, _, _ := strings.Cut(name, ",")
		kinds[strings.TrimRight(what, "0123456789 ")]++
	}
	if m.arenaRead {
		t.Logf("in the arena: %v", kinds)
		if len(kinds) == 0 {
			t.Error("the appliance's arena can be read and no key was found in it: the search is worth nothing")
		}
	}
	s.judge(t, h, m.found, "memory")
}

// judge fails the test for what is no exception.
func (s *site) judge(t *testing.T, h *haystack, found finds, where string) {
	t.Helper()
	excepted := 0
	for name, n := range found {
		of := h.secretOf(name)
		if of.symmetric && !inPlace() {
			t.Logf("excepted on this processor: the appliance's %s has %s, %d times", where, name, n)
		} else if of.symmetric || of.what == "the host's key" {
			t.Errorf("the appliance's %s has %s, %d times", where, name, n)
		} else {
			excepted++
		}
	}
	t.Logf("the appliance's %s has asymmetric keys in use and its identity in %d forms", where, excepted)
}

// inPlace says whether this processor has all that it takes to use symmetric keys in the arena alone, as package hsm says.
func inPlace() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for _, flag := range []string{" aes ", " pclmulqdq ", " avx ", " sha_ni "} {
		if !strings.Contains(string(info), flag) {
			return false
		}
	}
	return true
}

func (s *site) metricsText(t *testing.T) []byte {
	t.Helper()
	a, err := http.Get(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || len(b) == 0 {
		t.Fatal("no metrics", err)
	}
	return b
}

// abort ends both as a crash does: neither dumps a core.
func (s *site) abort(t *testing.T) {
	t.Helper()
	requireNoCore(t, "appliance", s.appliancePID(t))
	requireNoCore(t, "server", s.server.Process.Pid)
	for what, c := range map[string]*exec.Cmd{"server": s.server, "appliance": s.appliance} {
		if c == nil {
			continue // it ends with the server
		}
		if err := c.Process.Signal(syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil {
			t.Errorf("the %s was aborted and says that all is well", what)
		}
		if c.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
			t.Errorf("the %s dumped a core", what)
		}
	}
}

// requireNoCore sees that the kernel will not write one.
func requireNoCore(t *testing.T, what string, pid int) {
	t.Helper()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if size, ok := strings.CutPrefix(line, "Max core file size"); ok && !slices.Equal(strings.Fields(size)[:2], []string{"0", "0"}) {
			t.Errorf("the %s may dump a core of %s", what, size)
		}
	}
}

// searchPublic looks through what others than the processes can see.
func searchPublic(t *testing.T, h *haystack, all map[string][]byte) {
	t.Helper()
	total, control := 0, false
	for what, b := range all {
		found := finds{}
		h.look(b, found)
		total += len(b)
		for name := range found {
			if strings.HasPrefix(name, "the planted text") {
				control = control || what == "answers"
				continue
			}
			t.Errorf("%s: has %s", what, name)
		}
	}
	if !control {
		t.Error("what was planted among the answers was not found: the search is worth nothing")
	}
	t.Logf("%d files, recordings and texts, %d KiB", len(all), total>>10)
}

// TestImportedKeys attacks the program as it is shipped.
func TestImportedKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("builds trent")
	}
	t.Parallel()
	attack(t, false, inAppliance)
}

// TestAllKeys attacks a program that reveals its keys, which is otherwise the same.
func TestAllKeys(t *testing.T) {
	if os.Getenv(longVariable) == "" {
		t.Skip("make attack-tests runs it")
	}
	if !inPlace() {
		t.Skip("this processor lacks AES or SHA instructions: keys of sessions are then on the heap, too")
	}
	for _, where := range []where{inAppliance, inChild, inUnlocked} {
		t.Run(string(where), func(t *testing.T) { attack(t, true, where) })
	}
}

// TestControl: where keys are in the server's own process, as they are by default, the same search finds asymmetric ones,
// and still no symmetric one.
func TestControl(t *testing.T) {
	if os.Getenv(longVariable) == "" {
		t.Skip("make attack-tests runs it")
	}
	s := newSite(t, true, inServer)
	if !memoryReadable(t, s.server.Process.Pid) {
		t.Skip("there is nothing else to it")
	}
	c := newClient(t, s)
	keys, secrets := c.importAll()
	keys = append(keys, c.generate()...)
	for i := range keys {
		if err := c.use(t.Context(), &keys[i]); err != nil {
			t.Fatalf("%s %s: %v", keys[i].spec, keys[i].usage, err)
		}
	}
	h := newHaystack(append(append(secrets, s.revealed(t)...), &s.canary))
	m := searchMemory(t, s.server.Process.Pid, h)
	s.requireCanary(t, m, "server")
	asymmetric := 0
	for name, n := range m.found {
		if h.secretOf(name).symmetric {
			t.Errorf("the server's memory has %s, %d times", name, n)
		} else {
			asymmetric++
		}
	}
	if asymmetric == 0 {
		t.Error("no asymmetric key was found in the process that uses them: the search is worth nothing")
	}
	t.Logf("asymmetric keys in %d forms", asymmetric)
}
