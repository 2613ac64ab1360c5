package kdf

// Both compression functions and the choice between them, for the differential tests.
var (
	BlockStd   = blockStd
	BlockSHANI = blockSHANI
	Initial    = initial
)

// HaveSHANI says whether BlockSHANI can run here.
func HaveSHANI() bool { return useSHANI }
