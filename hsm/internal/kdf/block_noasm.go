//go:build !amd64 || purego

package kdf

const useSHANI = false

func blockSHANI(_, _ *[8]uint32, _ []byte) { panic(noSHA) }

func initSHA(*Midstate, *[8]uint32) { panic(noSHA) }

const noSHA = "kdf: no SHA instructions in this build"
