// Package authz reads policies and decides on requests. Parse checks that a document keeps to the grammar of the IAM
// policy language (IAM User Guide, "Grammar of the IAM JSON policy language") as far as its kind may use it; Compile, or
// an Interner, turns it into a decision structure; Decide weighs all policies and grants that bear on one Request, by the
// IAM User Guide's "Policy evaluation logic" and the AWS KMS Developer Guide; Explain does the same slowly and says why.
// DefaultPolicy is the text of the default key policy; Lint says what is likely wrong with a document, for people.
//
// It is pure: no store, no clock, no goroutine. What it does not find in the Request it asks the Request's Facts and
// Grants, and only when a condition or a decision needs it. Whether a principal exists is not known here. Compiled
// policies and callers are shared by all requests and safe for concurrent use; a Request is one request's at a time.
//
// Where AWS is silent, these are chosen. Names of elements are taken in their exact case, those of operators in any; an
// element or operator that is not of the grammar, a duplicate name and an empty Statement list are refused rather than
// ignored, since each hides a mistake in what is a security document. The value of a policy variable is plain text, even
// if it has a '*'. A value that cannot be read as what its operator compares equals nothing, so that a negated operator
// holds. A NotPrincipal in an Allow leaves out everybody of whom it names anything: session, role, user or account.
package authz
