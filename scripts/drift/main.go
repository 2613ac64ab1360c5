// Command drift tells where the committed model of the API (fastpath/model/kms.json) and an SDK differ: operations,
// members of inputs, outputs and structures with their types and whether they are required, enum values, errors. The
// SDK is read from its Go sources, by default those of the newest version that the module proxy serves.
//
// What SDKs do not tell is not compared: bounds, patterns, and which operation answers which error.
//
//	drift [--json] [--model FILE] [--version V | --sdk DIR]
//
// Exit codes: 0 no drift, 4 drift, 1 the comparison failed, 2 usage. (`go run` makes 1 of all but 0; `make drift`
// builds it first.)
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// module is the SDK that is compared by default.
const module = "github.com/aws/aws-sdk-go-v2/service/kms"

// Exit codes, as those of trent.
const (
	exitSame    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitDrifted = 4
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("drift", flag.ContinueOnError)
	fs.SetOutput(stderr)
	asJSON := fs.Bool("json", false, "print JSON")
	modelPath := fs.String("model", filepath.Join("fastpath", "model", "kms.json"), "the committed model")
	version := fs.String("version", "latest", "version of "+module)
	sdk := fs.String("sdk", "", "directory of an SDK's sources; empty: fetch the module")
	if err := fs.Parse(args); err != nil {
		return exitUsage
	}
	if fs.NArg() > 0 {
		fmt.Fprintln(stderr, "drift: takes flags only")
		return exitUsage
	}
	r, err := report(*modelPath, *sdk, *version)
	if err == nil {
		err = r.print(stdout, *asJSON)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "drift:", err)
		return exitFailed
	case len(r.Differences) > 0:
		return exitDrifted
	}
	return exitSame
}

// result is what the comparison found.
type result struct {
	SDK         string       `json:"sdk"`
	Operations  int          `json:"operations"` // of the SDK
	Differences []difference `json:"differences"`
}

func report(modelPath, sdk, version string) (*result, error) {
	m, err := readModel(modelPath)
	if err != nil {
		return nil, err
	}
	r := &result{SDK: sdk, Differences: []difference{}}
	if sdk == "" {
		if sdk, r.SDK, err = fetch(version); err != nil {
			return nil, err
		}
	}
	s, err := readSDK(sdk)
	if err != nil {
		return nil, err
	}
	r.Operations = len(s.Operations)
	r.Differences = append(r.Differences, compare(m, s)...)
	return r, nil
}

// fetch has the go command bring the module into its cache, from outside this one: its requirements are no matter here.
func fetch(version string) (dir, name string, err error) {
	c := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	c.Dir = os.TempDir()
	out, err := c.Output()
	var m struct{ Dir, Version, Error string }
	if json.Unmarshal(out, &m) == nil && m.Error != "" {
		return "", "", fmt.Errorf("fetching %s: %s", module, m.Error)
	}
	if err != nil {
		return "", "", fmt.Errorf("fetching %s: %w", module, err)
	}
	if m.Dir == "" {
		return "", "", errors.New("fetching the SDK: the go command names no directory")
	}
	return m.Dir, module + "@" + m.Version, nil
}

func (r *result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, d := range r.Differences {
		if _, err := fmt.Fprintln(w, d); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d operations, %d differences from the model\n", r.SDK, r.Operations, len(r.Differences))
	return err
}
