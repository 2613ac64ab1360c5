//go:build !unix

package supervise

import "syscall"

// attributes: nothing that this system has is of use here.
func attributes() *syscall.SysProcAttr { return nil }
