package main

import (
	"github.com/spf13/pflag"

	"trent/fastpath/operation"
)

// authzMode is what becomes of decisions, as a flag and as a key of the config file.
type authzMode struct{ operation.Authorization }

var _ pflag.Value = (*authzMode)(nil)

// Set implements pflag.Value.
func (m *authzMode) Set(text string) (err error) {
	m.Authorization, err = operation.ParseAuthorization(text)
	return err
}

// Type implements pflag.Value.
func (m *authzMode) Type() string { return "mode" }

// UnmarshalYAML implements the config file's form, which is the flag's. YAML reads a bare off as false.
func (m *authzMode) UnmarshalYAML(decode func(any) error) error {
	var off bool
	if decode(&off) == nil && !off {
		return m.Set("off")
	}
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	return m.Set(text)
}

// authzNotes say what a mode that does not enforce means; empty: nothing is to be said.
var authzNotes = map[operation.Authorization]string{
	operation.LogOnly: "log: what policies deny is logged, and done",
	operation.Off:     "off: everybody may do everything in the account of the credential",
}
