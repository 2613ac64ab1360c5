//go:build !linux

package engine

import (
	"context"
	"time"
)

// newClock makes the best clock of the platform, counting from origin.
func newClock(origin time.Time) clock { return timerClock{origin} }

// oneThreadPerCPU changes nothing where processes cannot be pinned.
func oneThreadPerCPU() (undo func()) { return func() {} }

// processCPU is unknown here.
func processCPU() time.Duration { return 0 }

func newThreadClock(_ context.Context, origin time.Time) clock { return newClock(origin) }
