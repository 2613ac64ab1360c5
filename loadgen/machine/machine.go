// Package machine reads what the machine does while a load runs: CPU time of processes to the nanosecond, time
// threads waited for a CPU, time stolen by the hypervisor, pressure stalls, limits of the own control group; and
// it pins processes to CPUs. The harness uses it for CPU a request and for the gates that void a disturbed run,
// bench for the echo floor, and `trent doctor` for its findings.
//
// It judges nothing except in Findings: limits on what it reads are in loadgen/slo.
//
// Everything is read from Linux's /proc, /sys and a few system calls. On other systems the calls return
// ErrUnsupported and a record simply lacks the figure. A Sampler owns one goroutine between Start and Stop; all
// other functions are plain calls and safe for concurrent use, except a Tree, which belongs to one goroutine.
package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrUnsupported: this system does not tell.
var ErrUnsupported = errors.New("machine: not available on this system")

// Host is where /proc and /sys are read. The zero value is the running system; a container that sees the host's
// /proc elsewhere, and the tests, set Root.
type Host struct {
	Root string // "" is "/"
}

func (h Host) path(name string) string { return filepath.Join("/", h.Root, name) }

// read returns a small file without its trailing newline.
func (h Host) read(name string) (string, error) {
	data, err := os.ReadFile(h.path(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return strings.TrimRight(string(data), "\n"), nil
}

// number reads a file that holds one integer.
func (h Host) number(name string) (int64, error) {
	text, err := h.read(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	return n, nil
}

// ParseCPUList parses the kernel's list format, for example "0-2,5", into ascending CPU numbers.
func ParseCPUList(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		if part == "" {
			continue
		}
		first, last, ranged := strings.Cut(part, "-")
		low, err := strconv.Atoi(first)
		if err != nil || low < 0 {
			return nil, fmt.Errorf("CPU list %q: %q is not a CPU number", list, first)
		}
		high := low
		if ranged {
			if high, err = strconv.Atoi(last); err != nil || high < low || high-low > 1<<14 {
				return nil, fmt.Errorf("CPU list %q: %q is not a range", list, part)
			}
		}
		for cpu := low; cpu <= high; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// FormatCPUList is the inverse of ParseCPUList for ascending numbers.
func FormatCPUList(cpus []int) string {
	var out strings.Builder
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		out.WriteString(strconv.Itoa(cpus[i]))
		if j > i {
			out.WriteByte('-')
			out.WriteString(strconv.Itoa(cpus[j]))
		}
		i = j + 1
	}
	return out.String()
}
