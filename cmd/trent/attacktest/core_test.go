//go:build linux

package attacktest_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// searchCores has root make core dumps of both with gdb, which asks nobody, and looks through them.
func (s *site) searchCores(t *testing.T, h, withHost *haystack) {
	t.Helper()
	gcore, err := exec.LookPath("gcore")
	if err != nil {
		t.Log("skipped: core dumps by gdb, which is not installed")
		return
	}
	for whose, pid := range map[string]int{"server": s.server.Process.Pid, "appliance": s.appliancePID(t)} {
		out, err := exec.Command(gcore, "-o", s.path("core"), fmt.Sprint(pid)).CombinedOutput()
		path := s.path(fmt.Sprintf("core.%d", pid))
		if err != nil {
			t.Logf("gcore of the %s: %v\n%s", whose, err, out)
			continue
		}
		one := h
		if whose == "appliance" {
			one = withHost
		}
		m := s.searchCore(t, path, one)
		if whose == "server" || s.appliance != nil {
			s.requireCanary(t, m, whose)
		}
		if whose == "appliance" {
			s.judge(t, one, m.found, "core dump")
			continue
		}
		for name, n := range m.found {
			t.Errorf("the server's core dump has %s, %d times", name, n)
		}
	}
}

// searchCore looks through the segments of a core dump.
func (s *site) searchCore(t *testing.T, path string, h *haystack) *memory {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	defer f.Close()
	core, err := elf.NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{found: finds{}, arena: 1}
	for _, p := range core.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		n, err := searchMapping(p, &mapping{to: p.Filesz}, h, m.found)
		if err != nil {
			t.Errorf("unscanned: %d bytes of a core dump: %v", p.Filesz, err)
		}
		m.read += n
	}
	t.Logf("%s: %d MiB", strings.TrimPrefix(path, s.dir), m.read>>20)
	return m
}
