package authz

import (
	"encoding/base64"
	"slices"
	"strings"
)

func (l *linter) conditions(s *linted, n *node) {
	for i := range n.members {
		operator := &n.members[i]
		op, _ := operatorNamed(operator.name)
		for j := range operator.value.members {
			m := &operator.value.members[j]
			values := []node{m.value}
			if m.value.kind == '[' {
				values = m.value.items
			}
			key, _ := KeyNamed(m.name)
			if key == KeyOther {
				l.strangeKey(m)
				continue
			}
			l.refusedKey(m, key, op)
			l.sets(s, m, key, op)
			l.types(m, operator.name, key, op)
			l.availability(s, m, key)
			l.addresses(s, m, key, op)
			for _, v := range values {
				l.value(v, operator.name, op)
			}
		}
	}
}

func (l *linter) strangeKey(m *member) {
	switch {
	case ours(m.name):
		l.add(m.at, Failure, "unknown-key", "there is no condition key %q: did you mean %q?", m.name, nearestKey(m.name))
	case l.kind == KindKey:
		l.add(m.at, Warning, "unknown-key", "requests to KMS have no condition key %q: did you mean %q?", m.name, nearestKey(m.name))
	}
}

// refusedKey finds what the service refuses in key policies.
func (l *linter) refusedKey(m *member, key Key, op operator) {
	if op.quantifier == forAllValues && (key == KeyKMSEncryptionContext || key == KeyRequestTag) {
		severity := Warning
		if l.kind == KindKey {
			severity = Failure
		}
		l.add(m.at, severity, "refused-key", "ForAllValues on %s holds where the request has none, and is refused as overly permissive: leave the set operator out", m.name)
	}
	if l.kind == KindKey && (key == KeyKMSResourceAliases || key == KeyResourceTag) {
		l.add(m.at, Failure, "refused-key", "a key policy with %s is refused, since it counts in IAM policies only: move the condition there", m.name)
	}
}

// sets checks set operators.
func (l *linter) sets(s *linted, m *member, key Key, op operator) {
	switch multi := key.Row().Multi; {
	case op.comparison == testNull:
	case multi && op.quantifier == unquantified:
		l.add(m.at, Warning, "set-operator", "%s may have several values: put ForAnyValue: or ForAllValues: before the operator", m.name)
	case !multi && op.quantifier != unquantified:
		l.add(m.at, Warning, "set-operator", "%s has one value: leave ForAnyValue: and ForAllValues: out", m.name)
	case op.quantifier == forAllValues && s.Allow && !s.mustExist(m.name):
		l.add(m.at, Warning, "empty-set", "ForAllValues also holds where the request has no %s: add \"Null\": {%q: \"false\"}", m.name, m.name)
	}
}

// mustExist tells whether a Null condition asks for the key.
func (s *linted) mustExist(key string) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		return strings.EqualFold(c.Operator, "Null") && strings.EqualFold(c.Key, key) && len(c.Values) == 1 && strings.EqualFold(c.Values[0], "false")
	})
}

// fitting are the operators for keys of a type: the comparisons, and a name to propose.
var fitting = map[KeyType]struct {
	comparisons []comparison
	name        string
}{
	StringKey:  {[]comparison{compareText, compareFolded, compareLike, compareARN}, "StringEquals or StringLike"},
	ARNKey:     {[]comparison{compareARN, compareText, compareFolded, compareLike}, "ArnEquals or ArnLike"},
	BoolKey:    {[]comparison{compareBool}, "Bool"},
	NumericKey: {[]comparison{compareNumber}, "NumericEquals, NumericLessThan …"},
	DateKey:    {[]comparison{compareDate}, "DateLessThan, DateGreaterThan …"},
	IPKey:      {[]comparison{compareIP}, "IpAddress or NotIpAddress"},
}

// types checks that the operator can compare the key's values.
func (l *linter) types(m *member, operator string, key Key, op operator) {
	fit := fitting[key.Row().Type]
	switch {
	case op.comparison == testNull, slices.Contains(fit.comparisons, op.comparison), (key == KeyEpochTime || key == KeyKMSValidTo) && (op.comparison == compareNumber || op.comparison == compareDate):
	case op.comparison == compareText || op.comparison == compareFolded || op.comparison == compareLike:
		l.add(m.at, Warning, "type", "%s compares the text of %s, which can be written in several ways: use %s", operator, m.name, fit.name)
	default:
		l.add(m.at, Failure, "type", "%s does not compare values of %s: use %s", operator, m.name, fit.name)
	}
}

