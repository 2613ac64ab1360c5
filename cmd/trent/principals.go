package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trent/fastpath/identity"
	"trent/store"
)

// principalMode is whether policies may name principals that do not exist: the flag and key `principals`.
type principalMode struct{ strict bool }

// String implements pflag.Value.
func (m *principalMode) String() string {
	if m.strict {
		return "strict"
	}
	return "open"
}

// Set implements pflag.Value.
func (m *principalMode) Set(text string) error {
	switch text {
	case "open", "strict":
		m.strict = text == "strict"
		return nil
	}
	return fmt.Errorf("principals are open or strict, not %q", text)
}

// Type implements pflag.Value.
func (m *principalMode) Type() string { return "mode" }

// UnmarshalYAML implements the config file's form.
func (m *principalMode) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	return m.Set(text)
}

// identities are the principals that the config file declares.
func (s *settings) identities() identity.Config {
	return identity.Config{Policies: s.Policies, Accounts: s.Accounts, Credentials: s.Credentials, ServiceCredentials: s.ServiceCredentials}
}

// checkPrincipals reads the files that policies stand in, which are relative to the config file, and finds what is wrong.
func (s *settings) checkPrincipals() error {
	c := s.identities()
	err := c.ReadFiles(func(path string) ([]byte, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.configDir, path)
		}
		return os.ReadFile(path)
	})
	if err == nil {
		err = c.Check()
	}
	var wrong *identity.ConfigError
	if errors.As(err, &wrong) && wrong.Line == 0 && wrong.Path != "" {
		return &placedError{wrong.Path, wrong.Text}
	}
	return err
}

// openDirectory makes the directory of who may call: what the config file declares, else the built-in credential, and what
// was changed at run time, which kept holds (nil: nothing is read or kept).
func openDirectory(ctx context.Context, s *settings, kept store.Store, logf func(string, ...any)) (*identity.Directory, error) {
	d, err := identity.Open(ctx, identity.Options{
		Config: s.identities(), Account: s.Account, Strict: s.Principals.strict, Started: time.Now(),
		Store: kept, SealFile: filepath.Join(s.DataDir, "identity.key"), Logf: logf,
	})
	var wrong *identity.ConfigError
	switch {
	case err == nil:
		return d, nil
	case errors.Is(err, identity.ErrSealed), errors.Is(err, os.ErrNotExist):
		return nil, failure(err, "put the identity.key back that belongs to this data directory")
	case kept == nil:
		return nil, usageError(err, "correct the principals of the config file, or --account")
	case errors.As(err, &wrong):
		return nil, usageError(err, "the config file no longer fits what was changed at run time: declare what is missing there, or what was changed")
	}
	return nil, failure(err, "")
}
