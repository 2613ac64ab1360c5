package identity

import (
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Config declares principals: what the config file, `trent principal apply` and `export` have in common. In YAML and
// JSON the keys are the same.
type Config struct {
	// Policies are shared by name: what users, groups, roles and organizations name under policies.
	Policies map[string]Document `yaml:"policies" json:"policies,omitempty"`
	Accounts []AccountConfig     `yaml:"accounts" json:"accounts,omitempty"`
	// Credentials are the short form: access keys with whom they speak for, of the config file only.
	Credentials        []CredentialConfig        `yaml:"credentials" json:"-"`
	ServiceCredentials []ServiceCredentialConfig `yaml:"service_credentials" json:"service_credentials,omitempty"`
}

// AccountConfig is an account with all that is in it.
type AccountConfig struct {
	ID           string              `yaml:"id" json:"id"`
	Partition    string              `yaml:"partition" json:"partition,omitempty"` // empty: aws
	Organization *OrganizationConfig `yaml:"organization" json:"organization,omitempty"`
	// ServiceControlPolicies and ResourceControlPolicies are lists by level, from the organization's root down to the
	// account; each level must allow.
	ServiceControlPolicies  [][]Document `yaml:"service_control_policies" json:"service_control_policies,omitempty"`
	ResourceControlPolicies [][]Document `yaml:"resource_control_policies" json:"resource_control_policies,omitempty"`

	// AccessKeys are of the root user. Here and with users nil is not none: Directory.Apply leaves those that are there.
	AccessKeys []AccessKeyConfig `yaml:"access_keys" json:"access_keys,omitzero"`
	Users      []UserConfig      `yaml:"users" json:"users,omitempty"`
	Groups     []GroupConfig     `yaml:"groups" json:"groups,omitempty"`
	Roles      []RoleConfig      `yaml:"roles" json:"roles,omitempty"`
	Providers  []ProviderConfig  `yaml:"oidc_providers" json:"oidc_providers,omitempty"`
}

// OrganizationConfig is the place of an account in an organization.
type OrganizationConfig struct {
	ID string `yaml:"id" json:"id"` // "o-…"
	// Paths are the account's places, such as "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"; none: below the root.
	Paths []string `yaml:"paths" json:"paths,omitempty"`
	// Management accounts are not limited by control policies.
	Management bool `yaml:"management" json:"management,omitempty"`
}

// UserConfig is an IAM user.
type UserConfig struct {
	Name       string            `yaml:"name" json:"name"`
	Path       string            `yaml:"path" json:"path,omitempty"`           // empty: "/"
	UniqueID   string            `yaml:"unique_id" json:"unique_id,omitempty"` // "AIDA…"; empty: made of account, path and name
	Tags       map[string]string `yaml:"tags" json:"tags,omitempty"`
	Groups     []string          `yaml:"groups" json:"groups,omitempty"`
	Policies   []Document        `yaml:"policies" json:"policies,omitempty"`
	Boundary   *Document         `yaml:"permissions_boundary" json:"permissions_boundary,omitempty"`
	AccessKeys []AccessKeyConfig `yaml:"access_keys" json:"access_keys,omitzero"`
}

// GroupConfig is an IAM group; users name the groups that they are in.
type GroupConfig struct {
	Name     string     `yaml:"name" json:"name"`
	Path     string     `yaml:"path" json:"path,omitempty"`
	UniqueID string     `yaml:"unique_id" json:"unique_id,omitempty"` // "AGPA…"
	Policies []Document `yaml:"policies" json:"policies,omitempty"`
}

// RoleConfig is an IAM role.
type RoleConfig struct {
	Name       string            `yaml:"name" json:"name"`
	Path       string            `yaml:"path" json:"path,omitempty"`
	UniqueID   string            `yaml:"unique_id" json:"unique_id,omitempty"` // "AROA…"
	Tags       map[string]string `yaml:"tags" json:"tags,omitempty"`
	Trust      *Document         `yaml:"trust_policy" json:"trust_policy,omitempty"` // none: nobody may assume it
	Policies   []Document        `yaml:"policies" json:"policies,omitempty"`
	Boundary   *Document         `yaml:"permissions_boundary" json:"permissions_boundary,omitempty"`
	MaxSession Seconds           `yaml:"max_session_duration" json:"max_session_duration,omitempty"` // 0: an hour
}

// ProviderConfig is an OIDC provider whose tokens AssumeRoleWithWebIdentity takes.
type ProviderConfig struct {
	URL       string   `yaml:"url" json:"url"` // "https://host/path"
	ClientIDs []string `yaml:"client_ids" json:"client_ids,omitempty"`
	Keys      Document `yaml:"keys" json:"keys"` // JSON Web Key Set
}

// AccessKeyConfig is a long-term access key.
type AccessKeyConfig struct {
	ID     string     `yaml:"access_key_id" json:"access_key_id"`
	Secret SecretText `yaml:"secret_access_key" json:"secret_access_key,omitempty"`
}

// CredentialConfig is an access key of the short form.
type CredentialConfig struct {
	AccessKeyID     string     `yaml:"access_key_id"`
	SecretAccessKey SecretText `yaml:"secret_access_key"`
	SessionToken    SecretText `yaml:"session_token"` // of temporary credentials; empty: a long-term key
	Account         string     `yaml:"account"`       // empty: the arn's, or the server's
	Partition       string     `yaml:"partition"`     // empty: the arn's, or aws
	// ARN is of a user, the account's root, a role session or a federated user; empty: the root.
	ARN string `yaml:"arn"`
	// Policies are all that the caller is allowed; nil: everything, or what a principal declared under accounts is.
	Policies []Document `yaml:"policies"`
}

// ServiceCredentialConfig is an access key of an AWS service.
type ServiceCredentialConfig struct {
	ID        string     `yaml:"access_key_id" json:"access_key_id"`
	Secret    SecretText `yaml:"secret_access_key" json:"secret_access_key,omitempty"`
	Service   string     `yaml:"service" json:"service"`               // "s3.amazonaws.com"
	Partition string     `yaml:"partition" json:"partition,omitempty"` // empty: aws
}

// SecretText is a secret in a configuration. It prints as a placeholder, and is itself in JSON.
type SecretText string

// String redacts.
func (SecretText) String() string { return "[secret]" }

// Format redacts for every verb.
func (SecretText) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// Seconds is a duration: in YAML a number of seconds, as IAM has it, or a text such as 2h; in JSON the number.
type Seconds int

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (s *Seconds) UnmarshalYAML(n ast.Node) error {
	text := n.GetToken().Value
	if seconds, err := strconv.Atoi(text); err == nil {
		*s = Seconds(seconds)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errorAt(n, "this must be a number of seconds, or a time such as 2h")
	}
	*s = Seconds(d / time.Second)
	return nil
}

// ConfigError says what is wrong where: Path such as "accounts[0].users[1].policies[0]", and the place in the file where
// the document knows it (else Line is 0).
type ConfigError struct {
	Line, Column int // from 1
	Path, Text   string
}

func (e *ConfigError) Error() string {
	text := e.Text
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if e.Line > 0 {
		return fmt.Sprintf("[%d:%d] %s", e.Line, e.Column, text)
	}
	return text
}

func errorAt(n ast.Node, text string) *ConfigError {
	e := &ConfigError{Text: text}
	if t := n.GetToken(); t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}
