package main

import (
	"fmt"
	"os"

	"trent/fastpath/identity"
	"trent/loadgen/engine"
	"trent/loadgen/spawn"
)

// hsmUsage is the flag --hsm of verbs that start a server.
const hsmUsage = "where the emulator that is started has its keys, as 'trent serve --hsm' takes it"

// serveFlags are what is not embedded as a flag of serve.
func (m *hsmMode) serveFlags() []string {
	if m.embedded() {
		return nil
	}
	return []string{"--hsm=" + m.String()}
}

// spawnOptions start this program as a server with its built-in credential, and further flags of serve.
func spawnOptions(flags ...string) (spawn.Options, error) {
	program, err := os.Executable()
	if err != nil {
		return spawn.Options{}, failure(fmt.Errorf("finding this program: %w", err), "give --endpoint")
	}
	return spawn.Options{Program: program, Region: "us-east-1", Args: flags,
		Credentials: engine.Credentials{AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret}}, nil
}
