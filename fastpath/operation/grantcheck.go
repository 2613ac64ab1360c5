package operation

import (
	"slices"
	"strings"
	"unicode/utf8"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Bounds of a grant's constraints (AWS KMS Developer Guide, "Using grant constraints"). The guide bounds values; the
// same bound for names is chosen.
const (
	maxGrantPairs      = 8
	maxGrantCharacters = 384
)

// grantOperation is what the API says of an operation of grants.
type grantOperation struct {
	api wire.GrantOperation
	// usage is what the key must be for; UsageNone: any. symmetricOnly excludes asymmetric keys for encryption;
	// asymmetric excludes symmetric keys and those for MACs.
	usage                     hsm.Usage
	symmetricOnly, asymmetric bool
}

// grantOperations is indexed by the keyring's operations of grants.
var grantOperations = [keyring.NumGrantOperations]grantOperation{
	keyring.GrantDecrypt:                             {api: wire.GrantOperationDecrypt, usage: hsm.EncryptDecrypt},
	keyring.GrantEncrypt:                             {api: wire.GrantOperationEncrypt, usage: hsm.EncryptDecrypt},
	keyring.GrantGenerateDataKey:                     {api: wire.GrantOperationGenerateDataKey, usage: hsm.EncryptDecrypt, symmetricOnly: true},
	keyring.GrantGenerateDataKeyWithoutPlaintext:     {api: wire.GrantOperationGenerateDataKeyWithoutPlaintext, usage: hsm.EncryptDecrypt, symmetricOnly: true},
	keyring.GrantReEncryptFrom:                       {api: wire.GrantOperationReEncryptFrom, usage: hsm.EncryptDecrypt},
	keyring.GrantReEncryptTo:                         {api: wire.GrantOperationReEncryptTo, usage: hsm.EncryptDecrypt},
	keyring.GrantSign:                                {api: wire.GrantOperationSign, usage: hsm.SignVerify},
	keyring.GrantVerify:                              {api: wire.GrantOperationVerify, usage: hsm.SignVerify},
	keyring.GrantGetPublicKey:                        {api: wire.GrantOperationGetPublicKey, asymmetric: true},
	keyring.GrantCreateGrant:                         {api: wire.GrantOperationCreateGrant},
	keyring.GrantRetireGrant:                         {api: wire.GrantOperationRetireGrant},
	keyring.GrantDescribeKey:                         {api: wire.GrantOperationDescribeKey},
	keyring.GrantGenerateDataKeyPair:                 {api: wire.GrantOperationGenerateDataKeyPair, usage: hsm.EncryptDecrypt, symmetricOnly: true},
	keyring.GrantGenerateDataKeyPairWithoutPlaintext: {api: wire.GrantOperationGenerateDataKeyPairWithoutPlaintext, usage: hsm.EncryptDecrypt, symmetricOnly: true},
	keyring.GrantGenerateMac:                         {api: wire.GrantOperationGenerateMac, usage: hsm.GenerateVerifyMAC},
	keyring.GrantVerifyMac:                           {api: wire.GrantOperationVerifyMac, usage: hsm.GenerateVerifyMAC},
	keyring.GrantDeriveSharedSecret:                  {api: wire.GrantOperationDeriveSharedSecret, usage: hsm.KeyAgreement},
	keyring.GrantEncapsulate:                         {api: wire.GrantOperationEncapsulate, usage: hsm.EncapsulateDecapsulate},
	keyring.GrantDecapsulate:                         {api: wire.GrantOperationDecapsulate, usage: hsm.EncapsulateDecapsulate},
}

// grantable tells whether a key can do an operation at all.
func grantable(key *keyring.Snapshot, op keyring.GrantOperation) bool {
	o := &grantOperations[op]
	symmetric := isSymmetric(key.Spec)
	switch {
	case o.usage != hsm.UsageNone && o.usage != key.Usage, o.symmetricOnly && !symmetric:
		return false
	}
	return !o.asymmetric || !symmetric && key.Usage != hsm.GenerateVerifyMAC
}

// newGrant makes the grant that a request asks for, in the order: principals, operations, constraints, each by itself;
// then against the key.
func newGrant(c *Call, r *wire.CreateGrantRequest) (g keyring.Grant, err error) {
	key := c.Key.Snapshot
	g = keyring.Grant{Key: key.ID, Name: string(r.Name), Issuer: c.Caller.Account}
	if err := grantPrincipals(c, r, &g); err != nil {
		return g, err
	}
	if err := newGrantOperations(r.Operations, &g); err != nil {
		return g, err
	}
	if err := grantConstraints(r.Constraints, &g); err != nil {
		return g, err
	}
	if g.GranteeService != "" && (g.SourceARN == "" || g.Retiring == "" && g.RetiringService == "") {
		return g, validation("A grant to a service principal must have a SourceArn constraint and a retiring principal.")
	}
	for _, op := range g.Operations {
		if !grantable(key, op) {
			return g, validation("Operation %s is not supported by KMS key %s with KeySpec %s and KeyUsage %s.",
				grantOperations[op].api, key.ARN, specs[key.Spec].spec, usages[key.Usage])
		}
	}
	if (g.Equals != nil || g.Subset != nil) && !isSymmetric(key.Spec) {
		return g, validation("Encryption context constraints are supported for symmetric encryption KMS keys only.")
	}
	return g, nil
}

func grantPrincipals(c *Call, r *wire.CreateGrantRequest, g *keyring.Grant) error {
	switch {
	case r.GranteePrincipal != nil && r.GranteeServicePrincipal != nil:
		return exclusive("GranteePrincipal", "GranteeServicePrincipal")
	case r.RetiringPrincipal != nil && r.RetiringServicePrincipal != nil:
		return exclusive("RetiringPrincipal", "RetiringServicePrincipal")
	case r.GranteePrincipal == nil && r.GranteeServicePrincipal == nil:
		return validation("1 validation error detected: Value null at 'granteePrincipal' failed to satisfy constraint: Member must not be null")
	}
	for _, p := range []struct {
		from []byte
		to   *string
	}{{r.GranteePrincipal, &g.Grantee}, {r.RetiringPrincipal, &g.Retiring}} {
		if p.from != nil {
			if err := checkPrincipal(c, p.from); err != nil {
				return err
			}
			*p.to = string(p.from)
		}
	}
	for _, p := range []struct {
		from []byte
		to   *string
	}{{r.GranteeServicePrincipal, &g.GranteeService}, {r.RetiringServicePrincipal, &g.RetiringService}} {
		if p.from != nil {
			if err := checkService(p.from); err != nil {
				return err
			}
			*p.to = string(p.from)
		}
	}
	return nil
}

// checkPrincipal wants the ARN of an account, user, role, assumed role or federated user of the caller's partition.
func checkPrincipal(c *Call, principal []byte) error {
	if arn := string(principal); !authz.PrincipalARN(arn) || !strings.HasPrefix(arn, "arn:"+c.Scope.Partition+":") ||
		!c.asking.service.accepts(c.Scope.Partition, authz.Principal{Kind: authz.AWSPrincipal, Name: arn}) {
		return wire.Errorf(wire.CodeInvalidArnException, "ARN does not refer to a valid principal")
	}
	return nil
}

// checkService wants the name of a service principal, such as "s3.amazonaws.com".
func checkService(name []byte) error {
	if !authz.ServiceName(string(name)) {
		return validation("%s is not a valid service principal", name)
	}
	return nil
}

// accountOf is the account of a principal's ARN.
func accountOf(arn string) string {
	if part := strings.SplitN(arn, ":", 6); len(part) == 6 {
		return part[4]
	}
	return ""
}

func newGrantOperations(requested []wire.GrantOperation, g *keyring.Grant) error {
	for _, api := range requested {
		op := keyring.GrantOperation(slices.IndexFunc(grantOperations[:], func(o grantOperation) bool { return o.api == api }))
		if !g.Allows(op) {
			g.Operations = append(g.Operations, op)
		}
	}
	switch {
	case len(g.Operations) == 0:
		return validation("Grants must contain at least one operation.")
	case len(g.Operations) == 1 && g.Operations[0] == keyring.GrantCreateGrant:
		return validation("Grants must not contain only the CreateGrant operation.")
	}
	return nil
}

func grantConstraints(k *wire.GrantConstraints, g *keyring.Grant) error {
	if k == nil {
		return nil
	}
	if len(k.EncryptionContextEquals) > 0 && len(k.EncryptionContextSubset) > 0 {
		return validation("EncryptionContextEquals and EncryptionContextSubset cannot be specified in the same grant.")
	}
	if k.SourceArn != nil {
		if part := strings.SplitN(string(k.SourceArn), ":", 6); len(part) != 6 || part[0] != "arn" || part[2] == "" || part[5] == "" {
			return validation("SourceArn %s is not a valid ARN", k.SourceArn)
		}
		g.SourceARN = string(k.SourceArn)
	}
	var err error
	if g.Equals, err = grantPairs(k.EncryptionContextEquals); err != nil {
		return err
	}
	g.Subset, err = grantPairs(k.EncryptionContextSubset)
	return err
}

// grantPairs copies one constraint, nil where there is none: clients that have nothing to say send empty maps.
func grantPairs(pairs []wire.Pair) ([]keyring.Tag, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	if len(pairs) > maxGrantPairs {
		return nil, validation("Grant constraints cannot have more than %d encryption context pairs.", maxGrantPairs)
	}
	out := make([]keyring.Tag, len(pairs))
	for i, p := range pairs {
		if utf8.RuneCount(p.Key) > maxGrantCharacters || utf8.RuneCount(p.Value) > maxGrantCharacters {
			return nil, validation("Encryption context in grant constraints cannot exceed %d characters.", maxGrantCharacters)
		}
		out[i] = keyring.Tag{Key: string(p.Key), Value: string(p.Value)}
	}
	return out, nil
}