// value checks one value of the policy.
func (l *linter) value(v node, operator string, op operator) {
	ok, want := true, ""
	switch op.comparison {
	case compareNumber:
		_, ok = number(v.text)
		want = "a decimal number"
	case compareDate:
		_, ok = date(v.text)
		want = "a date such as 2026-01-31T00:00:00Z, or seconds since 1970"
	case compareBool, testNull:
		_, ok = boolean(v.text)
		want = "true or false"
	case compareIP:
		_, ok = prefix(v.text)
		want = "an address or a range such as 203.0.113.0/24"
	case compareBinary:
		_, err := base64.StdEncoding.DecodeString(v.text)
		ok, want = err == nil, "base64"
	case compareARN:
		l.variablesOf(v)
		ok = splitARN(v.text, l.variables, new([6]string))
		want = "an ARN of six parts, which a \"*\" alone is not"
	default:
		l.variablesOf(v)
		plain := strings.NewReplacer("${*}", "", "${?}", "").Replace(v.text)
		if op.comparison != compareLike && strings.Contains(plain, "*") {
			l.add(v.at, Warning, "wildcard", "%s takes the '*' of %q as it stands: use StringLike, or ${*} for the character itself", operator, v.text)
		}
	}
	if !ok {
		l.add(v.at, Failure, "value", "%s matches nothing with %q: write %s", operator, v.text, want)
	}
}

// contextual are the actions that carry an encryption context.
var contextual = []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:RetireGrant"}

// keyActions are the actions whose requests have a key of the service's, where these are few (AWS KMS Developer Guide,
// "Condition keys for AWS KMS").
var keyActions = map[Key][]string{
	KeyKMSBypassPolicyLockoutSafetyCheck:         {"kms:CreateKey", "kms:PutKeyPolicy"},
	KeyKMSDataKeyPairSpec:                        {"kms:GenerateDataKeyPair*"},
	KeyKMSEncryptionAlgorithm:                    {"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"},
	KeyKMSEncryptionContext:                      contextual,
	KeyKMSEncryptionContextKeys:                  contextual,
	KeyKMSExpirationModel:                        {"kms:ImportKeyMaterial"},
	KeyKMSGrantConstraintType:                    {"kms:CreateGrant", "kms:RetireGrant"},
	KeyKMSGrantIsForAWSResource:                  {"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"},
	KeyKMSGrantOperations:                        {"kms:CreateGrant"},
	KeyKMSGranteePrincipal:                       {"kms:CreateGrant"},
	KeyKMSRetiringPrincipal:                      {"kms:CreateGrant"},
	KeyKMSKeyAgreementAlgorithm:                  {"kms:DeriveSharedSecret"},
	KeyKMSMacAlgorithm:                           {"kms:GenerateMac", "kms:VerifyMac"},
	KeyKMSMessageType:                            {"kms:Sign", "kms:Verify"},
	KeyKMSSigningAlgorithm:                       {"kms:Sign", "kms:Verify"},
	KeyKMSPrimaryRegion:                          {"kms:UpdatePrimaryRegion"},
	KeyKMSReplicaRegion:                          {"kms:ReplicateKey"},
	KeyKMSReEncryptOnSameKey:                     {"kms:ReEncrypt*"},
	KeyKMSRotationPeriodInDays:                   {"kms:EnableKeyRotation"},
	KeyKMSTrailingDaysWithoutKeyUsage:            {"kms:DisableKey", "kms:ScheduleKeyDeletion"},
	KeyKMSValidTo:                                {"kms:ImportKeyMaterial"},
	KeyKMSWrappingAlgorithm:                      {"kms:GetParametersForImport"},
	KeyKMSWrappingKeySpec:                        {"kms:GetParametersForImport"},
	KeyKMSScheduleKeyDeletionPendingWindowInDays: {"kms:ScheduleKeyDeletion"},
}

// availability checks that requests of the statement's actions can have the key.
func (l *linter) availability(s *linted, m *member, key Key) {
	names := keyActions[key]
	if names == nil || s.actions == (actionSet{}) {
		return
	}
	with := actionsOf(names, false)
	for i := range with {
		if with[i]&s.actions[i] != 0 {
			return
		}
	}
	l.add(m.at, Warning, "key-of-action", "requests of the statement's actions have no %s: it is of %s", m.name, strings.Join(names, ", "))
}

// addresses checks aws:SourceIp, which is the calling service's where one calls for the user, and absent through VPC
// endpoints.
func (l *linter) addresses(s *linted, m *member, key Key, op operator) {
	if key != KeySourceIp || op.comparison == testNull {
		return
	}
	if l.kind == KindEndpoint {
		l.add(m.at, Failure, "source-ip", "requests through a VPC endpoint have no aws:SourceIp: use aws:VpcSourceIp")
		return
	}
	spared := slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		k, _ := KeyNamed(c.Key)
		return k == KeyViaAWSService || k == KeySourceVpce || k == KeySourceVpc || k == KeyVpcSourceIp
	})
	if !s.Allow && op.negated && !spared {
		l.add(m.at, Warning, "source-ip", "this also denies what AWS services do for the caller and what comes through VPC endpoints: add \"Bool\": {\"aws:ViaAWSService\": \"false\"} and a condition of aws:SourceVpce")
	}
}
