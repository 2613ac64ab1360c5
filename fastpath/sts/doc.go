// Package sts is the Security Token Service on the endpoint's own listener: it makes temporary credentials, and knows
// again what it made (AWS Security Token Service API Reference, version 2011-06-15).
//
// It is not authentication (fastpath/sigv4 verifies, with what Lookup finds here), and who may assume what is decided by
// fastpath/authz. A Service is safe for concurrent use and owns no goroutine.
//
// # Session tokens
//
// A token is self-contained: nothing is written when a session begins, and a restart ends none. It is the base64 text of
// what the HSM made of the session's content (claims): AES-256-GCM under the installation's own key, whose material never
// leaves the module, with the access key id as encryption context, so that a token opens for no other key id. The content
// names the principal, by which its policies are found anew whenever the directory has changed; it holds the secret access
// key, times, session policies and tags. An opened token is kept in a bounded table under its access key id and hash.
//
// # Choices where the service is silent
//
//   - A session whose role or user is gone, or was made again under the same name, is refused like an unknown key.
//   - PackedPolicySize, which says nothing any more since tokens have a size of their own (4,096 bytes), is the share of
//     459 bytes that session tags take (by what users reported), and that of 2,048 which session policies take deflated.
//   - Names of session policies are looked up again when the directory changes: one that is gone allows nothing.
//   - A parameter that is given twice is refused.
//   - AssumeRoleWithWebIdentity takes no notice of a signature.
package sts
