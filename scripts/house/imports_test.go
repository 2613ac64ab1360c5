package house_test

import (
	"bytes"
	"os/exec"
	"sort"
	"strings"
	"testing"
)

// rooms is the import table of the architecture: a room and the rooms it may import, by path below the
// module. A room covers the packages under it unless they have a row of their own; a trailing "/*" allows
// all rooms below. hsm/internal/* is granted row by row: Go itself would open it to everything under hsm.
var rooms = map[string][]string{
	"cmd": {"*"},

	"hsm":                    {"hsm/internal/*"},
	"hsm/internal/arena":     {},
	"hsm/internal/gcm":       {},
	"hsm/internal/kdf":       {},
	"hsm/internal/algorithm": {},
	"hsm/internal/reveal":    {},
	"hsm/internal/token":     {"hsm/internal/gcm", "hsm/internal/kdf", "hsm/internal/arena"},
	"hsm/internal/blob":      {"hsm/internal/gcm", "hsm/internal/kdf"},
	"hsm/internal/domain":    {"hsm/internal/token", "hsm/internal/gcm", "hsm/internal/kdf", "hsm/internal/arena", "hsm/internal/reveal"},
	"hsm/internal/session":   {"hsm/internal/gcm", "hsm/internal/kdf", "hsm/internal/arena", "hsm/internal/reveal"},
	"hsm/link":               {"hsm", "hsm/internal/session"},
	"hsm/appliance":          {"hsm", "hsm/link", "hsm/internal/session", "hsm/internal/domain"},
	"hsm/operator":           {"hsm", "hsm/internal/domain"},
	"hsm/fleet":              {"hsm", "hsm/link"},
	"hsm/host":               {"hsm", "hsm/operator"},
	"hsm/profile":            {"hsm"},
	"hsm/pkcs11":             {"hsm", "hsm/internal/token", "hsm/internal/blob"},
	"hsm/faulty":             {"hsm"},
	"hsm/hsmtest":            {"hsm"},

	"fastpath":             {"fastpath/*", "hsm", "store"},
	"fastpath/frontend":    {},
	"fastpath/model":       {},
	"fastpath/wire":        {"fastpath/model"},
	"fastpath/sigv4":       {},
	"fastpath/identity":    {"store", "fastpath/authz"},
	"fastpath/keyring":     {"store", "fastpath/authz", "hsm"},
	"fastpath/quota":       {"fastpath/model"},
	"fastpath/sts":         {"fastpath/authz", "fastpath/identity", "fastpath/sigv4", "hsm"},
	"fastpath/authz":       {},
	"fastpath/operation":   {"fastpath/wire", "fastpath/keyring", "fastpath/identity", "fastpath/authz", "fastpath/attestation", "fastpath/keystore", "fastpath/quota", "store", "hsm"},
	"fastpath/attestation": {},
	"fastpath/keystore":    {},
	"fastpath/lifecycle":   {"fastpath/keyring", "store", "hsm"},
	"fastpath/custody":     {"fastpath/keyring", "store", "hsm"},
	"fastpath/testclock":   {},
	"fastpath/netem":       {},
	"fastpath/fault":       {},
	"fastpath/audit":       {"fastpath/model"},
	"fastpath/admin":       {},
	"fastpath/console":     {},
	"fastpath/conformance": {},
	"fastpath/servertest":  {"fastpath/*", "fastpath", "hsm", "hsm/appliance", "hsm/host", "hsm/link", "store", "store/pebblestore"},

	"store":             {},
	"store/pebblestore": {"store"},
	"store/etcdstore":   {"store"},
	"store/storetest":   {"store"},
	"store/faultstore":  {"store"},

	"loadgen/workload":  {"fastpath/model", "loadgen/yamlfile"},
	"loadgen/schedule":  {},
	"loadgen/measure":   {},
	"loadgen/engine":    {"loadgen/schedule", "loadgen/workload", "loadgen/measure"},
	"loadgen/slo":       {"loadgen/measure", "loadgen/yamlfile", "results/stats"},
	"loadgen/machine":   {},
	"loadgen/yamlfile":  {},
	"loadgen/quota":     {},
	"loadgen/retry":     {},
	"loadgen/traffic":   {"loadgen/workload", "loadgen/schedule", "loadgen/yamlfile"},
	"loadgen/spawn":     {"loadgen/engine", "loadgen/machine"},
	"loadgen/scrape":    {},
	"loadgen/attack":    {"loadgen/*", "results", "results/stats"},
	"loadgen/capacity":  {"loadgen/*", "results", "results/stats"},
	"loadgen/quotatest": {"loadgen/*", "results", "results/stats"},
	"loadgen/compare":   {"loadgen/*", "results", "results/stats"},
	"loadgen/soak":      {"loadgen/*", "results", "results/stats"},
	"loadgen/replay":    {"loadgen/*", "results", "results/stats"},
	"loadgen/plan":      {"loadgen/*", "results", "results/stats"},
	"loadgen/cluster":   {"loadgen/*", "results", "results/stats"},

	"results":       {"results/stats"},
	"results/stats": {},

	"bench":   {"hsm", "hsm/*", "fastpath", "fastpath/*", "store", "store/*", "loadgen/*", "results", "results/*"},
	"scripts": {},
}

