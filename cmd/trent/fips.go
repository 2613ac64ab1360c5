package main

import (
	"crypto/fips140"
	"errors"
)

const fipsKernel = "std-fips"

// checkFIPS refuses FIPS mode where the process does not run on Go's FIPS 140-3 module, and sets what it asks for. In
// that mode crypto/tls leaves only approved suites and key exchanges.
func (s *settings) checkFIPS() error {
	if !s.FIPS {
		return nil
	}
	switch {
	case !fips140.Enabled():
		return usageError(errors.New("--fips: this process does not run on Go's FIPS 140-3 module"),
			"build with 'make fips' and start bin/trent-fips serve --fips, without fips140=off in GODEBUG")
	case s.Kernel != "" && s.Kernel != fipsKernel:
		return usageError(errors.New("--fips: kernel "+s.Kernel+" is not of the FIPS 140-3 module"), "leave --kernel out")
	case s.PlaintextListen != "":
		return usageError(errors.New("--fips: no listener without TLS"), "leave --plaintext-listen out")
	}
	s.Kernel = fipsKernel
	return nil
}

// fipsNote says which module runs. The module tests its integrity before main, and each algorithm before its first use;
// a process in which a test failed has ended.
func fipsNote() string {
	note := "uses Go's FIPS 140-3 module " + fips140.Version() + ", self-tests passed"
	if fips140.Version() == "latest" {
		note += " (this Go release's own state of it, no frozen version)"
	}
	if fips140.Enforced() {
		note += ", enforced"
	}
	return note
}
