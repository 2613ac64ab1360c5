package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"trent/hsm/appliance"
)

// TestMain makes this test binary the real command when a script runs "trent".
func TestMain(m *testing.M) {
	commands := attackCommands()
	if commands == nil {
		commands = map[string]func(){}
	}
	commands["trent"] = main
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// Unix sockets need a short path, which a test's own directory seldom is.
			dir, err := os.MkdirTemp("", "trent")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(dir) })
			e.Setenv("D", dir)
			e.Setenv("HOME", dir)
			e.Setenv("XDG_CONFIG_HOME", dir+"/config")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"waitfile": waitFile,
			"mode":     checkMode,
			"absent":   checkAbsent,
			"kms":      callKMS,
			"api":      callAPI,
			"etcd":     startEtcd,

			"waitservice": waitService,
			"certificate": makeCertificate,
			"shake":       shakeHands,
			"hangup":      hangUp,
		},
	})
}

// waitFile waits until a file is there: waitfile PATH.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// waitService waits until the appliance of a state directory is in service: waitservice STATE.
func waitService(ts *testscript.TestScript, _ bool, args []string) {
	console := appliance.NewConsole(ts.MkAbs(args[0]))
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if id, err := console.Identity(context.Background()); err == nil && id.InService {
			return
		}
	}
	ts.Fatalf("the appliance of %s did not come into service", args[0])
}

// checkMode compares permissions: mode drwx------ PATH.
func checkMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().String(); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// checkAbsent makes sure that a file does not contain a text: absent TEXT PATH.
func checkAbsent(ts *testscript.TestScript, _ bool, args []string) {
	if strings.Contains(ts.ReadFile(args[1]), args[0]) {
		ts.Fatalf("%s contains %q", args[1], args[0])
	}
}
