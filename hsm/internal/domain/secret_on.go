//go:build goexperiment.runtimesecret

package domain

import "runtime/secret"

// secretly runs f so that its stack and registers are cleared afterwards, and what it allocates when it is
// collected.
func secretly(f func()) { secret.Do(f) }
