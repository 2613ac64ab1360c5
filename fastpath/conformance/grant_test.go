package conformance_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// role is the ARN of a role of the account; no test needs it to exist here, while the service itself does.
func role(name string) string { return "arn:aws:iam::" + at.Account + ":role/" + name }

func rootOf(account string) string { return "arn:aws:iam::" + account + ":root" }

// newGrant makes a grant to the account, of two operations, with what change adds.
func newGrant(t testing.TB, k key, change func(*kms.CreateGrantInput)) *kms.CreateGrantOutput {
	t.Helper()
	in := &kms.CreateGrantInput{KeyId: &k.id, GranteePrincipal: aws.String(rootOf(at.Account)), Operations: []types.GrantOperation{"Encrypt", "Decrypt"}}
	if change != nil {
		change(in)
	}
	out, err := at.KMS().CreateGrant(t.Context(), in)
	if err != nil {
		t.Fatalf("CreateGrant: %v", err)
	}
	return out
}

// grantsOf lists the grants of a key in pages of limit.
func grantsOf(t testing.TB, in kms.ListGrantsInput, limit int32) []types.GrantListEntry {
	t.Helper()
	var all []types.GrantListEntry
	in.Limit = &limit
	for pages := kms.NewListGrantsPaginator(at.KMS(), &in); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Grants) > int(limit) || page.Truncated != (page.NextMarker != nil) {
			t.Fatalf("page of %d grants, truncated %v, marker %v", len(page.Grants), page.Truncated, page.NextMarker)
		}
		all = append(all, page.Grants...)
	}
	return all
}

func grantIDs(grants []types.GrantListEntry) []string {
	var ids []string
	for _, g := range grants {
		ids = append(ids, *g.GrantId)
	}
	slices.Sort(ids)
	return ids
}

var (
	grantIDForm    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	grantTokenForm = regexp.MustCompile(`^[A-Za-z0-9+/_=-]+$`)
)

// TestGrantFields: what was given is listed, in full.
func TestGrantFields(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	before := time.Now().Add(-time.Minute)
	service := "s3.amazonaws.com"
	inputs := map[string]*kms.CreateGrantInput{
		"least": {KeyId: &k.id, GranteePrincipal: aws.String(rootOf(at.Account)), Operations: []types.GrantOperation{"DescribeKey"}},
		"most": {
			KeyId: &k.arn, GranteePrincipal: aws.String(role("a/b")), RetiringPrincipal: aws.String(rootOf(otherAccount)), Name: aws.String("a:/_-9"),
			Operations:  []types.GrantOperation{"RetireGrant", "CreateGrant", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyPair"},
			Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"b": "2", "a": "", "ü": "ß"}, SourceArn: aws.String("arn:aws:s3:::bucket/*")},
		},
		"equals": {
			KeyId: &k.id, GranteePrincipal: aws.String("arn:aws:sts::" + at.Account + ":assumed-role/r/s@example.com"), Operations: []types.GrantOperation{"Encrypt"},
			Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"a": long(384)}},
		},
		"services": {
			KeyId: &k.id, GranteeServicePrincipal: &service, RetiringServicePrincipal: &service, Operations: []types.GrantOperation{"GenerateDataKey"},
			Constraints: &types.GrantConstraints{SourceArn: aws.String("arn:aws:s3:::a-bucket")},
		},
	}
	want := map[string]types.GrantListEntry{}
	for name, in := range inputs {
		out, err := at.KMS().CreateGrant(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !grantIDForm.MatchString(*out.GrantId) || !grantTokenForm.MatchString(*out.GrantToken) {
			t.Errorf("id %s, token %s", *out.GrantId, *out.GrantToken)
		}
		want[*out.GrantId] = types.GrantListEntry{
			KeyId: &k.arn, GrantId: out.GrantId, Name: aws.String(aws.ToString(in.Name)), IssuingAccount: aws.String(rootOf(at.Account)),
			GranteePrincipal: in.GranteePrincipal, RetiringPrincipal: in.RetiringPrincipal, Operations: in.Operations, Constraints: in.Constraints,
			GranteeServicePrincipal: in.GranteeServicePrincipal, RetiringServicePrincipal: in.RetiringServicePrincipal,
		}
	}
	for _, limit := range []int32{1, 3, 100, 1000} {
		got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.arn}, limit)
		if len(got) != len(want) {
			t.Errorf("%d grants", len(got))
		}
		for _, g := range got {
			if g.CreationDate == nil || g.CreationDate.Before(before) || g.CreationDate.After(time.Now().Add(time.Minute)) {
				t.Errorf("created at %v", g.CreationDate)
			}
			w := want[*g.GrantId]
			w.CreationDate = g.CreationDate
			if d := cmp.Diff(w, g, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(types.GrantListEntry{}, types.GrantConstraints{})); d != "" {
				t.Error(d)
			}
		}
	}
	for name, c := range map[string]struct {
		in   kms.ListGrantsInput
		want int
	}{
		"grantee":       {kms.ListGrantsInput{GranteePrincipal: aws.String(role("a/b"))}, 1},
		"other grantee": {kms.ListGrantsInput{GranteePrincipal: aws.String(role("a"))}, 0},
		"service":       {kms.ListGrantsInput{GranteeServicePrincipal: &service}, 1},
	} {
		c.in.KeyId = &k.id
		if got := grantsOf(t, c.in, 10); len(got) != c.want {
			t.Errorf("%s: %d grants", name, len(got))
		}
	}
	for id, g := range want {
		one := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id, GrantId: &id}, 10)
		if len(one) != 1 || *one[0].GrantId != id {
			t.Errorf("%d grants of one id", len(one))
		}
		if g.GranteePrincipal != nil && len(grantsOf(t, kms.ListGrantsInput{KeyId: &k.id, GrantId: &id, GranteePrincipal: aws.String(role("x"))}, 10)) != 0 {
			t.Error("the grant of one grantee is listed for another")
		}
	}
	if a := call(t, "ListGrants", object{"KeyId": k.id}); !strings.Contains(a.Body, `"Name":""`) {
		t.Errorf("no Name: %s", a.Body)
	}
}

