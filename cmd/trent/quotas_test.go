package main

import (
	"strings"
	"testing"

	"trent/fastpath/quota"
)

func TestResourceQuotaSettings(t *testing.T) {
	t.Parallel()
	want := func(base quota.Resources, r quota.Resource, n int) quota.Resources { base[r] = n; return base }
	for name, c := range map[string]struct {
		file string
		args []string
		want quota.Resources
	}{
		"nothing":                {"", nil, quota.Default()},
		"file, a word":           {"resource_quotas: aws\n", nil, quota.AWS()},
		"file, off":              {"resource_quotas: off\n", nil, quota.Off()},
		"file, a word with more": {"resource_quotas: aws,keys=3\n", nil, want(quota.AWS(), quota.Keys, 3)},
		"file, a map":            {"resource_quotas: {keys: 3}\n", nil, want(quota.Default(), quota.Keys, 3)},
		"file, a map on aws":     {"resource_quotas:\n  base: aws\n  tags_per_key: off\n", nil, want(quota.AWS(), quota.TagsPerKey, quota.Unlimited)},
		"flag":                   {"", []string{"--resource-quotas", "aws,keys=3"}, want(quota.AWS(), quota.Keys, 3)},
		"flag over file":         {"resource_quotas: {keys: 3}\n", []string{"--resource-quotas", "off"}, quota.Off()},
		"file without the flag":  {"resource_quotas: {keys: 3}\n", []string{"--workers", "9"}, want(quota.Default(), quota.Keys, 3)},
	} {
		s, err := load(t, c.file, c.args...)
		if err != nil || s.ResourceQuotas.Resources != c.want {
			t.Errorf("%s: %v, %v", name, s.ResourceQuotas.Resources, err)
		}
	}
	for _, file := range []string{"resource_quotas: on\n", "resource_quotas: {keys: 0}\n", "resource_quotas: {key: 3}\n", "resource_quotas: {base: on}\n", "resource_quotas: [aws]\n", "resource_quotas: {keys: x}\n"} {
		if _, err := load(t, file); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "config file") {
			t.Errorf("%q: %v", file, err)
		}
	}
}
