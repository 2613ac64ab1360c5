//go:build !linux

package soak

import "errors"

func limitFiles(int, bool) error { return errors.ErrUnsupported }
