package engine

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for sockets, for a moment and for other goroutines at once.
type poller struct {
	epoll  int
	bell   int // an eventfd by which other goroutines end a wait
	events [128]unix.EpollEvent
	most   unix.Timespec // of the present wait
}

// bellID is the identity of the bell among events.
const bellID = -1

func newPoller() (*poller, error) {
	p := &poller{bell: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if p.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		p.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err = p.add(p.bell, bellID, 0, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	// Kernels before 5.11 lack the call, whose time-out is exact to the nanosecond.
	if _, err = p.wait(0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() {
	unix.Close(p.epoll)
	if p.bell >= 0 {
		unix.Close(p.bell)
	}
}

// ring ends a wait, the present one or the next. Any goroutine may call it.
func (p *poller) ring() {
	one := [8]byte{1}
	_, _ = unix.Write(p.bell, one[:]) // fails only where the bell has been rung 2⁶⁴ times
}

func (p *poller) add(fd int, id, turn int32, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: id, Pad: turn}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

// watch reports of a socket under an id and a turn (as Fd and Pad of the events): data, its end, and room to write, each once
// when it comes.
func (p *poller) watch(fd int, id, turn int32) error {
	return p.add(fd, id, turn, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// wait returns the events that are there, or waits for the first of them, for a time at the most. Only a wait that may last tells
// the scheduler, so that another goroutine has the processor meanwhile.
func (p *poller) wait(most time.Duration) ([]unix.EpollEvent, error) {
	p.most = unix.NsecToTimespec(int64(max(most, 0)))
	call := syscall.Syscall6
	if most <= 0 {
		call = syscall.RawSyscall6
	}
	n, _, errno := call(unix.SYS_EPOLL_PWAIT2, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&p.most)), 0, 0)
	if errno != 0 {
		if errno == syscall.EINTR {
			return nil, nil
		}
		return nil, os.NewSyscallError("epoll_pwait2", errno)
	}
	return p.events[:n], nil
}

// exactTimers makes the kernel's timers of this thread exact: by default they may be 50 µs late (prctl(2), PR_SET_TIMERSLACK).
func exactTimers() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }
