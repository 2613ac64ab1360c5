package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/fastpath"
)

// simulateFlags are what `trent policy simulate` is asked.
type simulateFlags struct {
	query               fastpath.SimulateQuery
	contexts, condition []string
	dir, policy         string
	files               simulateFiles
	asJSON              bool
}

func newPolicySimulateCommand(e *environment) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate --principal ARN --action ACTION",
		Short: "Tell whether a principal would be allowed an action, and why",
		Long: `Simulate decides as a request would be decided, changes nothing, and tells which statement decided and why each
other one does not apply.

With a running server it takes the server's keys, principals, policies and grants; --policy tries another policy for the
key. A role's own ARN stands for a session of it. With policies from files (--key-policy, --identity-policy, ...) no server is asked: what is not given is not there, but
for the key policy, which is then the default one; facts of the key, such as kms:KeySpec or aws:ResourceTag/NAME, are given
by --condition. The exit code is 0 for allowed, 3 for denied.`,
		Example: `  trent policy simulate --principal arn:aws:iam::111122223333:role/App --action kms:Decrypt --resource alias/app --context tenant=7
  trent policy simulate --principal arn:aws:iam::111122223333:user/ann --action kms:Encrypt --resource alias/app --policy new-policy.json
  trent policy simulate --key-policy key.json --identity-policy ann.json --principal arn:aws:iam::111122223333:user/ann \
    --action kms:Decrypt --condition aws:SourceIp=203.0.113.7 --condition aws:PrincipalTag/team=blue`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			simulated, err := f.run(c.Context(), e, c.Flags().Changed("region"))
			if err != nil {
				return err
			}
			if f.asJSON {
				err = printJSON(e.Stdout, simulated)
			} else {
				_, err = fmt.Fprint(e.Stdout, simulationText(simulated))
			}
			if err == nil && !simulated.Allowed {
				err = &exitError{Code: exitDenied}
			}
			return err
		},
	}
	f.bind(c, e)
	return c
}

func (f *simulateFlags) bind(c *cobra.Command, e *environment) {
	p := c.Flags()
	p.StringVar(&f.query.Principal, "principal", "", "who calls: ARN of an account, user, role or session, 12 digits, or a service")
	p.StringVar(&f.query.Action, "action", "", "such as kms:Encrypt")
	p.StringVar(&f.query.Resource, "resource", "", "ARN or id of the key, or alias (default without a server: a key of the principal's account)")
	p.StringVar(&f.query.Region, "region", "us-east-1", "Region of the request (default with a server: its own)")
	p.StringArrayVar(&f.contexts, "context", nil, "pair of the encryption context, NAME=VALUE; can be repeated")
	p.StringArrayVar(&f.condition, "condition", nil, "condition key of the request, KEY=VALUE; can be repeated, also for further values")
	p.StringVar(&f.policy, "policy", "", "file with a policy in place of the key's on the server")
	p.StringVar(&f.dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	p.StringVar(&f.files.key, "key-policy", "", "file with the key policy; no server is asked")
	p.StringArrayVar(&f.files.identity, "identity-policy", nil, "file with an identity policy of the principal; can be repeated")
	p.StringVar(&f.files.boundary, "boundary", "", "file with the principal's permissions boundary")
	p.StringArrayVar(&f.files.session, "session-policy", nil, "file with a session policy; can be repeated")
	p.StringArrayVar(&f.files.serviceControl, "scp", nil, "file with a service control policy of the principal's account; can be repeated, all are of one level")
	p.StringArrayVar(&f.files.resourceControl, "rcp", nil, "file with a resource control policy of the key's account; can be repeated, all are of one level")
	p.StringVar(&f.files.endpoint, "endpoint-policy", "", "file with the policy of the VPC endpoint that the request comes through")
	p.BoolVar(&f.asJSON, "json", false, "print JSON")
}

// run asks the server, or the files.
func (f *simulateFlags) run(ctx context.Context, e *environment, region bool) (*fastpath.Simulated, error) {
	q := &f.query
	if q.Principal == "" || q.Action == "" {
		return nil, usageError(errors.New("--principal and --action are required"), "see 'trent policy simulate --help'")
	}
	pairs, err := namedValues("--context", f.contexts)
	if err != nil {
		return nil, err
	}
	q.Context = map[string]string{}
	for name, values := range pairs {
		if len(values) > 1 {
			return nil, usageError(fmt.Errorf("the encryption context has %q twice", name), "")
		}
		q.Context[name] = values[0]
	}
	if q.Conditions, err = namedValues("--condition", f.condition); err != nil {
		return nil, err
	}
	if f.files.any() {
		if f.policy != "" {
			return nil, usageError(errors.New("--policy is for a server's key, --key-policy for none: both were given"), "leave one of them out")
		}
		return f.files.simulate(e, q, time.Now())
	}
	if f.policy != "" {
		text, err := e.readPolicy(f.policy)
		if err != nil {
			return nil, usageError(fmt.Errorf("reading a policy: %w", err), "")
		}
		q.Policy = string(text)
	}
	info, err := liveServer(ctx, f.dir)
	if err != nil {
		return nil, failure(err, "start one with 'trent serve', or give policies as files, such as --key-policy key.json")
	}
	if !region {
		q.Region = info.Region
	}
	var simulated fastpath.Simulated
	err = command(ctx, f.dir, "policy-simulate", q, &simulated, "see 'trent policy simulate --help'")
	return &simulated, err
}

// namedValues splits NAME=VALUE.
func namedValues(flag string, list []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, text := range list {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, usageError(fmt.Errorf("%s %q is not NAME=VALUE", flag, text), "")
		}
		out[name] = append(out[name], value)
	}
	return out, nil
}

func simulationText(s *fastpath.Simulated) string {
	var b strings.Builder
	b.WriteString(s.Report())
	if len(s.Notes) > 0 {
		b.WriteString("\nNotes\n")
	}
	for _, n := range s.Notes {
		b.WriteString("  " + n + "\n")
	}
	return b.String()
}
