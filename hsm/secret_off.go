//go:build !goexperiment.runtimesecret

package hsm

const runtimeSecret = false

// secretly runs f; in builds with GOEXPERIMENT=runtimesecret it also clears what f leaves behind.
func secretly(f func()) { f() }

// swept runs f; in builds with GOEXPERIMENT=runtimesecret it also clears the stack and registers that f used.
func swept(f func()) { f() }
