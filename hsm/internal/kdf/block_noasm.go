//go:build !amd64 || purego

package kdf

const useSHANI = false

func blockSHANI(*[8]uint32, []byte) {
	panic("kdf: no SHA instructions in this build")
}
