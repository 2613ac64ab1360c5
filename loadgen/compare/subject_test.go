package compare_test

import (
	"slices"
	"strings"
	"testing"

	"trent/loadgen/compare"
	"trent/results"
)

func TestParseSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, kind, name string
		program          string
		args, env        []string
	}{
		{"https://127.0.0.1:8443", results.EndpointSubject, "127.0.0.1:8443", "", nil, nil},
		{" http://localhost:8080/ ", results.EndpointSubject, "localhost:8080", "", nil, nil},
		{"./bin/trent-old", results.TrentSubject, "trent-old", "./bin/trent-old", nil, nil},
		{"./bin/trent serve --flag x", results.TrentSubject, "trent --flag x", "./bin/trent", []string{"--flag", "x"}, nil},
		{`GOGC=50 self --note "two words" --x=it\'s`, results.TrentSubject, "self --note two words --x=it's", "self", []string{"--note", "two words", "--x=it's"}, []string{"GOGC=50"}},
		{`'a b/trent' ''`, results.TrentSubject, "trent ", "a b/trent", []string{""}, nil},
	} {
		s, err := compare.ParseSubject(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if s.Kind != c.kind || s.Name != c.name || s.Spawn.Program != c.program || !slices.Equal(s.Spawn.Args, c.args) || !slices.Equal(s.Spawn.Env, c.env) {
			t.Errorf("%q: %+v, want %+v", c.text, s, c)
		}
	}
	for text, want := range map[string]string{
		"":                              "no program",
		"A=1 B=2":                       "no program",
		`trent "open`:                   "not closed",
		`trent \`:                       "backslash",
		"trent --listen 127.0.0.1:1":    "--listen is set by the comparison",
		"trent serve --data-dir=/tmp/x": "--data-dir is set by the comparison",
	} {
		if _, err := compare.ParseSubject(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{"https://h:1", `A=1 x "y z" 'q' \ `, "trent --x=y", "''"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := compare.ParseSubject(text)
		if err == nil && s.Kind == results.TrentSubject && s.Spawn.Program == "" {
			t.Errorf("%q was taken for a build without a program", text)
		}
	})
}

func TestSizes(t *testing.T) {
	t.Parallel()
	sizes := map[string]int{"Encrypt": 400, "Decrypt": 0}
	if text := compare.FormatSizes(sizes); text != "Decrypt=0,Encrypt=400" {
		t.Errorf("FormatSizes = %q", text)
	}
	for _, bad := range []string{"", "Encrypt", "Encrypt=-1", "Encrypt=x", "=5", "Encrypt=99999999"} {
		if _, err := compare.ParseSizes(bad); err == nil {
			t.Errorf("ParseSizes(%q) gave no error", bad)
		}
	}
}
