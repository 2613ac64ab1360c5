package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newAuditCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read CloudTrail records: Trent's own, or a trail's",
		Long: `Audit reads CloudTrail records, those that 'trent serve' keeps and those of real trails. Paths are files (JSON with
Records, or a record a line; gzip or not), directories with such files, files in progress among them, or - for standard input.
Without a path it reads what the server of --data-dir keeps.`,
		Example: `  trent audit tail --follow
  trent audit grep --event Decrypt --error any --from 2026-03-01T09:00:00Z
  trent audit stats AWSLogs/111122223333`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAuditTailCommand(e), newAuditGrepCommand(e), newAuditStatsCommand(e))
	return c
}

// auditFlags choose records.
type auditFlags struct {
	dataDir                          string
	events, errors                   []string
	caller, key, region, account, id string
	from, to                         string
	fromTime, toTime                 time.Time
	asJSON                           bool
	paths                            []string
}

func (f *auditFlags) bind(e *environment, fs *pflag.FlagSet) {
	fs.StringVar(&f.dataDir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server whose records are read where no path is given")
	fs.StringSliceVar(&f.events, "event", nil, "only these operations, such as Decrypt,Encrypt")
	fs.StringSliceVar(&f.errors, "error", nil, "only these errors, such as AccessDenied; any: all that failed; none: all that did not")
	fs.StringVar(&f.caller, "caller", "", "only callers whose ARN, name, access key or service contains this")
	fs.StringVar(&f.key, "key", "", "only records with a resource whose ARN contains this: a key id, or an alias")
	fs.StringVar(&f.region, "region", "", "only this Region")
	fs.StringVar(&f.account, "account", "", "only records of this account")
	fs.StringVar(&f.id, "id", "", "only the record of this request id, event id or shared event id")
	fs.StringVar(&f.from, "from", "", "leave out what came before this time, such as 2026-03-01T09:00:00Z")
	fs.StringVar(&f.to, "to", "", "leave out what came at this time or later")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
}

func (f *auditFlags) check(args []string) error {
	f.paths = args
	for _, t := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", f.from, &f.fromTime}, {"--to", f.to, &f.toTime}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return usageError(fmt.Errorf("%s %q is no time", t.flag, t.text), "write it as 2026-03-01T09:00:00Z")
		}
		*t.into = at
	}
	return nil
}

// auditRecord is what the verbs read of a record.
type auditRecord struct {
	EventTime    time.Time `json:"eventTime"`
	EventName    string    `json:"eventName"`
	EventSource  string    `json:"eventSource"`
	Region       string    `json:"awsRegion"`
	Source       string    `json:"sourceIPAddress"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	RequestID    string    `json:"requestID"`
	EventID      string    `json:"eventID"`
	SharedID     string    `json:"sharedEventID"`
	Account      string    `json:"recipientAccountId"`
	Identity     struct {
		Type, ARN, PrincipalID, AccountID, AccessKeyID, UserName, InvokedBy string
		SessionContext                                                      struct{ SessionIssuer struct{ ARN string } }
	} `json:"userIdentity"`
	Resources []struct{ ARN string }       `json:"resources"`
	Details   struct{ RecordsLost uint64 } `json:"serviceEventDetails"`
	raw       json.RawMessage
}

// caller is who called, as short as it is told apart by.
func (r *auditRecord) caller() string {
	id := &r.Identity
	for _, name := range []string{id.SessionContext.SessionIssuer.ARN, id.ARN, id.PrincipalID, id.InvokedBy, id.AccountID} {
		if name != "" {
			return name
		}
	}
	return "unknown"
}

func (r *auditRecord) key() string {
	if len(r.Resources) == 0 {
		return ""
	}
	return r.Resources[0].ARN
}

// matches tells whether a record is among the chosen.
func (f *auditFlags) matches(r *auditRecord) bool {
	id := &r.Identity
	switch {
	case len(f.events) > 0 && !slices.ContainsFunc(f.events, func(e string) bool { return strings.EqualFold(e, r.EventName) }):
		return false
	case len(f.errors) > 0 && !slices.ContainsFunc(f.errors, func(e string) bool {
		return e == "any" && r.ErrorCode != "" || e == "none" && r.ErrorCode == "" || strings.EqualFold(e, r.ErrorCode)
	}):
		return false
	case f.caller != "" && !slices.ContainsFunc([]string{id.ARN, id.PrincipalID, id.UserName, id.AccessKeyID, id.InvokedBy, id.SessionContext.SessionIssuer.ARN},
		func(name string) bool { return strings.Contains(name, f.caller) }):
		return false
	case f.key != "" && !slices.ContainsFunc(r.Resources, func(of struct{ ARN string }) bool { return strings.Contains(of.ARN, f.key) }):
		return false
	case f.region != "" && f.region != r.Region, f.account != "" && f.account != r.Account:
		return false
	case f.id != "" && f.id != r.RequestID && f.id != r.EventID && f.id != r.SharedID:
		return false
	case f.from != "" && r.EventTime.Before(f.fromTime), f.to != "" && !r.EventTime.Before(f.toTime):
		return false
	}
	return true
}

// print writes a record: a line, or its JSON as it is.
func (f *auditFlags) print(w io.Writer, r *auditRecord) error {
	if f.asJSON {
		_, err := fmt.Fprintf(w, "%s\n", r.raw)
		return err
	}
	result := "ok"
	switch {
	case r.ErrorCode != "":
		result = r.ErrorCode
	case r.Details.RecordsLost > 0:
		result = fmt.Sprintf("%d records lost", r.Details.RecordsLost)
	}
	_, err := fmt.Fprintf(w, "%s %s %s %s %s %s %s %s\n", r.EventTime.Format(time.RFC3339), orDash(r.Account), orDash(r.Region), orDash(r.EventName), r.caller(),
		orDash(r.key()), result, orDash(r.RequestID))
	return err
}

// orDash keeps a line's fields in their places.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?' // a log of somebody else's may not move the terminal's cursor
		}
		return c
	}, s)
}

func newAuditGrepCommand(e *environment) *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "grep [PATH …]",
		Short: "Print the records that fit",
		Long: `Grep prints a line for each record that fits all flags: time, account, Region, operation, caller, key, result, request id; with
--json the records themselves, one a line.

Exit codes: 0 some fit, 1 none does, 2 a flag or file is wrong.`,
		Example: `  trent audit grep --event Decrypt --error AccessDenied
  trent audit grep --caller role/web --key 1234abcd-12ab-34cd-56ef-1234567890ab --json logs/
  gzip -dc trail.json.gz | trent audit grep --id 7c9eb7c1-3df7-4c3a-9d7f-2c1b1e0a5a01 -`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			found := false
			err := f.each(e, func(r *auditRecord) error {
				found = true
				return f.print(e.Stdout, r)
			})
			if err == nil && !found {
				return &exitError{Code: exitFailed, Err: errors.New("no record fits")}
			}
			return err
		},
	}
	f.bind(e, c.Flags())
	return c
}
