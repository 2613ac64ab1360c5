//go:build linux

package attacktest_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// mapping is a range of addresses of a process.
type mapping struct {
	from, to uint64
	rights   string
	line     string
	flags    string // VmFlags of proc_pid_smaps(5)
}

// arena says whether a mapping is one of package arena: secret memory, or what is neither dumped (dd) nor inherited (wf).
// The state of vgetrandom(2) is that, too, and may be dropped (dp).
func (m *mapping) arena() bool {
	return m.secret() || strings.Contains(m.flags, " dd") && strings.Contains(m.flags, " wf") && !strings.Contains(m.flags, " dp")
}

// secret says whether it is of memfd_secret(2), which nobody else can read, whoever he is.
func (m *mapping) secret() bool { return strings.Contains(m.line, "secretmem") }

func mappingsOf(t *testing.T, pid int) []mapping {
	t.Helper()
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []mapping
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		m := mapping{line: lines.Text()}
		if _, err := fmt.Sscanf(m.line, "%x-%x %s", &m.from, &m.to, &m.rights); err == nil {
			all = append(all, m)
		} else if flags, ok := strings.CutPrefix(m.line, "VmFlags:"); ok {
			all[len(all)-1].flags = flags
		}
	}
	return all
}

// memory is what was looked through.
type memory struct {
	found     finds
	inArena   finds // where it can be read at all
	read      uint64
	arena     uint64 // bytes
	arenaRead bool
}

// memoryReadable says whether anybody here may read the memory of a process that is not dumpable, and logs why not.
func memoryReadable(t *testing.T, pid int) bool {
	t.Helper()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Logf("skipped: memory and core dumps of processes that are not dumpable, which root alone reads: %v", err)
		return false
	}
	_ = mem.Close()
	return true
}

// searchMemory looks through all memory of a process that can be read. What cannot, and is no arena, fails the test;
// unless it is gone, as it may be while the process works.
func searchMemory(t *testing.T, pid int, h *haystack) *memory {
	t.Helper()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	r := &memory{found: finds{}, inArena: finds{}}
	for _, m := range mappingsOf(t, pid) {
		if m.rights[0] != 'r' || strings.Contains(m.line, "[v") { // vvar, vsyscall: the kernel's
			continue
		}
		found := r.found
		if m.arena() {
			r.arena += m.to - m.from
			found = r.inArena
		}
		n, err := searchMapping(mem, &m, h, found)
		switch {
		case m.secret() && err == nil:
			t.Errorf("secret memory was read: %s", m.line)
		case m.arena():
			r.arenaRead = r.arenaRead || err == nil
		case err != nil && stillThere(t, pid, &m):
			t.Errorf("unscanned: %s: %v", m.line, err)
		default:
			r.read += n
		}
	}
	return r
}

func stillThere(t *testing.T, pid int, gone *mapping) bool {
	for _, m := range mappingsOf(t, pid) {
		if m.from <= gone.from && m.to >= gone.to && m.rights[0] == 'r' {
			return true
		}
	}
	return false
}

func searchMapping(mem io.ReaderAt, m *mapping, h *haystack, found finds) (read uint64, err error) {
	const step = 1 << 20
	buf, zeros := make([]byte, step+window-1), make([]byte, step+window-1)
	for at := m.from; at < m.to; at += step {
		chunk := buf[:min(uint64(len(buf)), m.to-at)]
		if n, err := mem.ReadAt(chunk, int64(at)); err != nil && !(errors.Is(err, io.EOF) && n == len(chunk)) {
			return read, err
		}
		read += uint64(min(len(chunk), step))
		if !bytes.Equal(chunk, zeros[:len(chunk)]) {
			h.look(chunk, found)
		}
	}
	return read, nil
}
