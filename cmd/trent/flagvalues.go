package main

import (
	"strings"

	"trent/loadgen/machine"
	"trent/results"
)

// flagValue finds --name VALUE or --name=VALUE in a command line.
func flagValue(args []string, name string) (value string, ok bool) {
	for i, arg := range args {
		if v, found := strings.CutPrefix(arg, "--"+name+"="); found {
			return v, true
		}
		if arg == "--"+name && i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// withoutFlag leaves a flag and its value out of a command line.
func withoutFlag(args []string, name string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		switch {
		case strings.HasPrefix(args[i], "--"+name+"="):
		case args[i] == "--"+name && i+1 < len(args):
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// withFlag sets a flag of a command line.
func withFlag(args []string, name, value string) []string {
	return append(withoutFlag(args, name), "--"+name+"="+value)
}

// environmentNow is the machine as a record describes it, as far as it is known before a run.
func environmentNow() results.Environment {
	f := machine.Host{}.Fingerprint()
	return results.Environment{CPUModel: f.CPUModel, Cores: f.Cores, Features: f.Features, Kernel: f.Kernel, Governor: f.Governor, Hypervisor: f.Hypervisor,
		CPUQuota: f.CPUQuota, GoVersion: f.GoVersion, Platform: f.Platform}
}
