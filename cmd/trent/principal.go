package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/fastpath"
	"trent/fastpath/identity"
)

// principalHint is what to do where a server knows no such principal.
const principalHint = "'trent principal list' shows who and what there is"

// newPrincipalCommand is `trent principal list|show|apply|delete|create-access-key|export`.
func newPrincipalCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "principal",
		Short: "Change who may call a running server, and what they may do",
		Long: `Users, groups, roles, accounts, OIDC providers and shared policies can be changed while the server runs. A change is
all or nothing, durable when the command returns, and holds for every request after it, with sessions that exist.

What was changed here wins over the config file for as long as the file says of that user (role, ...) what it said
then. Once the file says something else of it, the file holds.`,
		Example: `  trent principal list
  trent principal apply team.yaml
  trent principal create-access-key arn:aws:iam::111122223333:user/alice
  trent principal delete arn:aws:iam::111122223333:user/alice`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.AddCommand(newPrincipalListCommand(e, &dir), newPrincipalShowCommand(e, &dir), newPrincipalApplyCommand(e, &dir),
		newPrincipalDeleteCommand(e, &dir), newPrincipalKeyCommand(e, &dir), newPrincipalExportCommand(e, &dir))
	return c
}

func newPrincipalListCommand(e *environment, dir *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List who and what there is",
		Example: "  trent principal list\n  trent principal list --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var entries []identity.Entry
			if err := command(c.Context(), *dir, "principal-list", struct{}{}, &entries, ""); err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.Stdout, entries)
			}
			t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "KIND\tNAME\tFROM\tACCESS KEYS")
			for i := range entries {
				from := "config file"
				switch {
				case entries[i].RunTime:
					from = "run time"
				case entries[i].BuiltIn:
					from = "built in"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", entries[i].Kind, entries[i].Name, from, strings.Join(entries[i].AccessKeys, " "))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// principalName is the argument of a verb: an ARN, or a kind and a name such as "policy use-keys".
func principalName(verb string, args []string) (string, error) {
	if len(args) == 1 && strings.HasPrefix(args[0], "arn:") || len(args) == 2 && (args[0] == "policy" || args[0] == "access-key") {
		return strings.Join(args, " "), nil
	}
	return "", usageError(fmt.Errorf("name one: an ARN, policy NAME or access-key ID"), "see 'trent principal "+verb+" --help'")
}

func newPrincipalShowCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show ARN | policy NAME",
		Short: "Show how one was declared, as JSON without secrets",
		Example: `  trent principal show arn:aws:iam::111122223333:role/app
  trent principal show policy use-keys`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			name, err := principalName("show", args)
			if err != nil {
				return err
			}
			var entry identity.Entry
			if err := command(c.Context(), *dir, "principal-show", map[string]string{"name": name}, &entry, principalHint); err != nil {
				return err
			}
			return printJSON(e.Stdout, &entry)
		},
	}
}

func newPrincipalApplyCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Add or replace what a file declares",
		Long: `Apply reads YAML or JSON as the config file has it, with policies, accounts and service_credentials; - is standard
input. What it names is added or replaced, all else stays. A user (or account) of whom the file gives no access_keys
keeps those that are there, and ids without secrets keep their secrets, so that what 'trent principal export' printed
can be edited and applied. file:PATH in place of a policy is relative to FILE. At most 64 can change at once.`,
		Example: `  trent principal apply team.yaml
  trent principal export | jq '.accounts[0].roles[0].max_session_duration = 7200' | trent principal apply -`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("name one file, or - for standard input"), "see 'trent principal apply --help'")
			}
			config, text, err := readPrincipals(e, args[0])
			if err != nil {
				return usageError(fmt.Errorf("%s: %w", args[0], err), "'trent principal apply --help' says what may stand in the file")
			}
			var none struct{}
			err = command(c.Context(), *dir, "principal-apply", &config, &none, "correct the file; nothing was changed")
			var refused *exitError
			if errors.As(err, &refused) && refused.Code == exitUsage {
				refused.Err = fmt.Errorf("%s: %w", args[0], placedIn(text, refused.Err))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.Stdout, "applied")
			return err
		},
	}
}

// maxPrincipals is what the administration takes of a file, in bytes.
const maxPrincipals = 1 << 20

// readPrincipals reads a file for apply, and the files that it names.
func readPrincipals(e *environment, path string) (c identity.Config, text []byte, err error) {
	in, base := e.Stdin, "."
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return c, nil, errors.Unwrap(err)
		}
		defer f.Close()
		in, base = f, filepath.Dir(path)
	}
	if text, err = io.ReadAll(io.LimitReader(in, maxPrincipals+1)); err != nil {
		return c, nil, err
	}
	if empty(text) {
		return c, text, errors.New("there is nothing in it")
	}
	if c, err = identity.ParseConfig(text); err != nil {
		return c, text, withToken(text, errors.New(plainly(err.Error())))
	}
	if len(c.Credentials) > 0 {
		return c, text, errors.New("credentials are for the config file only; declare a user with access_keys under accounts")
	}
	return c, text, c.ReadFiles(func(path string) ([]byte, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(base, path)
		}
		return os.ReadFile(path)
	})
}

var configPath = regexp.MustCompile(`^((?:policies|accounts|service_credentials)[^ :]*): `)

// placedIn puts line and column before a server's refusal that begins with a path.
func placedIn(text []byte, refused error) error {
	m := configPath.FindStringSubmatch(refused.Error())
	if m == nil {
		return refused
	}
	return withPlace(text, &placedError{m[1], strings.TrimPrefix(refused.Error(), m[0])})
}

func newPrincipalDeleteCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ARN | policy NAME | access-key ID",
		Short: "Delete a principal, a shared policy or an access key",
		Long: `Delete takes away what the ARN means: of an account's root, the account with all that is in it. What others need is not
deleted. A user or role that is made again under the same name is another one, with another unique id: sessions and
policies of the old one do not mean it.`,
		Example: `  trent principal delete arn:aws:iam::111122223333:user/alice
  trent principal delete policy use-keys
  trent principal delete access-key AKIAIOSFODNN7EXAMPLE`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			name, err := principalName("delete", args)
			if err != nil {
				return err
			}
			var none struct{}
			if err := command(c.Context(), *dir, "principal-delete", map[string]string{"name": name}, &none, principalHint); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.Stdout, "deleted %s\n", name)
			return err
		},
	}
}

func newPrincipalKeyCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "create-access-key USER-ARN",
		Short: "Give a user another access key, and show its secret this once",
		Example: `  trent principal create-access-key arn:aws:iam::111122223333:user/alice
  trent principal create-access-key arn:aws:iam::111122223333:user/alice | jq -r .secret_access_key`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("name one user by ARN"), "see 'trent principal create-access-key --help'")
			}
			var made fastpath.PrincipalKey
			if err := command(c.Context(), *dir, "principal-key", map[string]string{"name": args[0]}, &made, principalHint); err != nil {
				return err
			}
			return printJSON(e.Stdout, &made)
		},
	}
}

func newPrincipalExportCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print all that is declared as JSON, for apply or a config file, without secrets",
		Example: "  trent principal export >principals.json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var config identity.Config
			if err := command(c.Context(), *dir, "principal-export", struct{}{}, &config, ""); err != nil {
				return err
			}
			return printJSON(e.Stdout, &config)
		},
	}
}
