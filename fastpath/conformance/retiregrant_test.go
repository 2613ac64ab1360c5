package conformance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
)

// TestRetireGrant: by token, or by the key and the grant's id.
func TestRetireGrant(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	g := newGrant(t, k, nil)
	dry := aws.Bool(true)
	for _, in := range []*kms.RetireGrantInput{{GrantToken: g.GrantToken, DryRun: dry}, {KeyId: &k.arn, GrantId: g.GrantId, DryRun: dry}} {
		_, err := client.RetireGrant(ctx, in)
		wantError(t, err, "DryRunOperationException", dryRunText)
		if got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10); len(got) != 1 {
			t.Fatalf("a dry run left %d grants", len(got))
		}
	}
	for _, in := range []*kms.RetireGrantInput{
		{GrantToken: g.GrantToken}, {KeyId: &k.arn, GrantId: newGrant(t, k, nil).GrantId}, {KeyId: &k.id, GrantId: newGrant(t, k, nil).GrantId},
	} {
		if _, err := client.RetireGrant(ctx, in); err != nil {
			t.Error(err)
		}
	}
	if got := grantsOf(t, kms.ListGrantsInput{KeyId: &k.id}, 10); len(got) != 0 {
		t.Errorf("%d grants are left", len(got))
	}
}

func TestRetireGrantRefusals(t *testing.T) {
	t.Parallel()
	k, other := newSymmetric(t), symmetric(t)
	g := newGrant(t, k, nil)
	token, id := *g.GrantToken, *g.GrantId
	none := strings.Repeat("0", 64)
	const one = "You must specify either GrantToken, or both KeyId and GrantId."
	foreign := "arn:aws:kms:" + at.Region + ":999988887777:key/" + absentID
	damaged := token[:len(token)-2] + "AA"
	for name, c := range map[string]struct {
		body       object
		code, text string
	}{
		"nothing":         {object{}, "ValidationException", one},
		"all":             {object{"GrantToken": token, "KeyId": k.arn, "GrantId": id}, "ValidationException", one},
		"token and key":   {object{"GrantToken": token, "KeyId": k.arn}, "ValidationException", one},
		"key alone":       {object{"KeyId": k.arn}, "ValidationException", one},
		"grant alone":     {object{"GrantId": id}, "ValidationException", one},
		"malformed id":    {object{"KeyId": "x", "GrantId": id}, "NotFoundException", "Invalid keyId 'x'"},
		"absent id":       {object{"KeyId": absentID, "GrantId": "x"}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"alias":           {object{"KeyId": "alias/x", "GrantId": id}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"alias ARN":       {object{"KeyId": aliasARN("alias/x"), "GrantId": id}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"no grant id":     {object{"KeyId": k.arn, "GrantId": "x"}, "InvalidGrantIdException", "Invalid grant ID 'x'"},
		"absent grant":    {object{"KeyId": k.arn, "GrantId": none}, "NotFoundException", "Grant '" + none + "' does not exist"},
		"of another key":  {object{"KeyId": other.arn, "GrantId": id}, "NotFoundException", "Grant '" + id + "' does not exist"},
		"absent key":      {object{"KeyId": arnOf(absentID), "GrantId": id}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"foreign key":     {object{"KeyId": foreign, "GrantId": id}, "AccessDeniedException", foreignText(rootOf(at.Account), "RetireGrant")},
		"another Region":  {object{"KeyId": "arn:aws:kms:eu-west-9:" + at.Account + ":key/" + k.id, "GrantId": id}, "NotFoundException", "Invalid arn eu-west-9"},
		"no token":        {object{"GrantToken": "x"}, "InvalidGrantTokenException", ""},
		"a damaged token": {object{"GrantToken": damaged}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dry := range []bool{false, true} {
				wantRefusal(t, call(t, "RetireGrant", merge(c.body, object{"DryRun": dry})), c.code, c.text)
			}
		})
	}
}

func foreignText(caller, action string) string {
	return "User: " + caller + " is not authorized to perform: kms:" + action + " on this resource because the resource does not exist in this Region, " +
		"no resource-based policies allow access, or a resource-based policy explicitly denies access"
}

// TestWhoRetires: another account retires what names it, and nothing else; neither does it learn what is there.
func TestWhoRetires(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, other := t.Context(), at.As(otherKeyID, otherSecret)
	k := newSymmetric(t)
	theirs := rootOf(otherAccount)
	denied := foreignText(theirs, "RetireGrant")
	for name, c := range map[string]struct {
		change func(*kms.CreateGrantInput)
		may    bool
	}{
		"retiring principal": {func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &theirs }, true},
		"grantee who may": {func(in *kms.CreateGrantInput) {
			in.GranteePrincipal, in.Operations = &theirs, []types.GrantOperation{"RetireGrant"}
		}, true},
		"grantee who may not": {func(in *kms.CreateGrantInput) { in.GranteePrincipal = &theirs }, false},
		"another of theirs": {func(in *kms.CreateGrantInput) {
			in.RetiringPrincipal = aws.String("arn:aws:iam::" + otherAccount + ":user/u")
		}, false},
		"a stranger to it":     {nil, false},
		"operation of another": {func(in *kms.CreateGrantInput) { in.Operations = []types.GrantOperation{"RetireGrant"} }, false},
	} {
		for _, byToken := range []bool{true, false} {
			g := newGrant(t, k, c.change)
			in := &kms.RetireGrantInput{GrantToken: g.GrantToken}
			if !byToken {
				in = &kms.RetireGrantInput{KeyId: &k.arn, GrantId: g.GrantId}
			}
			_, err := other.RetireGrant(ctx, in)
			left := len(grantsOf(t, kms.ListGrantsInput{KeyId: &k.id, GrantId: g.GrantId}, 1))
			if c.may && (err != nil || left != 0) {
				t.Errorf("%s, by token %v: %v, %d left", name, byToken, err, left)
			}
			if !c.may {
				wantError(t, err, "AccessDeniedException", denied)
				if left != 1 {
					t.Errorf("%s: retired", name)
				}
			}
		}
	}
	_, err := other.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &k.arn, GrantId: aws.String(strings.Repeat("0", 64))})
	wantError(t, err, "AccessDeniedException", denied)
	theirsToo := newGrant(t, k, func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &theirs })
	listed, err := other.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &theirs, Limit: aws.Int32(100)})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, g := range listed.Grants {
		found = found || *g.GrantId == *theirsToo.GrantId && *g.KeyId == k.arn
	}
	if !found {
		t.Errorf("%d grants, without the one on another account's key", len(listed.Grants))
	}
}