// TestGrantNames: a name makes CreateGrant repeatable; each answer has a token of its own.
func TestGrantNames(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	named := func(in *kms.CreateGrantInput) { in.Name = aws.String("retry") }
	first := newGrant(t, k, named)
	tokens := map[string]bool{*first.GrantToken: true}
	for range 3 {
		again := newGrant(t, k, named)
		if *again.GrantId != *first.GrantId || tokens[*again.GrantToken] {
			t.Errorf("id %s, token known %v", *again.GrantId, tokens[*again.GrantToken])
		}
		tokens[*again.GrantToken] = true
	}
	for token := range tokens {
		if _, err := at.KMS().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x"), GrantTokens: []string{token}}); err != nil {
			t.Error(err)
		}
	}
	if other := newGrant(t, k, func(in *kms.CreateGrantInput) { named(in); in.Operations = in.Operations[:1] }); *other.GrantId == *first.GrantId {
		t.Error("other operations under the same name are the same grant")
	}
	if a, b := newGrant(t, k, nil), newGrant(t, k, nil); *a.GrantId == *b.GrantId {
		t.Error("two grants without a name are one")
	}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			ids[i] = *newGrant(t, k, func(in *kms.CreateGrantInput) { in.Name = aws.String("race") }).GrantId
		})
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("one request at once made grants %v", ids)
	}
}

