//go:build !amd64 || purego

package gcm

// ownRows are the kernels in this package's own assembly.
var ownRows []row

func begin(*State, *[KeySize]byte, *[NonceSize]byte) { panic(noAssembly) }

func cover(_ *State, _, _ *byte, _ int) { panic(noAssembly) }

func digest(_ *State, _, _ []byte) { panic(noAssembly) }

const noAssembly = "gcm: no AES instructions in this build"
