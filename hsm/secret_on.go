//go:build goexperiment.runtimesecret

package hsm

import "runtime/secret"

const runtimeSecret = true

// secretly runs f so that its stack and registers are cleared afterwards, and what it allocates when it is
// collected.
func secretly(f func()) { secret.Do(f) }

// swept runs f and then clears the stack and registers, but not what f allocated. The runtime keeps a record of each
// allocation that it is to clear, which would double the cost of an ECDSA signature with its some sixty of them.
func swept(f func()) {
	defer secret.Do(func() {}) // clears the whole stack below this frame, where f ran
	f()
}
