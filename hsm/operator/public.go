package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// ErrPublicFile is a file that is no principal's or module's.
var ErrPublicFile = errors.New("not a public file of an operator, host or module")

const (
	principalFormat = "trent principal 1"
	moduleFormat    = "trent module 1"
	maxPublicFile   = 16 << 10
)

// public is the content of a public file.
type public struct {
	Format    string `json:"format"`
	Name      string `json:"name"`
	Role      string `json:"role,omitempty"`
	Signing   []byte `json:"signing"`
	Agreement []byte `json:"agreement,omitempty"`
	KEM       []byte `json:"kem,omitempty"`
}

// ValidName reports whether a domain can call a signer or module so.
func ValidName(name string) bool { return domain.ValidLabel(name) }

// EncodePrincipal is an operator's or host's public file.
func EncodePrincipal(p hsm.DomainPrincipal) ([]byte, error) {
	return encodePublic(public{Format: principalFormat, Name: p.Name, Role: p.Role.String(), Signing: p.Signing, Agreement: p.Agreement})
}

// EncodeModule is a module's.
func EncodeModule(m hsm.DomainHSM) ([]byte, error) {
	return encodePublic(public{Format: moduleFormat, Name: m.Name, Signing: m.Signing, Agreement: m.Agreement, KEM: m.KEM})
}

func encodePublic(p public) ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	return append(b, '\n'), err
}

// ParsePrincipal reads an operator's or host's public file. Error: ErrPublicFile.
func ParsePrincipal(file []byte) (hsm.DomainPrincipal, error) {
	f, err := parsePublic(file, principalFormat)
	p := hsm.DomainPrincipal{Name: f.Name, Signing: f.Signing, Agreement: f.Agreement}
	switch {
	case err != nil:
		return p, err
	case f.Role == domain.Operator.String() && domain.ValidKey(f.Agreement):
		p.Role = domain.Operator
	case f.Role == domain.ServiceHost.String() && len(f.Agreement) == 0:
		p.Role = domain.ServiceHost
	default:
		return p, fmt.Errorf("%w: it is neither an operator's, with two keys on P-384, nor a host's, with one", ErrPublicFile)
	}
	return p, nil
}

// ParseModule reads a module's public file: what EncodeModule writes, or an appliance's answer to who it is. Error:
// ErrPublicFile.
func ParseModule(file []byte) (hsm.DomainHSM, error) {
	f, err := parsePublic(file, moduleFormat)
	m := hsm.DomainHSM{Name: f.Name, Signing: f.Signing, Agreement: f.Agreement, KEM: f.KEM}
	if err == nil && !domain.ValidKey(f.Agreement) {
		err = fmt.Errorf("%w: the module's agreement key is not on P-384", ErrPublicFile)
	}
	return m, err
}

func parsePublic(file []byte, format string) (f public, err error) {
	if len(file) > maxPublicFile {
		return f, fmt.Errorf("%w: it is longer than %d bytes", ErrPublicFile, maxPublicFile)
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("%w: %w", ErrPublicFile, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("%w: something follows it", ErrPublicFile)
	}
	switch {
	case f.Format != format:
		return f, fmt.Errorf("%w: its format is %q, wanted is %q", ErrPublicFile, f.Format, format)
	case !domain.ValidLabel(f.Name):
		return f, fmt.Errorf("%w: the name %q is not 1 to 64 letters, digits and ._@+-", ErrPublicFile, f.Name)
	case !domain.ValidKey(f.Signing):
		return f, fmt.Errorf("%w: its signing key is not on P-384", ErrPublicFile)
	}
	return f, nil
}
