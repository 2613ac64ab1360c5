package machine

import (
	"strconv"
	"strings"
	"time"
)

// Activity is what the scheduler did with the threads of a process tree since its meter first looked.
type Activity struct {
	RunQueue
	Voluntary   uint64 // context switches in which a thread waited for something
	Involuntary uint64 // and in which it was put off a CPU that it still wanted
}

// since is what happened between two readings.
func (a Activity) since(before Activity) Activity {
	return Activity{
		RunQueue:  RunQueue{Running: a.Running - before.Running, Delay: a.Delay - before.Delay, Slices: a.Slices - before.Slices},
		Voluntary: a.Voluntary - before.Voluntary, Involuntary: a.Involuntary - before.Involuntary,
	}
}

func (a Activity) plus(b Activity) Activity {
	return Activity{
		RunQueue:  RunQueue{Running: a.Running + b.Running, Delay: a.Delay + b.Delay, Slices: a.Slices + b.Slices},
		Voluntary: a.Voluntary + b.Voluntary, Involuntary: a.Involuntary + b.Involuntary,
	}
}

// threadMeter adds up the activity of the threads of a process tree. The kernel drops a thread's figures when it ends,
// so sums over the live ones may fall; this keeps what each had at the last reading. Not safe for concurrent use.
type threadMeter struct {
	tree  *Tree
	last  map[int]Activity // by thread
	total Activity
	begun bool
}

func newThreadMeter(t *Tree) *threadMeter { return &threadMeter{tree: t, last: map[int]Activity{}} }

// read returns the activity since the first read, which returns nothing.
func (m *threadMeter) read() Activity {
	now := make(map[int]Activity, len(m.last))
	for _, pid := range append([]int{m.tree.root}, m.tree.descendants()...) {
		for _, tid := range m.tree.host.threads(pid) {
			a, ok := m.tree.host.thread(pid, tid)
			if !ok {
				continue
			}
			before, known := m.last[tid]
			if known && a.Slices < before.Slices {
				before = Activity{} // another thread with the same number
			}
			if known || m.begun {
				m.total = m.total.plus(a.since(before))
			}
			now[tid] = a
		}
	}
	m.last, m.begun = now, true
	return m.total
}

// thread reads what the scheduler did with one thread; not ok where it has ended or the system does not tell.
func (h Host) thread(pid, tid int) (a Activity, ok bool) {
	dir := "proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid)
	text, err := h.read(dir + "/schedstat")
	if err != nil {
		return a, false
	}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return a, false
	}
	var values [3]uint64
	for i, field := range fields {
		values[i], _ = strconv.ParseUint(field, 10, 63)
	}
	a.RunQueue = RunQueue{Running: time.Duration(values[0]), Delay: time.Duration(values[1]), Slices: values[2]}
	if text, err = h.read(dir + "/status"); err == nil {
		a.Voluntary = statusNumber(text, "voluntary_ctxt_switches")
		a.Involuntary = statusNumber(text, "nonvoluntary_ctxt_switches")
	}
	return a, true
}

// Memory is what a process tree holds, in bytes.
type Memory struct {
	Resident  int64 // all pages in memory; pages shared within the tree count twice
	Anonymous int64 // of these, what no file backs
}

func (t *Tree) memory() Memory {
	var m Memory
	for _, pid := range append([]int{t.root}, t.descendants()...) {
		text, err := t.host.read("proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			continue
		}
		m.Resident += int64(statusNumber(text, "VmRSS")) << 10
		m.Anonymous += int64(statusNumber(text, "RssAnon")) << 10
	}
	return m
}

// statusNumber is a number of /proc/PID/status (KiB where it has a unit); 0 where absent.
func statusNumber(text, name string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, _ := strconv.ParseUint(fields[0], 10, 63)
				return n
			}
		}
	}
	return 0
}
