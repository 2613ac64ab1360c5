package identity

import (
	"crypto/sha256"

	"trent/fastpath/authz"
)

// compiler compiles policies; those of the same kind and text share one compiled form. Not safe for concurrent use.
type compiler struct {
	known map[compiledKey]*authz.Compiled
	named map[string]*Document // shared policies
}

type compiledKey struct {
	kind authz.Kind
	hash [sha256.Size]byte
}

// compile compiles the policy at path. Errors: *ConfigError.
func (c *compiler) compile(kind authz.Kind, path string, d *Document) (*authz.Compiled, error) {
	text := []byte(d.Text)
	if d.Name != "" {
		found, err := c.find(path, d)
		if err != nil {
			return nil, err
		}
		text = []byte(found)
	}
	key := compiledKey{kind, sha256.Sum256(text)}
	if compiled := c.known[key]; compiled != nil {
		return compiled, nil
	}
	p, err := parsePolicy(kind, text)
	if err != nil {
		return nil, d.refused(path, err)
	}
	compiled := authz.Compile(kind, text, p)
	c.known[key] = compiled
	return compiled, nil
}

// find is the text of a named policy: a shared one, else AWS's own.
func (c *compiler) find(path string, d *Document) (string, error) {
	name := policyName(d.Name)
	if shared := c.named[name]; shared != nil {
		return shared.Text, nil
	}
	if text, ok := managedPolicies[name]; ok {
		return text, nil
	}
	return "", d.wrong(path, "there is no policy %q: neither under policies nor an AWS managed one that is known here (%s)", d.Name, managedNames())
}

func (c *compiler) all(kind authz.Kind, path string, ds []Document) ([]*authz.Compiled, error) {
	var out []*authz.Compiled
	err := eachDocument(path, ds, func(path string, d *Document) error {
		compiled, err := c.compile(kind, path, d)
		out = append(out, compiled)
		return err
	})
	return out, err
}

func (c *compiler) levels(kind authz.Kind, path string, levels [][]Document) ([][]*authz.Compiled, error) {
	var out [][]*authz.Compiled
	for i, level := range levels {
		compiled, err := c.all(kind, path+indexed(i), level)
		if err != nil {
			return nil, err
		}
		out = append(out, compiled)
	}
	return out, nil
}

// parsePolicy reads a policy by its kind's grammar.
func parsePolicy(kind authz.Kind, text []byte) (*authz.Policy, error) {
	return authz.Parse(kind, text)
}
