package main

import (
	"fmt"
	"os"

	"trent/fastpath/identity"
	"trent/loadgen/engine"
	"trent/loadgen/spawn"
)

// spawnOptions start this program as a server with its built-in credential.
func spawnOptions() (spawn.Options, error) {
	program, err := os.Executable()
	if err != nil {
		return spawn.Options{}, failure(fmt.Errorf("finding this program: %w", err), "give --endpoint")
	}
	return spawn.Options{Program: program, Region: "us-east-1",
		Credentials: engine.Credentials{AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret}}, nil
}
