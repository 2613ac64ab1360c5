package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"trent/fastpath/frontend"
)

func noEnv(string) string { return "" }

func load(t *testing.T, yaml string, args ...string) (settings, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	d := defaultSettings(noEnv)
	d.bind(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	file := ""
	if yaml != "" {
		file = filepath.Join(t.TempDir(), "trent.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return loadSettings(fs, file, noEnv)
}

func TestFlagsWinOverTheFile(t *testing.T) {
	t.Parallel()
	s, err := load(t, "listen: 127.0.0.1:1\nworkers: 7\nregions: [eu-west-1, us-east-1]\nidle_timeout: 90s\nnames: [a.test]\n",
		"--listen", "127.0.0.1:2", "--names", "b.test,c.test")
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "127.0.0.1:2" || s.Workers != 7 || s.IdleTimeout != 90*time.Second {
		t.Errorf("got %+v", s)
	}
	if !slices.Equal(s.Regions, []string{"eu-west-1", "us-east-1"}) || !slices.Equal(s.Names, []string{"b.test", "c.test"}) {
		t.Errorf("lists: %v %v", s.Regions, s.Names)
	}
	for _, mode := range []frontend.PQ{frontend.PQPrefer, frontend.PQRequire, frontend.PQOff} {
		if s, err := load(t, "pq: "+mode.String()+"\n"); err != nil || s.PQ != mode {
			t.Errorf("%v: %v, %v", mode, s.PQ, err)
		}
	}
	if d := defaultSettings(noEnv); s.CacheKeys != d.CacheKeys {
		t.Errorf("a default was lost: %d", s.CacheKeys)
	}
}

func TestConfigErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":        {"listen: 127.0.0.1:1\nlisten_on: x\n", "[2:1]"},
		"unknown nested key": {"credentials:\n  - access_key_id: A\n    secret: hidden-value\n", "[3:5]"},
		"wrong type":         {"workers: many\n", "[1:10] this must be a whole number"},
		"too large":          {"workers: 99999999999999999999\n", "[1:10] this must be a whole number"},
		"not a truth":        {"test_clock: maybe\n", "[1:13] this must be true or false"},
		"no unit":            {"idle_timeout: 5\n", "[1:15] this must be a time such as 5s or 10m"},
		"list of times":      {"idle_timeout: [5]\n", "[1:15] this must be a time such as 5s or 10m"},
		"list of texts":      {"listen: [a]\n", "[1:9] this must be text"},
		"not a list":         {"names: x\n", "[1:8] this must be a list"},
		"not a rule":         {"faults: [5]\n", "[1:10] this must be keys and values"},
		"twice":              {"workers: 1\nworkers: 2\n", "[2:1]"},
		"broken":             {"listen: [\n", "[1:"},

		"unknown outcome":  {"custom_key_store_backends:\n  clusters:\n  - id: cluster-2345672345a\n    outcomes:\n      connect:\n      - error: SOMETHING\n", "[6:16]"},
		"unknown call":     {"custom_key_store_backends:\n  proxies:\n  - endpoint: https://x\n    path: /kms/xks/v1\n    outcomes:\n      ping: []\n", "[6:"},
		"not a cluster":    {"custom_key_store_backends:\n  clusters:\n  - id: x\n", "[3:9]"},
		"not modeled":      {"faults:\n- operation: Encrypt\n  error: KMSInternalException\n- operation: Encrypt\n  error: TagException\n", "[4:"},
		"empty fault":      {"faults:\n- error: KMSInternalException\n", "[2:"},
		"nested key":       {"custom_key_store_backends:\n  clusters:\n  - id: x\n    kmsuser_pass: hidden-value\n", "[4:5]"},
		"no such duration": {"transitions:\n  updating: soon\n", "[2:13]"},
		"nor such a delay": {"idle_timeout: 90 s\n", "[1:15]"},
		"no such size":     {"audit:\n  gzip: true\n  max_total: 5Gigs\n", "[3:14] expected bytes"},
		"no such rule":     {"audit:\n  on_full: wait\n", "[2:12] audit.on_full: must be drop or block"},
		"too small":        {"audit: {rotate_bytes: 5}\n", "[1:23]"},
		"negative":         {"transitions:\n  updating: -1s\n", "[2:13]"},
	} {
		_, err := load(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want the place %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hidden-value") {
			t.Errorf("%s: the text quotes a secret: %v", name, err)
		}
		if exitCode(err) != exitUsage {
			t.Errorf("%s: exit code %d", name, exitCode(err))
		}
	}
	if _, err := load(t, "# nothing but a comment\n"); err != nil {
		t.Errorf("a file without settings: %v", err)
	}
}

// What audit leaves out is as usual; a flag sets one thing, and leaves the others.
func TestAuditSettings(t *testing.T) {
	t.Parallel()
	s, err := load(t, "audit: {gzip: true, max_total: 5 GiB}\n", "--audit", "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Audit; !a.Gzip || a.MaxTotal != 5<<30 || !a.Throttled || a.OnFull != "drop" || a.Dir != "/elsewhere" || a.Off || a.RotateEvery != 5*time.Minute {
		t.Errorf("%+v", a)
	}
	if o := s.Audit.options("/data"); o.Records.Dir != "/elsewhere" || o.Unthrottled || o.SecurityLog != "/data/security/security.log" {
		t.Errorf("%+v", o)
	}
	if s, err := load(t, "", "--audit", "off"); err != nil || s.Audit.options("/data").Records != nil {
		t.Errorf("%+v, %v", s.Audit, err)
	}
}

// The example of serve's help is a config file, once its indentation is off.
func TestConfigExample(t *testing.T) {
	t.Parallel()
	s, err := load(t, strings.ReplaceAll("\n"+configExample, "\n  ", "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !s.TestClock || len(s.Credentials) != 1 || len(s.Backends.Clusters) != 1 || len(s.Backends.Proxies) != 1 || len(s.Faults) != 1 || s.Transitions.Creating != 5*time.Second {
		t.Errorf("%+v", s)
	}
}

// Every flag of serve has a key in the file, and every key but the credentials is a flag.
func TestFlagsAndKeysMatch(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	d := defaultSettings(noEnv)
	d.bind(fs)
	keys := map[string]bool{}
	typ := reflect.TypeFor[settings]()
	for i := range typ.NumField() {
		if key := typ.Field(i).Tag.Get("yaml"); key != "" {
			keys[key] = true
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		key := strings.ReplaceAll(f.Name, "-", "_")
		if !keys[key] {
			t.Errorf("flag --%s has no key %s", f.Name, key)
		}
		delete(keys, key)
	})
	for _, key := range []string{"credentials", "policies", "accounts", "service_credentials", "custom_key_store_backends", "faults", "transitions", "vpc_endpoints"} { // of the file only
		delete(keys, key)
	}
	for key := range keys {
		t.Errorf("key %s has no flag", key)
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "listen: x\n", "credentials:\n- access_key_id: a\n", "names: [a, b]\n", "a: &a [*a]\n", "workers: 1e9\n", "\x00",
		"custom_key_store_backends:\n  clusters:\n  - id: cluster-1\n    hsms: 1\n    outcomes: {connect: [{error: NETWORK_ERRORS, times: 1}]}\n",
		"custom_key_store_backends:\n  proxies:\n  - endpoint: https://x\n    path: /kms/xks/v1\n    keys: [{id: a, usage: [ENCRYPT]}]\n",
		"faults:\n- operation: Encrypt\n  error: KMSInternalException\n  probability: .nan\n", "transitions: {creating: 5s, updating: -1s}\n",
		"faults: [{}]\n", "custom_key_store_backends: {clusters: [{outcomes: {connect: [{delay: 1}]}}]}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := defaultSettings(noEnv)
		if err := parseConfig([]byte(text), &s); err == nil && s.check() != nil {
			t.Error("a configuration was taken that is not right")
		}
	})
}