// TestGrantOperations: each key takes the operations that it can do.
func TestGrantOperations(t *testing.T) {
	t.Parallel()
	common := []types.GrantOperation{"RetireGrant", "DescribeKey"}
	of := func(ops ...types.GrantOperation) []types.GrantOperation { return append(ops, common...) }
	for name, c := range map[string]struct {
		key key
		can []types.GrantOperation
	}{
		"symmetric": {symmetric(t), of("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
			"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")},
		"rsa":  {rsaCrypt(t), of("Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey")},
		"sign": {p256(t), of("Sign", "Verify", "GetPublicKey")},
		"mac":  {hmac256(t), of("GenerateMac", "VerifyMac")},
		"ecdh": {theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0), of("DeriveSharedSecret", "GetPublicKey")},
		"kem":  {theKey(t, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", 0), of("Encapsulate", "Decapsulate", "GetPublicKey")},
	} {
		for _, op := range types.GrantOperation("").Values() {
			if op == "CreateGrant" {
				continue
			}
			_, err := at.KMS().CreateGrant(t.Context(), &kms.CreateGrantInput{
				KeyId: &c.key.id, GranteePrincipal: aws.String(rootOf(at.Account)), Operations: []types.GrantOperation{op}, DryRun: aws.Bool(true),
			})
			code := "ValidationException"
			if slices.Contains(c.can, op) {
				code = "DryRunOperationException"
			}
			if got := codeOf(err); got != code {
				t.Errorf("%s, %s: %v, want %s", name, op, err, code)
			}
		}
	}
	out := newGrant(t, symmetric(t), func(in *kms.CreateGrantInput) {
		in.Operations = []types.GrantOperation{"Encrypt", "CreateGrant", "Encrypt"}
	})
	listed := grantsOf(t, kms.ListGrantsInput{KeyId: aws.String(symmetric(t).id), GrantId: out.GrantId}, 1)
	if d := cmp.Diff([]types.GrantOperation{"Encrypt", "CreateGrant"}, listed[0].Operations); d != "" {
		t.Error(d)
	}
}

func TestGrantRefusals(t *testing.T) {
	t.Parallel()
	k, mac := symmetric(t), hmac256(t)
	root := rootOf(at.Account)
	const badARN = "ARN does not refer to a valid principal"
	context := func(n int, value string) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(i)] = value
		}
		return m
	}
	nine := "Grant constraints cannot have more than 8 encryption context pairs."
	long384 := "Encryption context in grant constraints cannot exceed 384 characters."
	const symmetricOnly = "Encryption context constraints are supported for symmetric encryption KMS keys only."
	const needs = "A grant to a service principal must have a SourceArn constraint and a retiring principal."
	base := object{"KeyId": k.id, "GranteePrincipal": root, "Operations": []string{"Encrypt"}}
	for name, c := range map[string]struct {
		with       object
		code, text string
	}{
		"alias":            {object{"KeyId": "alias/x"}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"absent key":       {object{"KeyId": absentID}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"only CreateGrant": {object{"Operations": []string{"CreateGrant", "CreateGrant"}}, "ValidationException", "Grants must not contain only the CreateGrant operation."},
		"no operation":     {object{"Operations": []string{}}, "ValidationException", "Grants must contain at least one operation."},
		"unknown operation": {object{"Operations": []string{"ListGrants"}}, "ValidationException", "1 validation error detected: Value '[ListGrants]' at 'operations' failed to satisfy constraint: Member must satisfy constraint: " +
			"[Member must satisfy enum value set: [Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, CreateGrant, RetireGrant, DescribeKey, " +
			"GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate], Member must not be null]"},
		"no grantee":         {object{"GranteePrincipal": nil}, "ValidationException", "1 validation error detected: Value null at 'granteePrincipal' failed to satisfy constraint: Member must not be null"},
		"group":              {object{"GranteePrincipal": "arn:aws:iam::" + at.Account + ":group/x"}, "InvalidArnException", badARN},
		"organization":       {object{"GranteePrincipal": "arn:aws:organizations::" + at.Account + ":organization/o-a1b2c3d4e5"}, "InvalidArnException", badARN},
		"account id":         {object{"GranteePrincipal": at.Account}, "InvalidArnException", badARN},
		"everybody's":        {object{"GranteePrincipal": "service.amazonaws.com"}, "InvalidArnException", badARN},
		"partition":          {object{"GranteePrincipal": "arn:aws-cn:iam::" + at.Account + ":root"}, "InvalidArnException", badARN},
		"retiring":           {object{"RetiringPrincipal": "arn:aws:iam::" + at.Account + ":role/"}, "InvalidArnException", badARN},
		"two grantees":       {object{"GranteeServicePrincipal": "s3.amazonaws.com"}, "ValidationException", "GranteePrincipal and GranteeServicePrincipal cannot be specified in the same request."},
		"two who may retire": {object{"RetiringPrincipal": root, "RetiringServicePrincipal": "s3.amazonaws.com"}, "ValidationException", "RetiringPrincipal and RetiringServicePrincipal cannot be specified in the same request."},
		"no service":         {object{"RetiringServicePrincipal": "s3"}, "ValidationException", "s3 is not a valid service principal"},
		"service alone":      {object{"GranteePrincipal": nil, "GranteeServicePrincipal": "s3.amazonaws.com"}, "ValidationException", needs},
		"service, no source": {object{"GranteePrincipal": nil, "GranteeServicePrincipal": "s3.amazonaws.com", "RetiringPrincipal": root}, "ValidationException", needs},
		"service, no end":    {object{"GranteePrincipal": nil, "GranteeServicePrincipal": "s3.amazonaws.com", "Constraints": object{"SourceArn": "arn:aws:s3:::a-bucket"}}, "ValidationException", needs},
		"no source ARN":      {object{"Constraints": object{"SourceArn": "arn-aws-s3-a-bucket-of-mine"}}, "ValidationException", "SourceArn arn-aws-s3-a-bucket-of-mine is not a valid ARN"},
		"both contexts": {object{"Constraints": object{"EncryptionContextEquals": object{"a": "b"}, "EncryptionContextSubset": object{"a": "b"}}},
			"ValidationException", "EncryptionContextEquals and EncryptionContextSubset cannot be specified in the same grant."},
		"nine pairs":     {object{"Constraints": object{"EncryptionContextEquals": context(9, "x")}}, "ValidationException", nine},
		"nine in subset": {object{"Constraints": object{"EncryptionContextSubset": context(9, "x")}}, "ValidationException", nine},
		"long value":     {object{"Constraints": object{"EncryptionContextEquals": context(1, long(385))}}, "ValidationException", long384},
		"no symmetric key": {object{"KeyId": mac.id, "Operations": []string{"GenerateMac"}, "Constraints": object{"EncryptionContextEquals": context(1, "x")}},
			"ValidationException", symmetricOnly},
		"token": {object{"GrantTokens": []string{"x"}}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dry := range []bool{false, true} {
				body := merge(base, c.with)
				if dry {
					body["DryRun"] = true
				}
				wantRefusal(t, call(t, "CreateGrant", body), c.code, c.text)
			}
		})
	}
	widest := merge(base, object{"Constraints": object{"EncryptionContextEquals": context(8, strings.Repeat("ü", 384))}, "DryRun": true})
	wantRefusal(t, call(t, "CreateGrant", widest), "DryRunOperationException", dryRunText)
}

