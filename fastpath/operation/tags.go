package operation

import (
	"context"
	"slices"
	"sort"
	"strings"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

func tagResource(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.TagResourceRequest)
	if err := checkState(describing, c.Key.Snapshot.State, c.Key.Snapshot.ARN); err != nil {
		return err
	}
	added, err := s.newTags(r.Tags)
	if err != nil {
		return err
	}
	return keyGone(c, s.keys.EditTags(ctx, c.Key.Snapshot.ID, func(tags []keyring.Tag) ([]keyring.Tag, error) {
		tags = slices.Clone(tags)
		for _, tag := range added {
			if i := slices.IndexFunc(tags, func(t keyring.Tag) bool { return t.Key == tag.Key }); i >= 0 {
				tags[i].Value = tag.Value
			} else {
				tags = append(tags, tag)
			}
		}
		if len(tags) > s.limits.TagsPerKey {
			return nil, wire.Errorf(wire.CodeTagException, "Too many tags")
		}
		return tags, nil
	}))
}

func untagResource(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UntagResourceRequest)
	if err := checkState(describing, c.Key.Snapshot.State, c.Key.Snapshot.ARN); err != nil {
		return err
	}
	removed := make([]string, len(r.TagKeys))
	for i, key := range r.TagKeys {
		if removed[i] = string(key); reservedTag(removed[i]) {
			return wire.Errorf(wire.CodeTagException, "Tags beginning with aws: are reserved")
		}
	}
	return keyGone(c, s.keys.EditTags(ctx, c.Key.Snapshot.ID, func(tags []keyring.Tag) ([]keyring.Tag, error) {
		return slices.DeleteFunc(slices.Clone(tags), func(t keyring.Tag) bool { return slices.Contains(removed, t.Key) }), nil
	}))
}

func listResourceTags(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListResourceTagsRequest)
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	tags, err := s.keys.Tags(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	tags = slices.Clone(tags)
	sort.Slice(tags, func(i, j int) bool { return tags[i].Key < tags[j].Key })
	if after != "" {
		tags = slices.DeleteFunc(tags, func(t keyring.Tag) bool { return t.Key <= after })
	}
	limit := pageSize(r.Limit, r.HasLimit(), 50, 50)
	more := len(tags) > limit
	if more {
		tags = tags[:limit]
	}
	resp := &wire.ListResourceTagsResponse{Tags: make([]wire.ResponseTag, len(tags)), Truncated: wire.Some(more)}
	for i, t := range tags {
		resp.Tags[i] = wire.ResponseTag{TagKey: t.Key, TagValue: t.Value}
	}
	if more {
		resp.NextMarker = sealMarker(tags[len(tags)-1].Key, c)
	}
	c.Response = resp
	return nil
}

// newTags checks the tags of one request: count, duplicates and the reserved prefix.
func (s *Service) newTags(tags []wire.Tag) ([]keyring.Tag, error) {
	if len(tags) > s.limits.TagsPerKey {
		return nil, wire.Errorf(wire.CodeTagException, "Too many tags")
	}
	all := make([]keyring.Tag, len(tags))
	seen := make(map[string]bool, len(tags))
	for i, t := range tags {
		all[i] = keyring.Tag{Key: string(t.TagKey), Value: string(t.TagValue)}
		switch key := all[i].Key; {
		case reservedTag(key):
			return nil, wire.Errorf(wire.CodeTagException, "Tags beginning with aws: are reserved")
		case seen[key]:
			return nil, wire.Errorf(wire.CodeTagException, "Duplicate tag keys")
		default:
			seen[key] = true
		}
	}
	return all, nil
}

// reservedTag finds the prefix that is the service's own, in any letter case.
func reservedTag(key string) bool {
	return len(key) >= 4 && strings.EqualFold(key[:4], "aws:")
}
