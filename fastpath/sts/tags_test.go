package sts_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"trent/fastpath/servertest"
)

func tags(pairs ...string) (out []ststypes.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, ststypes.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// allowedWith tells whether the session may use a key whose policy denies it on a condition.
func allowedWith(t *testing.T, s *servertest.Server, made *ststypes.Credentials, condition string) bool {
	t.Helper()
	admin := kms.NewFromConfig(session(s, assume(t, alice(s), "team/app", nil).Credentials))
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"kms:DescribeKey","Resource":"*","Condition":%s}]}`, condition)
	key, err := admin.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	_, err = kms.NewFromConfig(session(s, made)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key.KeyMetadata.KeyId})
	if err != nil {
		wantCode(t, err, "AccessDeniedException", "explicit deny in a resource-based policy")
	}
	return err == nil
}

// Session tags win over the role's, and go on to further sessions where they are transitive.
func TestSessionTags(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	first := assume(t, alice(s), "team/app", func(in *sts.AssumeRoleInput) {
		in.Tags, in.TransitiveTagKeys = tags("project", "blue", "Stage", "test"), []string{"project"}
	})
	second := assume(t, sts.NewFromConfig(session(s, first.Credentials)), "next", nil)
	third := assume(t, sts.NewFromConfig(session(s, first.Credentials)), "next", func(in *sts.AssumeRoleInput) {
		in.Tags = tags("other", "x")
	})
	for _, c := range []struct {
		made   *ststypes.Credentials
		tag, v string
		has    bool
	}{
		{first.Credentials, "project", "blue", true},
		{first.Credentials, "stage", "test", true},
		{first.Credentials, "stage", "prod", false},
		{second.Credentials, "project", "blue", true},
		{second.Credentials, "stage", "test", false},
		{third.Credentials, "project", "blue", true},
		{third.Credentials, "other", "x", true},
	} {
		denied := !allowedWith(t, s, c.made, fmt.Sprintf(`{"StringEquals":{"aws:PrincipalTag/%s":%q}}`, c.tag, c.v))
		if denied != c.has {
			t.Errorf("%s=%s is on the session: %v, want %v", c.tag, c.v, denied, c.has)
		}
	}
	for _, out := range []*sts.AssumeRoleOutput{first, second} {
		size := int32(len(*out.Credentials.SessionToken))
		if *out.SessionTokenSize != size || *out.SessionTokenUtilization != (100*size+2048)/4096 {
			t.Errorf("a token of %d bytes is said to have %d, %d %%", size, *out.SessionTokenSize, *out.SessionTokenUtilization)
		}
	}
	for _, c := range []struct {
		edit       func(*sts.AssumeRoleInput)
		from       *sts.Client
		role       string
		code, want string
	}{
		{func(in *sts.AssumeRoleInput) { in.Tags = tags("a", "1", "A", "2") }, alice(s), "team/app", "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{func(in *sts.AssumeRoleInput) { in.Tags = tags("aws:x", "1") }, alice(s), "team/app", "InvalidParameterValue", "aws:"},
		{func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"a"} }, alice(s), "team/app", "InvalidParameterValue", "must be included in the requested tags"},
		{func(in *sts.AssumeRoleInput) { in.Tags = tags("Project", "red") }, sts.NewFromConfig(session(s, first.Credentials)), "next", "InvalidParameterValue", "conflicts with a transitive tag key"},
		{func(in *sts.AssumeRoleInput) { in.Tags = tags("a", strings.Repeat("x", 257)) }, alice(s), "team/app", "ValidationError", "'tags.1.member.value' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{func(in *sts.AssumeRoleInput) {
			in.Tags = randomTags(50)
		}, alice(s), "team/app", "PackedPolicyTooLarge", "Packed size of session tags consumes "},
	} {
		in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/" + c.role), RoleSessionName: aws.String("work")}
		c.edit(in)
		_, err := c.from.AssumeRole(t.Context(), in)
		wantCode(t, err, c.code, c.want)
	}
}

// randomTags do not pack well.
func randomTags(n int) (out []ststypes.Tag) {
	for i := range n {
		var b [96]byte
		_, _ = rand.Read(b[:])
		out = append(out, tags(fmt.Sprintf("tag-%d", i), hex.EncodeToString(b[:]))...)
	}
	return out
}

// A token is as large as it was asked to be at least, and not larger than any may be.
func TestTokenSizes(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	for _, c := range []struct {
		least int32
		tags  int
	}{{0, 0}, {1, 0}, {1500, 0}, {1501, 3}, {3999, 5}, {4095, 8}, {4096, 0}} {
		out := assume(t, alice(s), "team/app", func(in *sts.AssumeRoleInput) {
			in.MinimumSessionTokenSize, in.Tags = &c.least, randomTags(c.tags)
		})
		if size := *out.SessionTokenSize; size < c.least || size > 4096 || size > max(c.least+4, 2500) {
			t.Errorf("at least %d bytes were asked for, and %d came", c.least, size)
		}
		if err := describe(t, session(s, out.Credentials)); err != nil {
			t.Errorf("%d bytes: %v", c.least, err)
		}
	}
	own, err := alice(s).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{MinimumSessionTokenSize: aws.Int32(2048)})
	if err != nil || *own.SessionTokenUtilization != 50 {
		t.Errorf("%v, %v", own, err)
	}
	_, err = alice(s).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{MinimumSessionTokenSize: aws.Int32(4097)})
	wantCode(t, err, "ValidationError", "Value '4097' at 'minimumSessionTokenSize' failed to satisfy constraint: Member must have value less than or equal to 4096")
}

// To tag a session takes a permission of its own, on both sides.
func TestTaggingNeedsPermission(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	in := &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/partner"), RoleSessionName: aws.String("work"),
		ExternalId: aws.String("right-one"), Tags: tags("a", "1"),
	}
	_, err := stsAs(s, "AKIABOB", "bob-secret").AssumeRole(t.Context(), in)
	wantCode(t, err, "AccessDenied", "is not authorized to perform: sts:TagSession on resource: arn:aws:iam::111122223333:role/partner")
	in.Tags, in.SourceIdentity = nil, aws.String("bob")
	_, err = stsAs(s, "AKIABOB", "bob-secret").AssumeRole(t.Context(), in)
	wantCode(t, err, "AccessDenied", "is not authorized to perform: sts:SetSourceIdentity")
}

// A source identity stays with all sessions that come of the one that it was set for.
func TestSourceIdentityStays(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	first := assume(t, alice(s), "team/app", func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("Alice") })
	if *first.SourceIdentity != "Alice" {
		t.Errorf("got %q", *first.SourceIdentity)
	}
	through := sts.NewFromConfig(session(s, first.Credentials))
	second := assume(t, through, "next", nil)
	if second.SourceIdentity == nil || *second.SourceIdentity != "Alice" {
		t.Errorf("chained: %v", second.SourceIdentity)
	}
	if allowedWith(t, s, second.Credentials, `{"StringEquals":{"aws:SourceIdentity":"Alice"}}`) {
		t.Error("the chained session has no source identity")
	}
	_, err := through.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/next"), RoleSessionName: aws.String("work"), SourceIdentity: aws.String("Bob"),
	})
	wantCode(t, err, "AccessDenied", "sts:SetSourceIdentity")
}

// Session policies limit what the role may do.
func TestSessionPolicies(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	const listOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}]}`
	limited := assume(t, alice(s), "team/app", func(in *sts.AssumeRoleInput) { in.Policy = aws.String(listOnly) })
	if err := describe(t, session(s, limited.Credentials)); err != nil {
		t.Error(err)
	}
	_, err := kms.NewFromConfig(session(s, limited.Credentials)).ListAliases(t.Context(), &kms.ListAliasesInput{})
	wantCode(t, err, "AccessDeniedException", "because no session policy allows the kms:ListAliases action")
	named := assume(t, alice(s), "team/app", func(in *sts.AssumeRoleInput) {
		in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::111122223333:policy/describe-only")}}
	})
	wantCode(t, describe(t, session(s, named.Credentials)), "AccessDeniedException", "because no session policy allows the kms:ListKeys action")
	for _, c := range []struct {
		edit       func(*sts.AssumeRoleInput)
		code, want string
	}{
		{func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{") }, "MalformedPolicyDocument", "The policy is not in the valid JSON format."},
		{func(in *sts.AssumeRoleInput) { in.Policy = aws.String(`{"Statement":[{"Effect":"Allow"}]}`) }, "MalformedPolicyDocument", "Syntax errors in policy."},
		{func(in *sts.AssumeRoleInput) { in.Policy = aws.String(strings.Repeat(" ", 2049)) }, "ValidationError", "less than or equal to 2048"},
		{func(in *sts.AssumeRoleInput) {
			in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::111122223333:policy/none")}}
		}, "ValidationError", "does not exist"},
	} {
		in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/team/app"), RoleSessionName: aws.String("work")}
		c.edit(in)
		_, err := alice(s).AssumeRole(t.Context(), in)
		wantCode(t, err, c.code, c.want)
	}
}
