package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// KeyError is a set of given keys that a workload cannot run on.
type KeyError struct {
	Group       string // of the workload's keys; "" where a key itself is at fault
	Spec, Usage string // that the group wants
	Key         string // as given
	Reason      string
}

func (e *KeyError) Error() string {
	if e.Group == "" {
		return fmt.Sprintf("key %s cannot be used: %s", e.Key, e.Reason)
	}
	return fmt.Sprintf("none of the given keys is for group %s, which wants %s for %s", e.Group, e.Spec, e.Usage)
}

// description is what DescribeKey tells of a key.
type description struct {
	KeyMetadata struct{ KeyId, Arn, KeySpec, KeyUsage, KeyState string }
}

// useKeys looks the given keys up and shares them out over the groups by spec and usage. A group with more keys than there are
// uses them in turn.
func (p *Provisioned) useKeys(ctx context.Context, given []string) error {
	fitting := make([][]string, len(p.workload.Keys))
	for _, key := range given {
		body, err := json.Marshal(map[string]string{"KeyId": key})
		if err != nil {
			return fmt.Errorf("encoding DescribeKey: %w", err)
		}
		var d description
		if err := p.request(ctx, "DescribeKey", body, &d); err != nil {
			return err
		}
		m := &d.KeyMetadata
		if m.KeyState != "Enabled" {
			return &KeyError{Key: key, Reason: "its state is " + m.KeyState}
		}
		id := m.KeyId
		if strings.HasPrefix(key, "arn:") {
			id = m.Arn // of another account or Region, perhaps
		}
		used := false
		for i := range p.workload.Keys {
			if g := &p.workload.Keys[i]; g.Spec == m.KeySpec && g.Usage == m.KeyUsage {
				fitting[i] = append(fitting[i], id)
				used = true
			}
		}
		if !used {
			return &KeyError{Key: key, Reason: fmt.Sprintf("it is %s for %s, which workload %s does not use", m.KeySpec, m.KeyUsage, p.workload.Name)}
		}
	}
	for i := range p.workload.Keys {
		g := &p.workload.Keys[i]
		if len(fitting[i]) == 0 {
			return &KeyError{Group: g.Name, Spec: g.Spec, Usage: g.Usage}
		}
		for k := range p.keys[i] {
			p.keys[i][k] = fitting[i][k%len(fitting[i])]
		}
	}
	return nil
}
