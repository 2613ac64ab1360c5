package identity

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
)

// ErrUnknown is wrapped where what should be changed or shown is not there.
var ErrUnknown = errors.New("there is none of this name")

// change makes a change and its generations from what there is, which it must not touch.
type change struct {
	d           *Directory
	changed     map[ref]*entity // nil: deleted
	generations map[ref]int
}

// commit builds, keeps and puts in force what a change asks for, all or nothing. The caller holds mu.
func (c *change) commit(ctx context.Context) error {
	d := c.d
	if len(c.changed) == 0 {
		return nil
	}
	all := maps.Clone(d.entities)
	for key, e := range c.changed {
		if e == nil {
			delete(all, key)
		} else {
			all[key] = e
		}
	}
	snapshot, err := d.build(all)
	if err != nil {
		return err
	}
	if err := d.persist(ctx, c.changed, c.generations); err != nil {
		return err
	}
	for key, e := range c.changed {
		if e == nil {
			d.gone[key] = c.generations[key]
			d.options.Logf("principals: %s was deleted", key)
			continue
		}
		delete(d.gone, key)
		e.path = runTimePath(e.ref)
		d.options.Logf("principals: %s was declared", e.ref)
	}
	d.entities = all
	d.now.Store(snapshot)
	return nil
}

func (d *Directory) change() *change {
	return &change{d: d, changed: map[ref]*entity{}, generations: map[ref]int{}}
}

// put adds or replaces an entity; one that stays as it is makes no change.
func (c *change) put(e *entity) {
	key := e.fold()
	old := c.d.entities[key]
	e.admin, e.generation = true, c.d.gone[key]
	if old != nil {
		e.generation = old.generation
		if bytes.Equal(encode(old.spec), encode(e.spec)) {
			return
		}
	}
	c.changed[key], c.generations[key] = e, e.generation
}

// remove deletes an entity that is there. The next of its name has another unique id.
func (c *change) remove(key ref) {
	c.changed[key], c.generations[key] = nil, c.d.entities[key].generation+1
}

// Apply adds what a configuration declares, with its files read, or replaces what is there of the same names; all else
// stays. It is all or nothing: durable and in force for every request that begins after it returns. Access keys stay where
// a user or account says nothing of them, and keep their secrets where it gives ids alone. An account that says nothing
// but what is in it stays as it is. Errors: *ConfigError, the store's.
func (d *Directory) Apply(ctx context.Context, declared Config) error {
	if len(declared.Credentials) > 0 {
		return wrong("credentials", "the short form is for the config file only; declare a user with access_keys under accounts")
	}
	entities, err := declared.entities()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.change()
	for key, e := range entities {
		old := d.entities[key]
		if own, ok := e.spec.(*AccountConfig); ok && old != nil && own.saysNothing() {
			continue
		}
		keepKeys(e.spec, old)
		c.put(e)
	}
	return c.commit(ctx)
}

// saysNothing tells whether an account's own entity has only its name.
func (a *AccountConfig) saysNothing() bool {
	return a.Organization == nil && a.ServiceControlPolicies == nil && a.ResourceControlPolicies == nil && a.AccessKeys == nil
}

// keepKeys completes what a spec leaves out of access keys by what there is.
func keepKeys(spec any, old *entity) {
	if old == nil {
		return
	}
	switch spec := spec.(type) {
	case *UserConfig:
		spec.AccessKeys = keptKeys(spec.AccessKeys, old.spec.(*UserConfig).AccessKeys)
	case *AccountConfig:
		spec.AccessKeys = keptKeys(spec.AccessKeys, old.spec.(*AccountConfig).AccessKeys)
	case *ServiceCredentialConfig:
		if spec.Secret == "" {
			spec.Secret = old.spec.(*ServiceCredentialConfig).Secret
		}
	}
}

func keptKeys(keys, old []AccessKeyConfig) []AccessKeyConfig {
	if keys == nil {
		return old
	}
	keys = slices.Clone(keys)
	for i := range keys {
		if keys[i].Secret != "" {
			continue
		}
		for _, o := range old {
			if o.ID == keys[i].ID {
				keys[i].Secret = o.Secret
			}
		}
	}
	return keys
}

// Delete deletes what a name means, an account with all that is in it. Policies have neither partition nor account,
// service credentials no account, accounts no name. Errors: *ConfigError where others need it, ErrUnknown, the store's.
func (d *Directory) Delete(ctx context.Context, kind, partition, account, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.change()
	key := ref{kind, partition, account, name}.fold()
	if d.entities[key] != nil {
		c.remove(key)
	}
	if kind == kindAccount {
		for other := range d.entities {
			if other.in() == key.in() && other.account != "" {
				c.remove(other)
			}
		}
	}
	if len(c.changed) == 0 {
		return ErrUnknown
	}
	return c.commit(ctx)
}

// maxKeysPerUser is how many access keys a user may make (IAM User Guide, "IAM and AWS STS quotas").
const maxKeysPerUser = 2

// CreateAccessKey gives a user another access key, whose secret nothing tells again. Errors: *ConfigError, ErrUnknown, the
// store's.
func (d *Directory) CreateAccessKey(ctx context.Context, partition, account, user string) (AccessKeyConfig, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.entities[ref{kindUser, partition, account, user}.fold()]
	if old == nil {
		return AccessKeyConfig{}, ErrUnknown
	}
	spec := *old.spec.(*UserConfig)
	if len(spec.AccessKeys) >= maxKeysPerUser {
		return AccessKeyConfig{}, wrong("", "user %s has %d access keys, and no more than %d: delete one first", spec.Name, len(spec.AccessKeys), maxKeysPerUser)
	}
	id, secret := NewAccessKey(LongTermKey, account)
	made := AccessKeyConfig{ID: id, Secret: SecretText(secret)}
	spec.AccessKeys = append(slices.Clone(spec.AccessKeys), made)
	c := d.change()
	c.put(&entity{ref: old.ref, spec: &spec, path: old.path})
	return made, c.commit(ctx)
}

// DeleteAccessKey takes an access key of a user, an account's root or a service away. Errors: ErrUnknown, the store's.
func (d *Directory) DeleteAccessKey(ctx context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.change()
	without := func(keys []AccessKeyConfig) ([]AccessKeyConfig, bool) {
		rest := slices.DeleteFunc(slices.Clone(keys), func(k AccessKeyConfig) bool { return k.ID == id })
		return rest, len(rest) < len(keys)
	}
	for key, e := range d.entities {
		switch spec := e.spec.(type) {
		case *UserConfig:
			if rest, ok := without(spec.AccessKeys); ok {
				next := *spec
				next.AccessKeys = rest
				c.put(&entity{ref: e.ref, spec: &next, path: e.path})
			}
		case *AccountConfig:
			if rest, ok := without(spec.AccessKeys); ok {
				next := *spec
				next.AccessKeys = rest
				c.put(&entity{ref: e.ref, spec: &next, path: e.path})
			}
		case *ServiceCredentialConfig:
			if spec.ID == id {
				c.remove(key)
			}
		}
	}
	if len(c.changed) == 0 {
		return ErrUnknown
	}
	return c.commit(ctx)
}