const dryRunText = "The request would have succeeded, but the DryRun option is set."

// merge is a with what b changes; nil takes a member away.
func merge(a, b object) object {
	m := object{}
	for _, o := range []object{a, b} {
		for k, v := range o {
			if m[k] = v; v == nil {
				delete(m, k)
			}
		}
	}
	return m
}

// TestGrantStates: CreateGrant wants a key that can be used, the others take any.
func TestGrantStates(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for state, c := range map[types.KeyState]struct{ code, text string }{
		types.KeyStateDisabled:        {"DisabledException", " is disabled."},
		types.KeyStatePendingDeletion: {"KMSInvalidStateException", " is pending deletion."},
		types.KeyStatePendingImport:   {"KMSInvalidStateException", " is pending import."},
	} {
		k := inState(t, state, &kms.CreateKeyInput{})
		in := &kms.CreateGrantInput{KeyId: &k.id, GranteePrincipal: aws.String(rootOf(at.Account)), Operations: []types.GrantOperation{"Encrypt"}}
		_, err := client.CreateGrant(ctx, in)
		wantError(t, err, c.code, k.arn+c.text)
		in.Operations = []types.GrantOperation{"Sign"}
		if _, err := client.CreateGrant(ctx, in); codeOf(err) != "ValidationException" {
			t.Errorf("%s: operations rank before the state: %v", state, err)
		}
	}
	k := newSymmetric(t)
	one, two := newGrant(t, k, nil), newGrant(t, k, nil)
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10); len(got) != 2 {
		t.Errorf("%d grants", len(got))
	}
	for _, err := range []error{
		second(client.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &k.id, GrantId: one.GrantId})),
		second(client.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: two.GrantToken})),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10); len(got) != 0 {
		t.Errorf("%d grants", len(got))
	}
}

// TestRevokeGrant: a dry run leaves the grant, a revocation ends it and its tokens.
func TestRevokeGrant(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, other := newSymmetric(t), symmetric(t)
	g, kept := newGrant(t, k, nil), newGrant(t, k, nil)
	in := &kms.RevokeGrantInput{KeyId: &k.arn, GrantId: g.GrantId, DryRun: aws.Bool(true)}
	_, err := client.RevokeGrant(ctx, in)
	wantError(t, err, "DryRunOperationException", dryRunText)
	missing := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		in         kms.RevokeGrantInput
		code, text string
	}{
		"other key": {kms.RevokeGrantInput{KeyId: &other.id, GrantId: g.GrantId}, "NotFoundException", "Grant '" + *g.GrantId + "' does not exist"},
		"absent":    {kms.RevokeGrantInput{KeyId: &k.id, GrantId: &missing}, "NotFoundException", "Grant '" + missing + "' does not exist"},
		"no id":     {kms.RevokeGrantInput{KeyId: &k.id, GrantId: aws.String("x")}, "InvalidGrantIdException", "Invalid grant ID 'x'"},
		"alias":     {kms.RevokeGrantInput{KeyId: aws.String("alias/x"), GrantId: g.GrantId}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"no key":    {kms.RevokeGrantInput{KeyId: aws.String(absentID), GrantId: g.GrantId}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
	} {
		for _, dry := range []*bool{nil, aws.Bool(true)} {
			c.in.DryRun = dry
			_, err := client.RevokeGrant(ctx, &c.in)
			if t.Failed() {
				t.Log(name)
			}
			wantError(t, err, c.code, c.text)
		}
	}
	if got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10); len(got) != 2 {
		t.Errorf("%d grants after what was refused", len(got))
	}
	in.DryRun = nil
	if _, err := client.RevokeGrant(ctx, in); err != nil {
		t.Fatal(err)
	}
	_, err = client.RevokeGrant(ctx, in)
	wantError(t, err, "NotFoundException", "Grant '"+*g.GrantId+"' does not exist")
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x"), GrantTokens: []string{*g.GrantToken}})
	wantError(t, err, "InvalidGrantTokenException", "")
	if got := grantIDs(grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10)); !slices.Equal(got, []string{*kept.GrantId}) {
		t.Errorf("left: %v", got)
	}
}

