// Package authz reads policy documents: it checks that a document keeps to the grammar of the IAM policy
// language (IAM User Guide, "Grammar of the IAM JSON policy language"), as far as a key policy may use it, and it
// has the text of the default key policy. Permits is as much of a decision as the lockout check of new policies needs.
//
// It is pure: no store, no clock, no goroutine; everything is safe for concurrent use. It does not decide on
// requests, and whether a principal exists is not known here.
//
// Where AWS is silent, these are chosen: names of elements are taken in their exact case; an element that
// is not of the grammar, a duplicate name and an empty Statement list are refused rather than ignored, since each of
// them hides a mistake in what is a security document.
package authz
