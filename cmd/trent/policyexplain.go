package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"trent/fastpath"
	"trent/fastpath/audit"
)

func newPolicyExplainCommand(e *environment) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain REQUEST-ID",
		Short: "Tell why a request was allowed or denied",
		Long: `Explain looks up a request in the log of decisions and tells who asked for what, whether it was allowed, and by which
statement of which policy, or by which grant. The request id is that of the answer's x-amzn-RequestId header, which SDKs
name in their errors and records have as requestID. A request that needs several permissions has a decision for each.
It works with a running server, and on the data directory of one that was stopped.`,
		Example: `  trent policy explain 7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01
  trent policy explain --json --data-dir ./kms 7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("wants one request id"), undecidedHint)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			decided, err := decisionsOf(c.Context(), dir, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.Stdout, decided)
			}
			for i := range decided {
				if i > 0 {
					fmt.Fprintln(e.Stdout)
				}
				if _, err := fmt.Fprint(e.Stdout, decisionText(&decided[i])); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list of decisions")
	return c
}

const undecidedHint = "the request id is that of the answer's x-amzn-RequestId header; --data-dir names the server's data directory"

// decisionsOf asks the running server, or else reads what is on disk.
func decisionsOf(ctx context.Context, dir, requestID string) ([]fastpath.DecidedRequest, error) {
	if _, err := liveServer(ctx, dir); err == nil {
		var decided []fastpath.DecidedRequest
		err := command(ctx, dir, "policy-explain", map[string]string{"requestId": requestID}, &decided, undecidedHint)
		var refused *exitError
		if errors.As(err, &refused) && strings.Contains(refused.Error(), fastpath.ErrUndecided.Error()) {
			return nil, failure(fastpath.ErrUndecided, undecidedHint)
		}
		return decided, err
	}
	log := filepath.Join(dir, "decisions")
	entries, err := audit.FindDecisions(log, requestID)
	if errors.Is(err, audit.ErrRequestID) {
		return nil, usageError(err, undecidedHint)
	}
	if err != nil {
		return nil, failure(err, "")
	}
	decided, err := fastpath.ExplainDecided(entries, func(hash string) (string, error) { return audit.ReadPolicy(log, hash) })
	if err != nil {
		return nil, failure(err, undecidedHint)
	}
	return decided, nil
}

// decisionText is a decision for people, in lines.
func decisionText(d *fastpath.DecidedRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  request   %s\n  time      %s\n  caller    %s\n  action    %s\n  resource  %s\n", d.Reason, d.RequestID, d.Time, d.Caller, d.Action, d.Resource)
	for _, p := range []*fastpath.DecidingPolicy{d.Policy, d.Also} {
		if p == nil {
			continue
		}
		fmt.Fprintf(&b, "\n%s, sha256 %s, Statement[%d]\n", p.Kind, p.Hash[:12], p.Index)
		if p.Statement == nil {
			b.WriteString("  (the policy's text was not kept)\n")
			continue
		}
		b.WriteString("  " + indented(p.Statement) + "\n")
	}
	return b.String()
}

// indented is JSON for people, within lines that begin with two spaces.
func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "  ", "  ") != nil {
		return string(raw)
	}
	return out.String()
}
