package conformance_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// mapping is a part of a process's memory that it can write.
type mapping struct{ from, to int64 }

// mappings lists them, but for the module's arena, which is kept out of dumps: there keys lie while they are used.
func mappings(t *testing.T, pid int) (all []mapping) {
	t.Helper()
	smaps, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Skipf("no memory to look at: %v", err)
	}
	defer func() { _ = smaps.Close() }()
	var m mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if from, to, ok := strings.Cut(fields[0], "-"); ok && len(fields) > 1 {
			m = mapping{}
			if strings.HasPrefix(fields[1], "rw") {
				m.from, _ = strconv.ParseInt(from, 16, 64)
				m.to, _ = strconv.ParseInt(to, 16, 64) // vsyscall lies above
			}
		}
		if fields[0] == "VmFlags:" && m.to > 0 && !strings.Contains(lines.Text(), " dd") {
			all = append(all, m)
		}
	}
	return all
}

// memoryOf hands what can be read of a process's memory to f, piece by piece, the pieces overlapping by overlap bytes,
// and tells how many bytes that were and how many it could not read.
func memoryOf(t *testing.T, pid, overlap int, f func(piece []byte)) (read, unread int64) {
	t.Helper()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("no memory to look at: %v", err)
	}
	defer func() { _ = mem.Close() }()
	buf := make([]byte, 1<<20)
	for _, m := range mappings(t, pid) {
		for at := m.from; at < m.to; {
			n, err := mem.ReadAt(buf[:min(int64(len(buf)), m.to-at)], at)
			f(buf[:n])
			read += int64(n)
			if err != nil && err != io.EOF || n == 0 {
				unread += m.to - at - int64(n)
				break
			}
			if at += int64(n); at < m.to {
				at -= int64(overlap)
			}
		}
	}
	return read, unread
}
