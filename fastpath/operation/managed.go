package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// managedPrefix begins the names of the aliases that are the service's own.
const managedPrefix = "alias/aws/"

// managedRotation is the period of AWS managed keys' automatic rotation in days (AWS KMS Developer Guide, "Rotating AWS
// KMS keys").
const managedRotation = 365

// managedKey is an AWS managed key that an account and Region has from its first use on.
type managedKey struct {
	alias     string // after managedPrefix
	protects  string // "Default key that protects my … when no other key is defined"
	via       string // service of kms:ViaService where it is not called as the alias
	name      string // of the service in the policy
	policyID  string // where it is not "auto-" alias "-1"
	statement policyKind
}

// managedKeys are the predefined aliases, sorted. Which there are is what ListAliases shows in accounts that use none;
// descriptions and policies are as GetKeyPolicy and DescribeKey give them in public captures, and in AWS's own
// documentation of the services, for acm, backup, codecommit, dms, dynamodb, ebs, elasticfilesystem, es, glue,
// kinesisvideo, lambda, lightsail, rds, s3, secretsmanager, sns, sqs, ssm and xray. The others follow their form.
var managedKeys = [...]managedKey{
	{alias: "acm", protects: "ACM private keys", name: "ACM"},
	{alias: "backup", protects: "Backup data", name: "Backup"},
	{alias: "cloud9", protects: "Cloud9 data", name: "Cloud9"},
	{alias: "codecommit", protects: "CodeCommit repositories", name: "CodeCommit"},
	{alias: "connect", protects: "Connect data", name: "Connect"},
	{alias: "dms", protects: "DMS replication instance volumes", name: "DMS"},
	{alias: "dynamodb", protects: "DynamoDB data", name: "Amazon DynamoDB", statement: policyDynamoDB},
	{alias: "ebs", protects: "EBS volumes", via: "ec2", name: "EBS", policyID: "auto-ebs-2"},
	{alias: "elasticfilesystem", protects: "EFS filesystems", name: "EFS", statement: policyTo},
	{alias: "es", protects: "Elasticsearch data", name: "Elasticsearch"},
	{alias: "fsx", protects: "FSx resources", name: "FSx"},
	{alias: "glue", protects: "Glue data", name: "Glue"},
	{alias: "kafka", protects: "Kafka data", name: "Kafka"},
	{alias: "kinesis", protects: "Kinesis data", name: "Kinesis"},
	{alias: "kinesisvideo", protects: "kinesis video data", name: "Kinesis Video"},
	{alias: "lambda", protects: "Lambda functions", name: "AWS Lambda", policyID: "auto-awslambda"},
	{alias: "lex", protects: "Lex data", name: "Lex"},
	{alias: "lightsail", protects: "Lightsail signing keys", name: "Lightsail"},
	{alias: "mq", protects: "MQ data", name: "MQ"},
	{alias: "rds", protects: "RDS database volumes", name: "RDS", policyID: "auto-rds-2", statement: policyListGrants},
	{alias: "redshift", protects: "Redshift clusters", name: "Redshift"},
	{alias: "s3", protects: "S3 objects", name: "S3", policyID: "auto-s3-2", statement: policyNoGrants},
	{alias: "secretsmanager", protects: "Secrets Manager data", name: "AWS Secrets Manager", policyID: "auto-secretsmanager-2", statement: policySecrets},
	{alias: "sns", protects: "SNS data", name: "SNS", statement: policyDecryptOnly},
	{alias: "sqs", protects: "SQS messages", name: "SQS"},
	{alias: "ssm", protects: "SSM parameters", name: "SSM"},
	{alias: "workspaces", protects: "WorkSpaces volumes", name: "WorkSpaces"},
	{alias: "xray", protects: "X-Ray data", name: "X-Ray"},
}

// managedByAlias finds a predefined alias by its whole name, nil if it is none.
func managedByAlias(name string) *managedKey {
	rest, ok := strings.CutPrefix(name, managedPrefix)
	if !ok {
		return nil
	}
	i, found := slices.BinarySearchFunc(managedKeys[:], rest, func(k managedKey, alias string) int { return strings.Compare(k.alias, alias) })
	if !found {
		return nil
	}
	return &managedKeys[i]
}

func (k *managedKey) aliasName() string { return managedPrefix + k.alias }

// firstUse makes the key of a predefined alias of the caller's account, which it has from its first use on, if the need would
// be met by it. false: it would not, or no such key is to be made.
func (s *Service) firstUse(ctx context.Context, c *Call, n *need, l *lost) (bool, error) {
	id, err := newID(c.Scope, false)
	if err != nil {
		return false, err
	}
	document := []byte(l.managed.policy(id))
	if s.mode != Off {
		allowed, err := s.wouldAllow(c, n, id, document)
		if err != nil {
			return false, err
		}
		if !allowed && s.mode == Enforce {
			return false, nil
		}
	}
	if err := s.makeManaged(ctx, c, l.managed, id, document); err != nil && !errors.Is(err, keyring.ErrKeyExists) { // somebody else was first
		return false, err
	}
	name, refusal := []byte(l.managed.aliasName()), l.refusal
	if c.refuse == refusal {
		c.refuse = nil
	}
	*l = lost{}
	if err := s.resolve(ctx, c, name, n.on); err != nil {
		return false, err
	}
	return true, nil
}