// roomOf is the longest row that covers pkg.
func roomOf(pkg string) (string, bool) {
	for p := pkg; p != "."; {
		if _, ok := rooms[p]; ok {
			return p, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return "", false
}

func allowed(from, to string) bool {
	fromRoom, _ := roomOf(from)
	toRoom, ok := roomOf(to)
	if !ok {
		return false
	}
	if fromRoom == toRoom {
		return true
	}
	for _, grant := range rooms[fromRoom] {
		if grant == "*" || grant == toRoom {
			return true
		}
		if below, ok := strings.CutSuffix(grant, "/*"); ok && strings.HasPrefix(toRoom, below+"/") {
			// hsm/internal stays closed to all but the rows that name it.
			if strings.HasPrefix(toRoom, "hsm/internal/") && below != "hsm/internal" {
				continue
			}
			return true
		}
	}
	return false
}

// imports lists "package import" pairs within the module, of the non-test sources or, with test, of the
// external and internal tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "trent/...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	graph := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "trent/")
		graph[pkg] = []string{}
		for _, imp := range fields[1:] {
			if to, ok := strings.CutPrefix(imp, "trent/"); ok {
				graph[pkg] = append(graph[pkg], to)
			}
		}
	}
	return graph
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	graph := imports(t)
	if len(graph) < 5 {
		t.Fatalf("only %d packages seen", len(graph))
	}
	pkgs := make([]string, 0, len(graph))
	for pkg := range graph {
		pkgs = append(pkgs, pkg)
	}
	sort.Strings(pkgs)
	for _, pkg := range pkgs {
		if _, ok := roomOf(pkg); !ok {
			t.Errorf("package %s stands in no row of the table", pkg)
			continue
		}
		for _, to := range graph[pkg] {
			if !allowed(pkg, to) {
				t.Errorf("%s imports %s, which the table does not allow", pkg, to)
			}
		}
	}
}

func TestTableItself(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"hsm", "hsm/internal/token", true},
		{"hsm/fleet", "hsm/internal/token", false},
		{"hsm/appliance", "hsm/internal/domain", true},
		{"bench", "hsm/internal/gcm", false},
		{"fastpath", "fastpath/operation", true},
		{"fastpath", "hsm/internal/token", false},
		{"fastpath/operation", "fastpath/frontend", false},
		{"loadgen/engine", "fastpath/sigv4", false},
		{"loadgen/workload", "fastpath/model", true},
		{"loadgen/capacity", "loadgen/engine", true},
		{"loadgen/capacity", "hsm", false},
		{"store", "store/pebblestore", false},
		{"cmd/trent", "store/pebblestore", true},
		{"nowhere", "hsm", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("%s → %s: allowed %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
