package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"trent/fastpath/authz"
)

func newPolicyCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Check policies, and ask what they decide",
		Example: `  trent policy check key-policy.json
  trent policy simulate --principal arn:aws:iam::111122223333:role/App --action kms:Decrypt --resource alias/app
  trent policy explain 7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyCheckCommand(e), newPolicyExplainCommand(e), newPolicySimulateCommand(e))
	return c
}

// policyKinds are the words of --kind.
var policyKinds = []struct {
	name string
	kind authz.Kind
}{
	{"key", authz.KindKey}, {"identity", authz.KindIdentity}, {"boundary", authz.KindBoundary}, {"session", authz.KindSession},
	{"scp", authz.KindServiceControl}, {"rcp", authz.KindResourceControl}, {"endpoint", authz.KindEndpoint}, {"trust", authz.KindTrust},
}

func policyKindNames() string {
	names := make([]string, len(policyKinds))
	for i := range policyKinds {
		names[i] = policyKinds[i].name
	}
	return strings.Join(names, ", ")
}

// maxPolicyFile is more bytes than a policy of any kind may have, so that what is too large is still reported as such.
const maxPolicyFile = 1 << 20

// policyFinding is a line of the check's output.
type policyFinding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

func newPolicyCheckCommand(e *environment) *cobra.Command {
	var kind, account string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Find mistakes in policies",
		Long: `Check reads policy documents and prints what is wrong with them, a line each:

  FILE:LINE:COLUMN: SEVERITY: what is wrong and what to do [CODE]

An error is refused by the service, or cannot do what it says; a warning is likely not what was meant; a suggestion
says how to write the same better. The exit code is 1 if there is an error, 0 without one, and 2 for files that cannot be
read. The file - is standard input.`,
		Example: `  trent policy check key-policy.json
  trent policy check --kind identity --json developers.json administrators.json
  trent policy check --account 111122223333 key-policy.json   # finds ARNs of keys of other accounts
  aws kms get-key-policy --key-id alias/app --query Policy --output text | trent policy check -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(errors.New("no file was given"), "name files with policies, or - for standard input")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			at := slices.IndexFunc(policyKinds, func(k struct {
				name string
				kind authz.Kind
			}) bool {
				return k.name == kind
			})
			if at < 0 {
				return usageError(fmt.Errorf("there is no kind of policy %q", kind), "--kind is one of "+policyKindNames())
			}
			if account != "" && (len(account) != 12 || strings.Trim(account, "0123456789") != "") {
				return usageError(fmt.Errorf("%q is no account", account), "--account has 12 digits, such as 111122223333")
			}
			return e.checkPolicies(args, policyKinds[at].kind, authz.LintOptions{Account: account}, asJSON)
		},
	}
	c.Flags().StringVar(&kind, "kind", "key", "what the policies are: "+policyKindNames())
	c.Flags().StringVar(&account, "account", "", "account that owns the key, 12 digits (default: not known)")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list of findings")
	return c
}

func (e *environment) checkPolicies(files []string, kind authz.Kind, o authz.LintOptions, asJSON bool) error {
	all := []policyFinding{}
	failed := 0
	for _, name := range files {
		doc, err := e.readPolicy(name)
		if err != nil {
			return usageError(fmt.Errorf("reading a policy: %w", err), "")
		}
		if name == "-" {
			name = "stdin"
		}
		for _, f := range authz.Lint(kind, doc, o) {
			if f.Severity == authz.Failure {
				failed++
			}
			all = append(all, policyFinding{name, f.Line, f.Column, f.Severity.String(), f.Code, f.Message})
		}
	}
	if err := e.printFindings(all, asJSON); err != nil {
		return err
	}
	if failed > 0 {
		return &exitError{Code: exitFailed}
	}
	return nil
}

func (e *environment) readPolicy(name string) ([]byte, error) {
	in := e.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxPolicyFile+1))
	if err == nil && len(doc) > maxPolicyFile {
		err = fmt.Errorf("%s has more than %d bytes, which no policy has", name, maxPolicyFile)
	}
	return doc, err
}

func (e *environment) printFindings(all []policyFinding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for _, f := range all {
		if _, err := fmt.Fprintf(e.Stdout, "%s:%d:%d: %s: %s [%s]\n", f.File, f.Line, f.Column, f.Severity, f.Message, f.Code); err != nil {
			return err
		}
	}
	return nil
}
