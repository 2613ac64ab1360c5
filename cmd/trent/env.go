package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/fastpath/admin"
	"trent/fastpath/identity"
)

func newEnvCommand(e *environment) *cobra.Command {
	var dir, shell string
	var asJSON, java bool
	c := &cobra.Command{
		Use:   "env",
		Short: "Print what points AWS SDKs and the AWS CLI at the running server",
		Long: `Env reads the address of the server that runs on a data directory and prints the exports that point any
AWS SDK and the AWS CLI at it: endpoint, CA bundle (the system's roots and the local CA), Region and, where
it is active, the built-in credential.`,
		Example: `  eval "$(trent env)"; aws kms list-keys
  trent env --shell fish | source
  eval "$(trent env --java)"        # also makes a trust store for Java
  trent env --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			info, err := liveServer(c.Context(), dir)
			if err != nil {
				return err
			}
			vars, err := exports(info, dir, java)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.Stdout).Encode(vars)
			}
			text, err := formatExports(vars, shell, info.BuiltIn)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(e.Stdout, text)
			return err
		},
	}
	c.Flags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.Flags().StringVar(&shell, "shell", "sh", "syntax of the exports: sh or fish")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&java, "java", false, "make a PKCS#12 trust store and set JAVA_TOOL_OPTIONS")
	return c
}

func dataDirFlag(dir string) string {
	if dir == defaultDataDir(os.Getenv) {
		return ""
	}
	return " --data-dir " + quote(dir)
}

// liveServer finds the server of a data directory and makes sure that it is the one that answers.
func liveServer(ctx context.Context, dir string) (readyInfo, error) {
	hint := "start one with 'trent serve" + dataDirFlag(dir) + "'"
	info, err := readReady(dir)
	if errors.Is(err, os.ErrNotExist) {
		return info, failure(fmt.Errorf("no server runs on %s", dir), hint)
	}
	if err != nil {
		return info, failure(err, hint)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var status struct {
		PID int `json:"pid"`
	}
	if err := admin.NewClient(dir).Status(ctx, &status); err != nil || status.PID != info.PID {
		return info, failure(fmt.Errorf("the server that ran on %s does not answer any more", dir), hint)
	}
	return info, nil
}

// exports are the environment variables for a server.
func exports(info readyInfo, dir string, java bool) (map[string]string, error) {
	vars := map[string]string{
		"AWS_ENDPOINT_URL_KMS": info.Endpoint,
		"AWS_ENDPOINT_URL_STS": info.Endpoint,
		"AWS_CA_BUNDLE":        info.Bundle,
		"REQUESTS_CA_BUNDLE":   info.Bundle,
		"SSL_CERT_FILE":        info.Bundle,
		"NODE_EXTRA_CA_CERTS":  info.Bundle,
		"AWS_REGION":           info.Region,
		"AWS_DEFAULT_REGION":   info.Region,
	}
	if info.BuiltIn {
		vars["AWS_ACCESS_KEY_ID"] = identity.BuiltInAccessKeyID
		vars["AWS_SECRET_ACCESS_KEY"] = identity.BuiltInSecret
	}
	if java {
		path, err := filepath.Abs(filepath.Join(dir, "truststore.p12"))
		if err != nil {
			return nil, failure(err, "")
		}
		if err := writeTrustStore(info.Bundle, path); err != nil {
			return nil, failure(fmt.Errorf("making the Java trust store: %w", err), "")
		}
		vars["JAVA_TOOL_OPTIONS"] = "-Djavax.net.ssl.trustStore=" + path + " -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=" + trustStorePassword
	}
	return vars, nil
}

// trustStorePassword guards nothing secret: a trust store holds certificates. Java wants one all the same.
const trustStorePassword = "changeit"

func formatExports(vars map[string]string, shell string, builtIn bool) (string, error) {
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		switch shell {
		case "sh":
			fmt.Fprintf(&b, "export %s=%s\n", name, quote(vars[name]))
		case "fish":
			fmt.Fprintf(&b, "set -gx %s %s\n", name, quote(vars[name]))
		default:
			return "", usageError(fmt.Errorf("unknown shell syntax %q", shell), "use --shell sh or --shell fish")
		}
	}
	switch {
	case !builtIn:
		b.WriteString("# set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a credential of the server's config file\n")
	case shell == "fish":
		b.WriteString("set -e AWS_SESSION_TOKEN\n")
	default:
		b.WriteString("unset AWS_SESSION_TOKEN\n")
	}
	return b.String(), nil
}

// quote makes a word that sh and fish take literally.
func quote(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:=@%+,", r))
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
