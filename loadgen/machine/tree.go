package machine

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Tree sums the CPU time of a process and its descendants. A descendant that ended keeps the time it had at the
// last reading, so what it used after that is missed: read often where children are short-lived. Not safe for
// concurrent use.
type Tree struct {
	host Host
	root int
	skip map[int]bool
	seen map[int]time.Duration
}

// NewTree follows the process root, leaving out the descendants skip and what they start: a server that the client
// started is no part of the client.
func NewTree(h Host, root int, skip ...int) *Tree {
	t := &Tree{host: h, root: root, skip: map[int]bool{}, seen: map[int]time.Duration{}}
	for _, pid := range skip {
		t.skip[pid] = true
	}
	return t
}

// CPU is the time used so far. Once the root has ended it stays at the last value read.
func (t *Tree) CPU() (time.Duration, error) {
	own, err := ProcessCPU(t.root)
	if err != nil && len(t.seen) == 0 {
		return 0, err
	}
	if err == nil {
		t.seen[t.root] = own
	}
	for _, pid := range t.descendants() {
		if used, err := ProcessCPU(pid); err == nil {
			t.seen[pid] = used
		}
	}
	total := time.Duration(0)
	for _, used := range t.seen {
		total += used
	}
	return total, nil
}

// descendants lists the live descendants of the root, by the children files of its threads
// (CONFIG_PROC_CHILDREN; where the kernel lacks them, there is nothing to add).
func (t *Tree) descendants() []int {
	var found []int
	queue := []int{t.root}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		for _, tid := range t.host.threads(pid) {
			text, err := t.host.read("proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid) + "/children")
			if err != nil {
				continue
			}
			for field := range strings.FieldsSeq(text) {
				if child, err := strconv.Atoi(field); err == nil && !t.skip[child] {
					found = append(found, child)
					queue = append(queue, child)
				}
			}
		}
	}
	return found
}

// threads lists the thread ids of a process; none when it has ended.
func (h Host) threads(pid int) []int {
	entries, err := os.ReadDir(h.path("proc/" + strconv.Itoa(pid) + "/task"))
	if err != nil {
		return nil
	}
	tids := make([]int, 0, len(entries))
	for _, entry := range entries {
		if tid, err := strconv.Atoi(entry.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids
}

// RunQueue is what the scheduler did with the threads of a process (Documentation/scheduler/sched-stats.rst).
type RunQueue struct {
	Running time.Duration // on a CPU
	Delay   time.Duration // ready, waiting for a CPU
	Slices  uint64        // times put on a CPU
}

// RunQueue sums schedstat over the live threads of a process. Errors: ErrUnsupported without schedstat.
func (h Host) RunQueue(pid int) (RunQueue, error) {
	var total Activity
	found := false
	for _, tid := range h.threads(pid) {
		if a, ok := h.thread(pid, tid); ok {
			total, found = total.plus(a), true
		}
	}
	if !found {
		return RunQueue{}, ErrUnsupported
	}
	return total.RunQueue, nil
}
