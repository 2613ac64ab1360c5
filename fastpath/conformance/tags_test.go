package conformance_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func tag(k, v string) types.Tag { return types.Tag{TagKey: &k, TagValue: &v} }

// tagsOf lists all tags of a key in pages of limit.
func tagsOf(t *testing.T, id string, limit int32) map[string]string {
	t.Helper()
	all := map[string]string{}
	pages := kms.NewListResourceTagsPaginator(at.KMS(), &kms.ListResourceTagsInput{KeyId: &id, Limit: &limit})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Tags) > int(limit) || page.Truncated != (page.NextMarker != nil) {
			t.Fatalf("page of %d tags, truncated %v, marker %v", len(page.Tags), page.Truncated, page.NextMarker)
		}
		for _, g := range page.Tags {
			if _, twice := all[*g.TagKey]; twice {
				t.Errorf("tag %q is listed twice", *g.TagKey)
			}
			all[*g.TagKey] = *g.TagValue
		}
	}
	return all
}

func TestTags(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newKey(t, &kms.CreateKeyInput{Tags: []types.Tag{tag("a", "1"), tag("b", "")}})
	if _, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.arn, Tags: []types.Tag{tag("a", "2"), tag(long(128), long(256)), tag("ä/=+:@ ", "ü")}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "2", "b": "", long(128): long(256), "ä/=+:@ ": "ü"}
	for _, limit := range []int32{1, 3, 50} {
		if got := tagsOf(t, k.id, limit); !maps.Equal(got, want) {
			t.Errorf("tags %v", got)
		}
	}
	if _, err := client.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &k.id, TagKeys: []string{"a", "absent"}}); err != nil {
		t.Fatal(err)
	}
	delete(want, "a")
	if got := tagsOf(t, k.id, 50); !maps.Equal(got, want) {
		t.Errorf("tags %v", got)
	}
}

func TestTagLimits(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	var fifty []types.Tag
	for i := range 50 {
		fifty = append(fifty, tag(fmt.Sprintf("k%02d", i), "v"))
	}
	if _, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: fifty}); err != nil {
		t.Fatal(err)
	}
	if got := tagsOf(t, k.id, 50); len(got) != 50 {
		t.Errorf("%d tags", len(got))
	}
	if got := tagsOf(t, k.id, 7); len(got) != 50 {
		t.Errorf("%d tags in pages of 7", len(got))
	}
	_, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{tag("one more", "")}})
	wantError(t, err, "TagException", "Too many tags")
	if _, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{tag("k00", "other")}}); err != nil {
		t.Errorf("overwriting at the limit: %v", err)
	}
}

func TestTagRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	for name, c := range map[string]struct {
		tags          []types.Tag
		code, message string
	}{
		"reserved":     {[]types.Tag{tag("aws:x", "")}, "TagException", "Tags beginning with aws: are reserved"},
		"any case":     {[]types.Tag{tag("AWS:x", "")}, "TagException", "Tags beginning with aws: are reserved"},
		"duplicate":    {[]types.Tag{tag("a", "1"), tag("a", "1")}, "TagException", "Duplicate tag keys"},
		"empty key":    {[]types.Tag{tag("", "1")}, "ValidationException", validation("'' ", "tags.1.member.tagKey", "have length greater than or equal to 1")},
		"second's key": {[]types.Tag{tag("a", "1"), tag(long(129), "")}, "ValidationException", validation("'"+long(129)+"' ", "tags.2.member.tagKey", "have length less than or equal to 128")},
		"value":        {[]types.Tag{tag("a", long(257))}, "ValidationException", validation("'"+long(257)+"' ", "tags.1.member.tagValue", "have length less than or equal to 256")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: c.tags})
			wantError(t, err, c.code, c.message)
		})
	}
	_, err := client.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &k.id, TagKeys: []string{"aws:x"}})
	wantError(t, err, "TagException", "Tags beginning with aws: are reserved")
	_, err = client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id, Marker: aws.String("x")})
	wantError(t, err, "InvalidMarkerException", "")
	if got := tagsOf(t, k.id, 50); len(got) != 0 {
		t.Errorf("refused tags were kept: %v", got)
	}
}
