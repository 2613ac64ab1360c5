package machine

import (
	"path"
	"strconv"
	"strings"
)

// group returns the path of the own control group in the hierarchy of a v1 controller, or in the unified one for "".
func (h Host) group(controller string) (string, bool) {
	text, err := h.read("proc/self/cgroup")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(text) {
		// hierarchy-ID:controller-list:cgroup-path (cgroups(7))
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if controller == "" && fields[0] == "0" && fields[1] == "" {
			return fields[2], true
		}
		for name := range strings.SplitSeq(fields[1], ",") {
			if controller != "" && name == controller {
				return fields[2], true
			}
		}
	}
	return "", false
}

// unifiedRoot is where cgroup v2 is mounted: alone, or beside v1.
func (h Host) unifiedRoot() (string, bool) {
	for _, root := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
		if _, err := h.read(root + "/cgroup.controllers"); err == nil {
			return root, true
		}
	}
	return "", false
}

// unifiedGroup is the directory of the own cgroup v2. Errors: ErrUnsupported without one, or at the root.
func (h Host) unifiedGroup() (string, error) {
	root, mounted := h.unifiedRoot()
	group, found := h.group("")
	if !mounted || !found {
		return "", ErrUnsupported
	}
	if group == "/" {
		// A container that has a namespace of its own sees its group as the root; only the true root lacks the type.
		if _, err := h.read(root + "/cgroup.type"); err != nil {
			return "", ErrUnsupported
		}
	}
	return path.Join(root, group), nil
}

// CPUQuota is the number of CPUs' worth of time that the own control group, or one above it, may use; 0: no limit.
func (h Host) CPUQuota() float64 {
	quota := 0.0
	take := func(q, period float64) {
		if q > 0 && period > 0 && (quota == 0 || q/period < quota) {
			quota = q / period
		}
	}
	if root, mounted := h.unifiedRoot(); mounted {
		group, _ := h.group("")
		// The topmost has a limit too where it is the root of a container's namespace only.
		for dir := group; dir != "." && dir != ""; dir = path.Dir(dir) {
			text, err := h.read(path.Join(root, dir, "cpu.max"))
			if limit, period, ok := strings.Cut(text, " "); err == nil && ok && limit != "max" {
				take(number(limit), number(period))
			}
			if dir == "/" {
				break
			}
		}
	}
	if group, found := h.group("cpu"); found {
		for dir := group; ; dir = path.Dir(dir) {
			limit, err := h.number(path.Join("sys/fs/cgroup/cpu", dir, "cpu.cfs_quota_us"))
			if err == nil && limit > 0 {
				period, _ := h.number(path.Join("sys/fs/cgroup/cpu", dir, "cpu.cfs_period_us"))
				take(float64(limit), float64(period))
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return quota
}

// throttled counts the periods in which the own control group used up its CPU quota (nr_throttled in cpu.stat).
func (h Host) throttled() uint64 {
	var files []string
	if dir, err := h.unifiedGroup(); err == nil {
		files = append(files, dir+"/cpu.stat")
	}
	if group, found := h.group("cpu"); found {
		files = append(files, path.Join("sys/fs/cgroup/cpu", group, "cpu.stat"))
	}
	total := uint64(0)
	for _, file := range files {
		text, err := h.read(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "nr_throttled "); ok {
				n, _ := strconv.ParseUint(value, 10, 64)
				total += n
			}
		}
	}
	return total
}

// number is a decimal number, 0 if it is none.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return n
}
