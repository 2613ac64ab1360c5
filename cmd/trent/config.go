package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"

	"trent/fastpath"
	"trent/fastpath/fault"
	"trent/fastpath/keystore"
	"trent/fastpath/operation"
	"trent/fastpath/testclock"
)

// configExample shows the keys that no flag has.
const configExample = `  test_clock: true
  resource_quotas: default,aliases_per_key=5
  credentials:
  - {access_key_id: AKIDEXAMPLE, secret_access_key: of-this-server-only, account: "111122223333", partition: aws, arn: "arn:aws:iam::111122223333:user/alice"}
  custom_key_store_backends:
    clusters:
    - id: cluster-2a34b5cdefg
      kmsuser_password: kmsPswd-1          # any, where it is left out
      outcomes:
        connect:                           # in turn; then they succeed
        - {error: USER_LOCKED_OUT, times: 1}
        - {delay: 30s, times: 1}
    proxies:
    - endpoint: https://xks.example.com
      path: /kms/xks/v1
      keys: [{id: external-1}]
  faults:
  - {operation: Decrypt, error: ThrottlingException, probability: 0.01, seed: 7}
  transitions: {creating: 5s, updating: 5s, unavailable: 10s}
  audit: {gzip: true, rotate_every: 5m, rotate_bytes: 50MiB, max_total: 10GiB, on_full: drop, throttled: true}
  vpc_endpoints:
  - id: vpce-0123456789abcdef0
    vpc: vpc-0123456789abcdef0
    region: us-east-1
    listen: 127.0.0.1:9445
    source: 10.0.0.0/16                  # others are not let in; 127.0.0.5 counts as 10.0.0.5
    private_dns_names: [kms.internal.example]
    policy: {Statement: [{Effect: Allow, Principal: "*", Action: "kms:*", Resource: "*"}]}`

// transitionSettings are how long transitional states last.
type transitionSettings struct {
	Creating    time.Duration `yaml:"creating"`
	Updating    time.Duration `yaml:"updating"`
	Unavailable time.Duration `yaml:"unavailable"`
}

func (t transitionSettings) durations() operation.Transitions { return operation.Transitions(t) }

// openBackend makes what lies behind custom key stores; its delays pass by the server's clock.
func openBackend(s *settings, test *testclock.Clock) (keystore.Backend, error) {
	now := time.Now
	if test != nil {
		now = test.Now
	}
	backend, err := keystore.NewScripted(s.Backends, now)
	if err != nil {
		return nil, usageError(err, "correct custom_key_store_backends in the config file")
	}
	return backend, nil
}

// placedError is what is wrong at a path of the config file, such as "faults[0].error".
type placedError struct{ path, text string }

func (e *placedError) Error() string { return e.path + ": " + e.text }

// check finds what is wrong in settings of the config file that are well-formed.
func (s *settings) check() error {
	var wrong *keystore.ConfigError
	if err := s.Backends.Check(); errors.As(err, &wrong) {
		return &placedError{"custom_key_store_backends." + wrong.Path, wrong.Text}
	}
	rules := fault.New(fastpath.ModeledError)
	for i, r := range s.Faults {
		if err := rules.Check(r); err != nil {
			return &placedError{fmt.Sprintf("faults[%d]", i), err.Error()}
		}
	}
	if _, err := s.vpcEndpoints(); err != nil {
		return err
	}
	if err := s.checkPrincipals(); err != nil {
		return err
	}
	if err := s.Audit.check(); err != nil {
		return err
	}
	switch t := s.Transitions; {
	case t.Creating < 0:
		return &placedError{"transitions.creating", "must not be negative"}
	case t.Updating < 0:
		return &placedError{"transitions.updating", "must not be negative"}
	case t.Unavailable < 0:
		return &placedError{"transitions.unavailable", "must not be negative"}
	}
	return nil
}

// empty tells whether a config file has nothing but comments.
func empty(text []byte) bool {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return false
	}
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentGroupType && d.Body.Type() != ast.NullType {
			return false
		}
	}
	return true
}

// withPlace puts line and column before an error about a path of the text, as the YAML library does with its own.
func withPlace(text []byte, err error) error {
	var placed *placedError
	if !errors.As(err, &placed) {
		return err
	}
	for path := placed.path; path != ""; path = parent(path) {
		at, pathErr := yaml.PathString("$." + path)
		if pathErr != nil {
			continue
		}
		file, parseErr := parser.ParseBytes(text, 0)
		if parseErr != nil {
			break
		}
		if node, findErr := at.FilterFile(file); findErr == nil && node != nil && node.GetToken() != nil {
			where := node.GetToken().Position
			return fmt.Errorf("[%d:%d] %w", where.Line, where.Column, err)
		}
	}
	return err
}

// wanted says in the words of a config file what a Go type is.
var wanted = map[string]string{
	"bool": "true or false", "string": "text", "int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0",
	"float64": "a number", "time.Duration": "a time such as 5s or 10m", "sequence": "a list", "mapping": "keys and values",
}

var (
	unfitting = regexp.MustCompile(`cannot unmarshal \S+(?: \{\})? into Go (?:struct field \S+|value) of type (\S+)(?: \( overflow \))?$`)
	misplaced = regexp.MustCompile(`\S+ was used where (\S+) is expected$`)
)

// plainly says what a value must be where the YAML library speaks of Go types.
func plainly(text string) string {
	for _, speech := range []*regexp.Regexp{unfitting, misplaced} {
		if m := speech.FindStringSubmatchIndex(text); m != nil && wanted[text[m[2]:m[3]]] != "" {
			return text[:m[0]] + "this must be " + wanted[text[m[2]:m[3]]]
		}
	}
	return text
}

// withToken puts line and column before an error that quotes a value of the text, which the YAML library's errors about
// durations do without saying where.
func withToken(text []byte, err error) error {
	quoted := strings.Split(err.Error(), `"`)
	if strings.HasPrefix(quoted[0], "[") || len(quoted) < 3 {
		return err
	}
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Value == quoted[len(quoted)-2] {
			return fmt.Errorf("[%d:%d] %w", t.Position.Line, t.Position.Column, err)
		}
	}
	return err
}

// parent is the path without its last step.
func parent(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}
