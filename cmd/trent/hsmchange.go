package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/operator"
)

// change is what a person may want of a domain: a verb of both 'trent hsm domain' and 'trent hsm quorum propose'.
type change struct {
	name, short, long, example string
	flags                      func(f *changeFlags, fs *pflag.FlagSet)
	// build is the command, s the state that it applies to.
	build func(ctx context.Context, f *changeFlags, s *hsm.DomainState) (operator.Command, error)
	first bool // there is no state yet
}

// changeFlags are those of all changes; each declares its own.
type changeFlags struct {
	stateFlags
	name              string
	modules           []string // files
	add, addHosts     []string // files
	remove            []string // names or fingerprints
	quorum, threshold int
	rotation          time.Duration
	rules             []string
	version           uint32
	tokens            uint64
	counted           string
	shares            []string
	backup            string
	life              time.Duration
}

func (f *changeFlags) bindCreate(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", "", "name of the domain: lower-case letters, digits and hyphens (required)")
	fs.StringArrayVar(&f.modules, "module", nil, "file of another first member ('trent hsm domain identity'); may be repeated")
	fs.StringArrayVar(&f.add, "operator", nil, "public file of an operator ('trent hsm quorum keygen'); may be repeated (required)")
	fs.StringArrayVar(&f.addHosts, "host", nil, "public file of a service host; may be repeated")
	f.bindQuorum(fs)
	f.bindRules(fs, 24*time.Hour)
}

func (f *changeFlags) bindQuorum(fs *pflag.FlagSet) {
	fs.IntVar(&f.quorum, "quorum", 0, "operators who must sign a command (default: more than half, at least two of two)")
	fs.IntVar(&f.threshold, "shares", 0, "operators whose shares recover the domain (default: as many as must sign)")
}

func (f *changeFlags) bindRules(fs *pflag.FlagSet, rotation time.Duration) {
	fs.StringArrayVar(&f.rules, "rule", nil, `another rule for one command, such as "modify-rules=3 operators" or "rotate-keys=2 operators or 1 host"; may be repeated`)
	fs.DurationVar(&f.rotation, "rotate-every", rotation, "period in which domain keys rotate, a week at most")
}

// modulesOf reads the files of modules, and asks the appliances that are named.
func (f *changeFlags) modulesOf(ctx context.Context, states []string) ([]hsm.DomainHSM, error) {
	var all []hsm.DomainHSM
	for _, state := range states {
		id, err := appliance.NewConsole(state).Identity(ctx)
		if err != nil {
			return nil, noConsole(err, state)
		}
		all = append(all, id.HSM)
	}
	for _, name := range f.modules {
		b, err := readSmall(name, maxTokenFile)
		if err != nil {
			return nil, err
		}
		m, err := operator.ParseModule(b)
		if err != nil {
			return nil, usageError(fmt.Errorf("%s: %w", name, err), "'trent hsm domain identity --state DIR' writes one")
		}
		all = append(all, m)
	}
	return all, nil
}

// signersOf reads public files and wants a role of each.
func signersOf(files []string, role operator.Role) ([]hsm.DomainPrincipal, error) {
	var all []hsm.DomainPrincipal
	for _, name := range files {
		b, err := readSmall(name, maxTokenFile)
		if err != nil {
			return nil, err
		}
		p, err := operator.ParsePrincipal(b)
		if err == nil && p.Role != role {
			err = fmt.Errorf("its role is %s, wanted is %s", p.Role, role)
		}
		if err != nil {
			return nil, usageError(fmt.Errorf("%s: %w", name, err), "'trent hsm quorum keygen' makes one (NAME.pub)")
		}
		all = append(all, p)
	}
	return all, nil
}

// without removes what has one of the names or fingerprints; each must be there.
func without[T any](all []T, remove []string, name func(T) (string, string)) ([]T, error) {
	out := slices.Clone(all)
	for _, r := range remove {
		n := len(out)
		out = slices.DeleteFunc(out, func(x T) bool {
			is, f := name(x)
			return is == r || f == strings.ToLower(r)
		})
		if len(out) == n {
			return nil, usageError(fmt.Errorf("%q is not listed", r), "'trent hsm domain show' lists names and fingerprints")
		}
	}
	return out, nil
}

func moduleName(m hsm.DomainHSM) (string, string) {
	return m.Name, operator.FingerprintOf(m.Signing).String()
}

func signerName(p hsm.DomainPrincipal) (string, string) {
	return p.Name, operator.FingerprintOf(p.Signing).String()
}

