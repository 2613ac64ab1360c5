//go:build pkcs11

package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// TestPKCS11 serves in front of a SoftHSM2 that scripts/softhsm.sh has installed, with a token of the test's own.
func TestPKCS11(t *testing.T) {
	library, err := exec.CommandContext(t.Context(), "../../scripts/softhsm.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/pkcs11",
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp("", "trent")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(dir) })
			if out, err := exec.CommandContext(t.Context(), "../../scripts/softhsm.sh", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			pin, err := os.ReadFile(filepath.Join(dir, "pin"))
			if err != nil {
				return err
			}
			for name, value := range map[string]string{
				"D": dir, "HOME": dir, "XDG_CONFIG_HOME": dir + "/config", "T": "trent", "PIN": string(pin),
				"M": strings.TrimSpace(string(library)), "SOFTHSM2_CONF": dir + "/softhsm2.conf",
			} {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"waitfile": waitFile,
			"mode":     checkMode,
			"absent":   checkAbsent,
			"sdk":      runSDK,
			"objects":  countObjects,
		},
	})
}

// countObjects counts the objects of SoftHSM2, each of which is a file: "objects are" remembers how many there are,
// "objects more" makes sure that there are more now, "objects again" waits until there are as many again.
func countObjects(ts *testscript.TestScript, _ bool, args []string) {
	count := func() int {
		found, err := filepath.Glob(filepath.Join(ts.Getenv("D"), "tokens", "*", "*.object"))
		ts.Check(err)
		return len(found)
	}
	remembered, _ := strconv.Atoi(ts.Getenv("OBJECTS"))
	switch args[0] {
	case "are":
		ts.Setenv("OBJECTS", strconv.Itoa(count()))
	case "more":
		if n := count(); n <= remembered {
			ts.Fatalf("%d objects, not more than %d", n, remembered)
		}
	case "again":
		for deadline := time.Now().Add(30 * time.Second); count() != remembered; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				ts.Fatalf("%d objects, not %d", count(), remembered)
			}
		}
	}
}

// runSDK talks to the server that $D/ready.json announces by the AWS SDK: sdk make|use|delete. What make made lies in
// $D/made.json for use.
func runSDK(ts *testscript.TestScript, _ bool, args []string) {
	var info readyInfo
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(ts.Getenv("D")+"/ready.json")), &info))
	e := &servertest.Endpoint{URL: info.Endpoint, Region: info.Region, AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret}
	e.RootCAs = x509.NewCertPool()
	e.RootCAs.AppendCertsFromPEM([]byte(ts.ReadFile(info.CA)))
	defer e.CloseIdle()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := &deviceSDK{kms: e.KMS(), there: e.In(deviceRegion), sts: sts.NewFromConfig(e.Config()), ctx: ctx}
	path := filepath.Join(ts.Getenv("D"), "made.json")
	if args[0] == "make" {
		made, err := s.make()
		ts.Check(err)
		text, err := json.Marshal(made)
		ts.Check(err)
		ts.Check(os.WriteFile(path, text, 0o600))
		return
	}
	if args[0] == "delete" {
		ts.Check(s.delete())
		return
	}
	var made deviceKeys
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(path)), &made))
	ts.Check(s.use(&made))
}
