package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/operator"
)

// maxTokenFile is more bytes than any file of a domain but a log has.
const maxTokenFile = 1 << 20

// stateFlags say where the newest state of the domain is read, and which appliances are spoken to.
type stateFlags struct {
	states []string
	token  string
	server serverFlag
}

func (f *stateFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.states, "state", nil, "state directory of an appliance that runs here; may be repeated")
	fs.StringVar(&f.token, "token", "", "file with the newest domain token, instead of asking an appliance")
	f.server.bind(fs)
}

// orDefault makes the default appliance be spoken to where none is named.
func (f *stateFlags) orDefault(e *environment) {
	if len(f.states) == 0 && f.token == "" && f.server.server == "" {
		f.states = []string{defaultStateDir(e.Getenv)}
	}
}

// newest is the newest domain token, and its state.
func (f *stateFlags) newest(ctx context.Context) ([]byte, *hsm.DomainState, error) {
	token, s, err := f.newestOrNone(ctx)
	if err == nil && s == nil {
		err = usageError(errors.New("which domain is not said"), "give --state DIR of an appliance in service, --server DIR of a server, or --token FILE")
	}
	return token, s, err
}

// newestOrNone is newest, nil where no flag names any.
func (f *stateFlags) newestOrNone(ctx context.Context) ([]byte, *hsm.DomainState, error) {
	if f.token != "" {
		return readTokenFile(f.token)
	}
	if f.server.server != "" {
		return f.server.token(ctx)
	}
	if len(f.states) == 0 {
		return nil, nil, nil
	}
	token, err := appliance.NewConsole(f.states[0]).Token(ctx)
	if err != nil {
		return nil, nil, noConsole(err, f.states[0])
	}
	if token == nil {
		return nil, nil, failure(fmt.Errorf("the appliance on %s is out of service: it holds no domain token", f.states[0]),
			"create a domain by 'trent hsm domain create', or bring its newest token by 'trent hsm domain restore'")
	}
	s, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return nil, nil, failure(fmt.Errorf("reading the domain token of the appliance on %s: %w", f.states[0], err), "")
	}
	return token, s, nil
}

func readTokenFile(name string) ([]byte, *hsm.DomainState, error) {
	b, err := readSmall(name, maxTokenFile)
	if err != nil {
		return nil, nil, err
	}
	s, _, err := hsm.ParseDomainToken(b)
	if err != nil {
		return nil, nil, usageError(fmt.Errorf("%s is no domain token, or is damaged: %w", name, err),
			"hosts keep three copies of the newest, and 'trent hsm domain backup' gets it from an appliance")
	}
	return b, s, nil
}

// phrases of a domain, for programs.
type (
	memberJSON struct {
		Name        string `json:"name"`
		Fingerprint string `json:"fingerprint"`
		PostQuantum bool   `json:"post_quantum"`
	}
	signerJSON struct {
		Name        string `json:"name"`
		Role        string `json:"role"`
		Fingerprint string `json:"fingerprint"`
	}
	ruleJSON struct {
		Command string `json:"command"`
		Takes   string `json:"takes"`
	}
	keyJSON struct {
		Version   uint32     `json:"version"`
		Phase     string     `json:"phase"`
		Made      time.Time  `json:"made"`
		Activated *time.Time `json:"activated,omitempty"`
		Ended     *time.Time `json:"ended,omitempty"`
	}
	domainJSON struct {
		Domain   string       `json:"domain"`
		Name     string       `json:"name"`
		Number   uint64       `json:"number"`
		Hash     string       `json:"hash"`
		Made     time.Time    `json:"made"`
		Rotation string       `json:"rotation"`
		Shares   int          `json:"shares_to_recover"`
		Members  []memberJSON `json:"members"`
		Signers  []signerJSON `json:"signers"`
		Rules    []ruleJSON   `json:"rules"`
		Keys     []keyJSON    `json:"keys"`
		Audit    struct {
			Count uint64 `json:"count"`
			Hash  string `json:"hash"`
		} `json:"audit"`
	}
)

func newDomainJSON(s *hsm.DomainState) *domainJSON {
	hash := s.Hash()
	d := &domainJSON{Domain: hex.EncodeToString(s.Domain[:]), Name: s.Name, Number: s.Number, Hash: hex.EncodeToString(hash[:]), Made: s.Made,
		Rotation: s.Rotation.String(), Shares: int(s.Recovery.Threshold)}
	d.Audit.Count, d.Audit.Hash = s.Audit.Count, hex.EncodeToString(s.Audit.Hash[:])
	for _, m := range s.Members {
		d.Members = append(d.Members, memberJSON{m.Name, operator.FingerprintOf(m.Signing).String(), len(m.KEM) > 0})
	}
	d.Signers = signersJSON(s.Signers)
	for _, r := range s.Rules {
		d.Rules = append(d.Rules, ruleJSON{r.Command.String(), operator.RuleWords(r)})
	}
	for _, k := range s.Keys {
		j := keyJSON{Version: k.Version, Phase: k.Phase.String(), Made: k.Made}
		if !k.Activated.IsZero() {
			j.Activated = &k.Activated
		}
		if !k.Ended.IsZero() {
			j.Ended = &k.Ended
		}
		d.Keys = append(d.Keys, j)
	}
	return d
}

func signersJSON(all []hsm.DomainPrincipal) []signerJSON {
	out := make([]signerJSON, 0, len(all))
	for _, p := range all {
		out = append(out, signerJSON{p.Name, p.Role.String(), operator.FingerprintOf(p.Signing).String()})
	}
	return out
}

// printDomain is a domain for people.
func printDomain(w io.Writer, s *hsm.DomainState) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	hash := s.Hash()
	row("domain", "%s  (%x)", s.Name, s.Domain)
	row("state", "%d of %s, %x", s.Number, s.Made.UTC().Format(time.RFC3339), hash[:8])
	row("audit", "%d entries, %x", s.Audit.Count, s.Audit.Hash[:8])
	for _, m := range s.Members {
		row("member", "%s  %s", m.Name, operator.FingerprintOf(m.Signing))
	}
	for _, p := range s.Signers {
		row(p.Role.String(), "%s  %s", p.Name, operator.FingerprintOf(p.Signing))
	}
	printRules(row, s)
	for _, k := range s.Keys {
		since := k.Made
		switch {
		case !k.Ended.IsZero():
			since = k.Ended
		case !k.Activated.IsZero():
			since = k.Activated
		}
		row("key", "%d  %s since %s", k.Version, k.Phase, since.UTC().Format(time.RFC3339))
	}
	return t.Flush()
}

// printRules joins commands with the same rule.
func printRules(row func(string, string, ...any), s *hsm.DomainState) {
	var order []string
	kinds := map[string][]string{}
	for _, r := range s.Rules {
		words := operator.RuleWords(r)
		if kinds[words] == nil {
			order = append(order, words)
		}
		kinds[words] = append(kinds[words], r.Command.String())
	}
	for _, words := range order {
		row("rule", "%s: %s", words, strings.Join(kinds[words], ", "))
	}
	row("rotation", "every %v", s.Rotation)
	row("recovery", "by %d operators' shares", s.Recovery.Threshold)
}