func countOperators(all []hsm.DomainPrincipal) int {
	n := 0
	for _, p := range all {
		if p.Role == operator.Operator {
			n++
		}
	}
	return n
}

// majority is more than half, at least two where there are two.
func majority(operators int) int { return max(min(2, operators), operators/2+1) }

// minRotation is the shortest period that can go on for ever: a domain has room for 64 keys, and each stays a day after its end,
// for tokens that no store holds.
const minRotation = 30 * time.Minute

func (f *changeFlags) checkRotation() error {
	if f.rotation != 0 && f.rotation < minRotation {
		return usageError(fmt.Errorf("--rotate-every %v would fill the domain: it has room for 64 keys, and each stays for a day after its end", f.rotation), "give "+minRotation.String()+" to 168h")
	}
	return nil
}

// newRules are what the flags ask for with so many operators.
func (f *changeFlags) newRules(operators int) ([]hsm.DomainRule, error) {
	quorum := f.quorum
	if quorum == 0 {
		quorum = majority(operators)
	}
	if quorum < 1 || quorum > operators {
		return nil, usageError(fmt.Errorf("%d of %d operators cannot be a quorum", quorum, operators), "give --quorum a number that they can reach")
	}
	return f.applyRules(operator.QuorumRules(quorum))
}

// applyRules changes rules one by one, as --rule says.
func (f *changeFlags) applyRules(rules []hsm.DomainRule) ([]hsm.DomainRule, error) {
	rules = slices.Clone(rules)
	for _, text := range f.rules {
		command, takes, ok := strings.Cut(text, "=")
		i := slices.IndexFunc(rules, func(r hsm.DomainRule) bool { return r.Command.String() == strings.TrimSpace(command) })
		if !ok || i < 0 {
			return nil, usageError(fmt.Errorf("--rule %q names no command", text), `write it like "modify-members=3 operators"; 'trent hsm domain rules' lists the commands`)
		}
		parsed, err := operator.ParseRule(rules[i].Command, takes)
		if err != nil {
			return nil, usageError(fmt.Errorf("--rule %q: %w", text, err), `write it like "rotate-keys=2 operators or 1 host"`)
		}
		rules[i] = parsed
	}
	return rules, nil
}

func sameRules(a, b []hsm.DomainRule) bool {
	return slices.EqualFunc(a, b, func(x, y hsm.DomainRule) bool {
		return x.Command == y.Command && operator.RuleWords(x) == operator.RuleWords(y)
	})
}

// sharesOf reads share files.
func sharesOf(files []string) ([]*operator.Share, error) {
	var all []*operator.Share
	for _, name := range files {
		b, err := readSmall(name, maxTokenFile)
		if err != nil {
			return nil, err
		}
		s, err := operator.ParseShare(b)
		if err != nil {
			return nil, usageError(fmt.Errorf("%s: %w", name, err), "'trent hsm quorum share' writes one")
		}
		all = append(all, s)
	}
	return all, nil
}

// target is who an appliance is that runs here.
func (f *changeFlags) target(ctx context.Context) (hsm.DomainHSM, error) {
	if len(f.states) == 0 {
		return hsm.DomainHSM{}, usageError(errors.New("which module is to do it is not said"), "give --state DIR of an appliance that runs here")
	}
	id, err := appliance.NewConsole(f.states[0]).Identity(ctx)
	if err != nil {
		return hsm.DomainHSM{}, noConsole(err, f.states[0])
	}
	return id.HSM, nil
}

// countedAt parses --counted.
func (f *changeFlags) countedAt() (time.Time, error) {
	if f.counted == "" {
		return time.Time{}, usageError(errors.New("when tokens were counted is not said"), "give --counted, such as "+time.Now().UTC().Format(time.RFC3339))
	}
	t, err := time.Parse(time.RFC3339, f.counted)
	if err != nil {
		return t, usageError(fmt.Errorf("--counted %q is no time", f.counted), "write it like "+time.Now().UTC().Format(time.RFC3339))
	}
	return t, nil
}

// defaultOut names a new command file.
func defaultOut(kind operator.CommandKind, state uint64) string {
	name := kind.String()
	if state > 0 {
		name += "-" + strconv.FormatUint(state, 10)
	}
	out := name + ".command"
	for i := 2; ; i++ {
		if _, err := os.Lstat(out); err != nil {
			return out
		}
		out = name + "-" + strconv.Itoa(i) + ".command"
	}
}
