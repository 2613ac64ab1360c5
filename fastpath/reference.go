package fastpath

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"trent/fastpath/model"
	"trent/fastpath/operation"
)

// Reference is what a user may want to know of one operation: the table's row and, from the API's model, its
// parameters and errors.
type Reference struct {
	operation.Row

	DryRun     bool        `json:"dryRun"`
	Parameters []Parameter `json:"parameters"`
	// Errors are the modeled ones. Any operation may answer the common ones besides, as at the service.
	Errors       []string `json:"errors"`
	CommonErrors []string `json:"commonErrors"`
}

// Parameter is one member of an operation's request.
type Parameter struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Honoured bool   `json:"honoured"`
	Note     string `json:"note,omitempty"` // why it is not honoured
}

// References lists all operations in alphabetical order.
func References() []Reference {
	modeled := map[string]model.Operation{}
	for _, op := range model.Operations() {
		modeled[op.Name] = op
	}
	var common []string
	for _, e := range model.Errors() {
		if !e.Modeled {
			common = append(common, e.Name)
		}
	}
	rows := operation.Rows()
	all := make([]Reference, len(rows))
	for i, row := range rows {
		op := modeled[row.Name]
		r := Reference{Row: row, Errors: op.Errors, CommonErrors: common, Parameters: []Parameter{}}
		for _, m := range model.ShapeOf(op.Input).Members {
			p := Parameter{Name: m.Name, Required: m.Required, Honoured: row.Implemented, Note: row.Unused[m.Name]}
			if p.Note != "" {
				p.Honoured = false
			}
			r.DryRun = r.DryRun || m.Name == "DryRun"
			r.Parameters = append(r.Parameters, p)
		}
		all[i] = r
	}
	return all
}

// abbreviations of the errors that most operations have, as the table's head explains them.
var abbreviations = []struct{ short, name string }{
	{"DT", "DependencyTimeoutException"}, {"KI", "KMSInternalException"}, {"NF", "NotFoundException"}, {"IA", "InvalidArnException"},
	{"IS", "KMSInvalidStateException"}, {"DI", "DisabledException"}, {"KU", "KeyUnavailableException"}, {"IU", "InvalidKeyUsageException"},
	{"GT", "InvalidGrantTokenException"}, {"DR", "DryRunOperationException"}, {"UO", "UnsupportedOperationException"},
	{"LE", "LimitExceededException"}, {"IM", "InvalidMarkerException"},
}

// stateLetters are the columns' order of keyStates in the table.
var stateLetters = []struct{ short, state string }{
	{"En", "Enabled"}, {"Di", "Disabled"}, {"PD", "PendingDeletion"}, {"PI", "PendingImport"}, {"Un", "Unavailable"}, {"Cr", "Creating"}, {"Up", "Updating"},
}

// WriteMarkdown writes the table of all operations for people.
func WriteMarkdown(w io.Writer) error {
	all := References()
	var b strings.Builder
	done := 0
	for i := range all {
		if all[i].Implemented {
			done++
		}
	}
	fmt.Fprintf(&b, "%d of %d operations. Parameters in *italics* are taken and not acted on, for the reason given. ", done, len(all))
	b.WriteString("States are those of the key in which the operation runs; in others it answers DisabledException or KMSInvalidStateException (its\n")
	b.WriteString("origin, spec and usage may refuse it besides). `trent ops --json` has more: the answer in every state, what is required, common errors.\n\n")
	b.WriteString("Flags: **a** takes aliases, **x** works across accounts, **w** writes, **r** is safe to retry, **d** has DryRun. Errors, without `Exception`:")
	for i, a := range abbreviations {
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Fprintf(&b, "%s %s %s", separator, a.short, strings.TrimSuffix(a.name, "Exception"))
	}
	b.WriteString(".\n\n| operation | flags | parameters | states | errors |\n|---|---|---|---|---|\n")
	for i := range all {
		all[i].writeRow(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Reference) writeRow(b *strings.Builder) {
	if !r.Implemented {
		fmt.Fprintf(b, "| %s | not in this version | | | |\n", r.Name)
		return
	}
	var flags strings.Builder
	for _, f := range []struct {
		letter string
		set    bool
	}{{"a", r.Aliases}, {"x", r.CrossAccount}, {"w", r.Write}, {"r", r.SafeToRetry}, {"d", r.DryRun}} {
		if f.set {
			flags.WriteString(f.letter)
		}
	}
	parameters := make([]string, len(r.Parameters))
	for i, p := range r.Parameters {
		parameters[i] = p.Name
		if !p.Honoured {
			parameters[i] = "*" + p.Name + "* (" + p.Note + ")"
		}
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", r.Name, flags.String(), strings.Join(parameters, ", "), r.states(), r.errors())
}

func (r *Reference) states() string {
	if r.States == nil {
		return "no key"
	}
	var in []string
	for _, s := range stateLetters {
		if r.States[s.state] == "ok" {
			in = append(in, s.short)
		}
	}
	if len(in) == len(stateLetters) {
		return "all"
	}
	return strings.Join(in, " ")
}

func (r *Reference) errors() string {
	var common, own []string
	short := map[string]bool{}
	for _, a := range abbreviations {
		short[a.name] = true
		if slices.Contains(r.Errors, a.name) {
			common = append(common, a.short)
		}
	}
	for _, e := range r.Errors {
		if !short[e] {
			own = append(own, strings.TrimSuffix(e, "Exception"))
		}
	}
	text := strings.Join(common, " ")
	if len(own) > 0 {
		text += "; " + strings.Join(own, ", ")
	}
	return text
}
