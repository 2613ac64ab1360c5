package authz

import "fmt"

// Policy is a policy document that keeps to the grammar.
type Policy struct {
	Version    string // "2008-10-17" where the document names none
	ID         string
	Statements []Statement
}

// Statement is one statement. Of Actions and NotActions, as of Resources and NotResources, at most one is not
// nil. A key policy statement without either has no effect (AWS KMS Developer Guide, "Key policies").
type Statement struct {
	Sid                     string
	Allow                   bool // Effect
	Principals              []Principal
	NotPrincipals           []Principal // exactly one of both is given
	Actions, NotActions     []string
	Resources, NotResources []string
	Conditions              []Condition
}

// Principal is one principal of a statement.
type Principal struct {
	Kind PrincipalKind
	Name string
}

// PrincipalKind is the member of the Principal element under which a name stands.
type PrincipalKind uint8

// Kinds of principals. Anyone is the whole element "*", whose Name is "*".
const (
	Anyone PrincipalKind = iota
	AWSPrincipal
	ServicePrincipal
	FederatedPrincipal
	CanonicalUserPrincipal
)

// Condition is one test of a Condition block: of a key's values by an operator. The values of JSON numbers and
// booleans are their texts.
type Condition struct {
	Operator, Key string
	Values        []string
}

// The versions of the policy language.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Error says where and how a document breaks the grammar.
type Error struct {
	Line, Column int // from 1; the column counts bytes
	Reason       string
	// Principal is set where the document keeps to the grammar but for the form of a principal's name, for
	// which the service has an error text of its own.
	Principal bool
	ARN       bool // such a name has the parts of an ARN
}

func (e *Error) Error() string {
	return fmt.Sprintf("policy line %d column %d: %s", e.Line, e.Column, e.Reason)
}

// defaultPolicy is laid out as GetKeyPolicy answers it.
const defaultPolicy = `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:%s:iam::%s:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`

// DefaultPolicy is the policy of keys that are made without one (AWS KMS Developer Guide, "Default key
// policy"): the account decides by IAM policies.
func DefaultPolicy(partition, account string) string {
	return fmt.Sprintf(defaultPolicy, partition, account)
}