// TestListGrantsRefusals: what no list can be asked by.
func TestListGrantsRefusals(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	root := rootOf(at.Account)
	for name, c := range map[string]struct {
		operation  string
		body       object
		code, text string
	}{
		"grant id":         {"ListGrants", object{"KeyId": k.id, "GrantId": "x"}, "InvalidGrantIdException", "Invalid grant ID 'x'"},
		"marker":           {"ListGrants", object{"KeyId": k.id, "Marker": "x"}, "InvalidMarkerException", ""},
		"limit":            {"ListGrants", object{"KeyId": k.id, "Limit": 0}, "ValidationException", validation("'0' ", "limit", "have value greater than or equal to 1")},
		"alias":            {"ListGrants", object{"KeyId": "alias/x"}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"two grantees":     {"ListGrants", object{"KeyId": k.id, "GranteePrincipal": root, "GranteeServicePrincipal": "s3.amazonaws.com"}, "ValidationException", "GranteePrincipal and GranteeServicePrincipal cannot be specified in the same request."},
		"retirable marker": {"ListRetirableGrants", object{"RetiringPrincipal": root, "Marker": "x"}, "InvalidMarkerException", ""},
		"nobody":           {"ListRetirableGrants", object{}, "ValidationException", validation("null ", "retiringPrincipal", "not be null")},
		"no principal":     {"ListRetirableGrants", object{"RetiringPrincipal": "me"}, "InvalidArnException", "ARN does not refer to a valid principal"},
		"two":              {"ListRetirableGrants", object{"RetiringPrincipal": root, "RetiringServicePrincipal": "s3.amazonaws.com"}, "ValidationException", "RetiringPrincipal and RetiringServicePrincipal cannot be specified in the same request."},
		"other account":    {"ListRetirableGrants", object{"RetiringPrincipal": rootOf("999988887777")}, "AccessDeniedException", "User: " + root + " is not authorized to perform: kms:ListRetirableGrants on resource: *"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, call(t, c.operation, c.body), c.code, c.text)
		})
	}
}

// TestListRetirableGrants: over all keys, by who may retire, not by grantee.
func TestListRetirableGrants(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	one, two := newSymmetric(t), newSymmetric(t)
	who := role("retires-" + uuid.NewString())
	var want []string
	for i := range 5 {
		k := []key{one, two}[i%2]
		want = append(want, *newGrant(t, k, func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &who }).GrantId)
		newGrant(t, k, func(in *kms.CreateGrantInput) {
			in.GranteePrincipal, in.Operations = &who, []types.GrantOperation{"RetireGrant"}
		})
	}
	slices.Sort(want)
	for _, limit := range []int32{1, 2, 100} {
		var got []types.GrantListEntry
		for pages := kms.NewListRetirableGrantsPaginator(client, &kms.ListRetirableGrantsInput{RetiringPrincipal: &who, Limit: &limit}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil || len(page.Grants) > int(limit) || page.Truncated != (page.NextMarker != nil) {
				t.Fatalf("%+v, %v", page, err)
			}
			got = append(got, page.Grants...)
		}
		if ids := grantIDs(got); !slices.Equal(ids, want) {
			t.Errorf("pages of %d: %v, want %v", limit, ids, want)
		}
		for _, g := range got {
			if *g.RetiringPrincipal != who || *g.KeyId != one.arn && *g.KeyId != two.arn {
				t.Errorf("%+v", g)
			}
		}
	}
	none, err := client.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: aws.String(who + "x")})
	if err != nil || len(none.Grants) != 0 || none.Truncated {
		t.Errorf("%+v, %v", none, err)
	}
}
