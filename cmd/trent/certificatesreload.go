package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"trent/fastpath"
)

func newCertificatesCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "certificates",
		Short: "Reload the certificate of a running server",
		Long: `Certificates tells the server that runs on a data directory what to do with the certificate that it was given by
--tls-cert and --tls-key. A certificate of the local CA, which a server has otherwise, is renewed by itself.`,
		Example: "  trent certificates reload",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.AddCommand(newCertificatesReloadCommand(e, &dir))
	return c
}

func newCertificatesReloadCommand(e *environment, dir *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Read the files of --tls-cert and --tls-key again",
		Long: `Reload makes the server read the files of --tls-cert and --tls-key again, as SIGHUP does. New connections get the new
certificate; those that stand go on. Where the new pair is not good, the server keeps the one it has and says why.`,
		Example: "  trent certificates reload\n  trent certificates reload --data-dir ./kms --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var answer fastpath.Certificates
			if err := command(c.Context(), *dir, "certificates-reload", struct{}{}, &answer, "correct the files that the server was given by --tls-cert and --tls-key, and reload again"); err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.Stdout, answer)
			}
			_, err := fmt.Fprintf(e.Stdout, "reloaded: %s\n", answer.InUse)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
