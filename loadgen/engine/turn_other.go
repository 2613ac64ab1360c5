//go:build !linux

package engine

import "errors"

// turn is not to be had here.
type turn struct{}

func (*turn) init(*wire) {}

func (*turn) possible() bool { return false }

func (*turn) around([]byte) (int, error) { return 0, errors.ErrUnsupported }

// loops is none: they need the kernel's polling of sockets.
func (r *run) loops() int { return 0 }

func (r *run) looped(int) (Report, bool) { return Report{}, false }
