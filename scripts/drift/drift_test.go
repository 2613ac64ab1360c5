package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func drift(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

var fixture = []string{"--model", filepath.Join("testdata", "model.json"), "--sdk", filepath.Join("testdata", "sdk")}

// TestEveryKindOfDrift: the fixture's SDK differs from its model in one of everything.
func TestEveryKindOfDrift(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := drift(fixture...)
	want := `- operation Hum: operation
~ Sing input Key: enum KeyEnum → enum KeyEnum, required
- Sing input Old: string
+ Sing input Tempo: integer
~ Sing output Count: integer → string
+ operation Whistle: operation
+ structure Pitch: structure
+ Voice Pitch: structure Pitch
- enum KeyEnum MINOR: value
+ enum KeyEnum MODAL: value
~ error HoarseException: client fault → server fault
- error MuteException: server fault
+ error TiredException: client fault
testdata/sdk: 2 operations, 13 differences from the model
`
	if code != exitDrifted || stdout != want || stderr != "" {
		t.Errorf("exit code %d, stderr %q, output:\n%s", code, stderr, stdout)
	}
	code, stdout, _ = drift(append(slices.Clone(fixture), "--json")...)
	var r result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitDrifted {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if len(r.Differences) != 13 || r.Operations != 2 || r.Differences[1] != (difference{"Sing input Key", "enum KeyEnum", "enum KeyEnum, required"}) {
		t.Errorf("%+v", r)
	}
}

// TestModelIsItself: the committed model, read, does not differ from itself, and is all there.
func TestModelIsItself(t *testing.T) {
	t.Parallel()
	m, err := readModel(filepath.Join("..", "..", "fastpath", "model", "kms.json"))
	if err != nil {
		t.Fatal(err)
	}
	if d := compare(m, m); len(d) > 0 {
		t.Errorf("%v", d)
	}
	if len(m.Operations) < 56 || len(m.Errors) < 40 || len(m.Enums) < 20 || len(m.Structures) < 10 {
		t.Errorf("%d operations, %d errors, %d enums, %d structures", len(m.Operations), len(m.Errors), len(m.Enums), len(m.Structures))
	}
	if got := m.Operations["CreateKey"].Input["Tags"].Type; got != "list of structure Tag" {
		t.Errorf("the type of CreateKey's Tags is %q", got)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no such model":    {[]string{"--model", "absent.json"}, exitFailed, "reading the model"},
		"no SDK there":     {[]string{"--model", fixture[1], "--sdk", "testdata"}, exitFailed, "not laid out as an SDK's"},
		"unknown flag":     {[]string{"--models", "x"}, exitUsage, "flag provided but not defined"},
		"an argument":      {[]string{"x"}, exitUsage, "takes flags only"},
		"model is no JSON": {[]string{"--model", "main.go"}, exitFailed, "reading the model"},
	} {
		code, _, stderr := drift(c.args...)
		if code != c.code || !strings.Contains(stderr, c.text) {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}