// TestGrantTokens: on each operation that takes them, those of the key pass and all others are refused. They outlive
// restarts.
func TestGrantTokens(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{Logf: t.Logf})
	client := s.KMS()
	made := func() string {
		t.Helper()
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.KeyId
	}
	token := func(id string) string {
		t.Helper()
		out, err := client.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String(rootOf(s.Account)), Operations: []types.GrantOperation{"Decrypt"}})
		if err != nil {
			t.Fatal(err)
		}
		return *out.GrantToken
	}
	one, two := made(), made()
	ofOne, ofTwo := token(one), token(two)
	for range 2 {
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &one, Plaintext: []byte("x"), GrantTokens: []string{ofOne, token(one)}})
		if err != nil {
			t.Fatal(err)
		}
		use := map[string]func(tokens ...string) error{
			"Encrypt": func(tokens ...string) error {
				return second(client.Encrypt(ctx, &kms.EncryptInput{KeyId: &one, Plaintext: []byte("x"), GrantTokens: tokens}))
			},
			"Decrypt": func(tokens ...string) error {
				return second(client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, GrantTokens: tokens}))
			},
			"GenerateDataKey": func(tokens ...string) error {
				return second(client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &one, KeySpec: "AES_256", GrantTokens: tokens}))
			},
			"CreateGrant": func(tokens ...string) error {
				return second(client.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &one, GranteePrincipal: aws.String(rootOf(s.Account)),
					Operations: []types.GrantOperation{"Decrypt"}, GrantTokens: tokens}))
			},
		}
		for name, f := range use {
			if err := f(ofOne); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, tokens := range [][]string{{ofTwo}, {ofOne, ofTwo}, {"x"}, {ofOne[1:]}, {ofOne + "A"}, {ofOne, strings.ToLower(ofOne)}} {
				wantError(t, f(tokens...), "InvalidGrantTokenException", "")
			}
		}
		// ReEncrypt works on two keys.
		re := func(tokens ...string) error {
			return second(client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: &two, GrantTokens: tokens}))
		}
		if err := re(ofOne, ofTwo); err != nil {
			t.Error(err)
		}
		wantError(t, re(ofOne, ofTwo, "x"), "InvalidGrantTokenException", "")
		// DescribeKey takes tokens without an exception for bad ones.
		if _, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &one, GrantTokens: []string{"x", ofTwo}}); err != nil {
			t.Error(err)
		}
		// What ranks after the key is found comes after a token of another key, and the key before it.
		absent := absentID
		_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &absent, Plaintext: []byte("x"), GrantTokens: []string{ofTwo}})
		wantError(t, err, "NotFoundException", "Key 'arn:aws:kms:us-east-1:"+s.Account+":key/"+absentID+"' does not exist")
		if _, err := s.In("eu-west-1").RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: &ofOne}); codeOf(err) != "InvalidGrantTokenException" {
			t.Errorf("in another Region: %v", err)
		}
		s.Restart(t)
		client = s.KMS()
	}
	if _, err := client.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: &ofOne}); err != nil {
		t.Errorf("after restarts: %v", err)
	}
}
