//go:build !linux

package machine

import (
	"os/exec"
	"time"
)

// ProcessCPU is ErrUnsupported on this system.
func ProcessCPU(int) (time.Duration, error) { return 0, ErrUnsupported }

// Affinity is ErrUnsupported on this system.
func Affinity(int) ([]int, error) { return nil, ErrUnsupported }

// PinSelf is ErrUnsupported on this system.
func PinSelf([]int) (restore func() error, err error) { return nil, ErrUnsupported }

// PinProcess is ErrUnsupported on this system.
func PinProcess(int, []int) error { return ErrUnsupported }

// PinThread is ErrUnsupported on this system.
func PinThread([]int) error { return ErrUnsupported }

// ThreadCPU is ErrUnsupported on this system.
func ThreadCPU() (time.Duration, error) { return 0, ErrUnsupported }

// StartPinned starts cmd; CPUs cannot be chosen on this system.
func StartPinned(cmd *exec.Cmd, cpus []int) error {
	if len(cpus) > 0 {
		return ErrUnsupported
	}
	return cmd.Start()
}

func memlockLimit() (int64, error) { return 0, ErrUnsupported }

func descriptorLimit() (int, error) { return 0, ErrUnsupported }

func memfdSecret() error { return ErrUnsupported }