// wouldAllow decides a need as if an AWS managed key were there already.
func (s *Service) wouldAllow(c *Call, n *need, id keyring.ID, document []byte) (bool, error) {
	parsed, err := authz.ParsePolicy(document)
	if err != nil {
		return false, fmt.Errorf("reading the policy of an AWS managed key: %w", err)
	}
	key := &keyring.Snapshot{
		ID: id, ARN: id.ARN(), State: keyring.Enabled, Usage: hsm.EncryptDecrypt, Origin: keyring.AWSKMS, Manager: keyring.AWS,
		Policy: authz.Compile(authz.KindKey, document, parsed),
	}
	key.Spec, _ = partitionSpec(wire.KeySpecSymmetricDefault, id.Partition)
	c.ask(n.action, key)
	c.asked.Resource, c.asked.ResourceAccount, c.asked.Policy = key.ARN, key.Account, key.Policy
	if s.principals.ResourceControl != nil {
		c.asked.ResourceControl = s.principals.ResourceControl(key.Partition, key.Account)
	}
	d := authz.Decide(&c.asked)
	return d.Allowed, c.asking.trouble
}

// makesManaged tells whether a request is a use of an AWS managed key: describing it, or cryptography that such
// keys are for. A dry run writes nothing.
func makesManaged(c *Call) bool {
	dry := false
	switch r := c.Request.(type) {
	case *wire.EncryptRequest:
		dry = r.DryRun
	case *wire.DecryptRequest:
		dry = r.DryRun
	case *wire.ReEncryptRequest:
		dry = r.DryRun
	case *wire.GenerateDataKeyRequest:
		dry = r.DryRun
	case *wire.GenerateDataKeyWithoutPlaintextRequest:
		dry = r.DryRun
	case *wire.GenerateDataKeyPairRequest:
		dry = r.DryRun
	case *wire.GenerateDataKeyPairWithoutPlaintextRequest:
		dry = r.DryRun
	case *wire.DescribeKeyRequest:
		return true
	}
	return !dry && c.row.usage == hsm.EncryptDecrypt
}

// makeManaged makes an AWS managed key together with its alias, which is what lets only one be made.
func (s *Service) makeManaged(ctx context.Context, c *Call, managed *managedKey, id keyring.ID, policy []byte) error {
	n := keyring.NewKey{
		Usage: hsm.EncryptDecrypt, Origin: keyring.AWSKMS, Manager: keyring.AWS, Created: s.clock(),
		Description: "Default key that protects my " + managed.protects + " when no other key is defined",
		Alias:       managed.aliasName(), RotateDays: managedRotation,
	}
	n.Spec, _ = partitionSpec(wire.KeySpecSymmetricDefault, c.Scope.Partition) // which all partitions have
	n.ID, n.Policy = id, policy
	if err := s.generate(c, &n); err != nil {
		return err
	}
	if _, err := s.keys.Create(ctx, n); err != nil {
		return fmt.Errorf("writing an AWS managed key: %w", err)
	}
	return nil
}

// checkManaged refuses to change AWS managed keys where their policies, which do, are not enforced: they allow the account
// to look at them and to revoke grants.
func checkManaged(c *Call, key *keyring.Snapshot) error {
	if key == nil || key.Manager != keyring.AWS {
		return nil
	}
	switch c.Operation {
	case wire.OperationCreateGrant, wire.OperationRetireGrant, wire.OperationRevokeGrant:
		return nil
	}
	action := c.Operation.String()
	return wire.Errorf(wire.CodeAccessDeniedException,
		"User: %s is not authorized to perform: kms:%s on resource: %s because no resource-based policy allows the kms:%s action",
		c.Caller.ARN, action, key.ARN, action)
}

// withPredefined adds to a page of aliases, which begins after one name and ends with more or not, the predefined ones
// that have no key yet, within a limit. It returns the page and whether more follows.
func withPredefined(page []keyring.Alias, more bool, after string, limit int) ([]keyring.Alias, bool) {
	last := ""
	if more && len(page) > 0 {
		last = page[len(page)-1].Name
	}
	merged := slices.Clone(page)
	for i := range managedKeys {
		name := managedKeys[i].aliasName()
		if name <= after || last != "" && name > last {
			continue
		}
		at, found := slices.BinarySearchFunc(merged, name, func(a keyring.Alias, name string) int { return strings.Compare(a.Name, name) })
		if !found {
			merged = slices.Insert(merged, at, keyring.Alias{Name: name})
		}
	}
	if len(merged) > limit {
		return merged[:limit], true
	}
	return merged, more
}
