// Package confine takes from a process what an HSM never needs, before it reads its first key: privileges, memory that
// others can read, files outside its state directory, and system calls that no line of its code makes.
//
// Two steps, since sockets are opened between them. Drop ends privileges: another user where one is asked for, no
// supplementary groups, no capabilities (but CAP_IPC_LOCK where the heap is locked under a limit, which a growing heap
// then needs), no_new_privs, no core files, undumpable, memory locked. Close confines: Landlock leaves the files of
// Paths, no TCP connection or port, no signal to other processes; the seccomp filter leaves the calls of calls_linux.go, on
// all threads. Files that are open and sockets that listen stay usable. Nothing undoes either step.
//
// A call that the filter refuses fails with EPERM. It does not end the process: an unforeseen path through a runtime
// should not take the keys of a domain out of service.
//
// What stays possible: root can read what is neither in memfd_secret pages nor registers, can stop the process, and
// can put code into it by the kernel. Landlock works by the kernel's version, and is less or nothing on old ones;
// Report says what is in force, as the kernel confirms it. Systems other than Linux have none of this, and say so.
//
// What this package is not: it reads no keys and knows nothing of HSMs. It has no goroutines; Drop and Close are for
// the beginning of main, once.
package confine

// Options are Drop's.
type Options struct {
	// User is whom to become, a name or number; only root can. Empty: stay.
	User string
}

// Paths are the files that Close leaves.
type Paths struct {
	ReadWrite []string // directories and all below
	Read      []string // files; ones that do not exist are left out
	Sockets   []string // directories in which a socket is removed at the end
	Terminal  bool     // /dev/tty, for a passphrase
}

// Report is what is in force, for people and for JSON. Fields with a reason have it where the thing is not in force.
type Report struct {
	Kernel       string   `json:"kernel"`
	User         int      `json:"uid"`
	Groups       []int    `json:"supplementaryGroups"`
	Dumpable     bool     `json:"dumpable"`
	CoreBytes    uint64   `json:"coreBytes"`
	HeapLocked   bool     `json:"heapLocked"`
	HeapWhy      string   `json:"heapWhy,omitempty"`
	Capabilities []string `json:"capabilities"`
	CapsWhy      string   `json:"capabilitiesWhy,omitempty"` // why some are kept
	NoNewPrivs   bool     `json:"noNewPrivileges"`
	Seccomp      bool     `json:"seccomp"`
	SeccompWhy   string   `json:"seccompWhy,omitempty"`
	Landlock     int      `json:"landlock"` // the ABI in force; 0: none
	LandlockWhy  string   `json:"landlockWhy,omitempty"`
}
