package identity

import (
	"maps"
	"slices"
	"strings"
	"time"

	"trent/fastpath/authz"
)

// builder makes snapshots of entities.
type builder struct {
	compiler
	snapshot *Snapshot
}

// build makes a snapshot of everything. Errors: *ConfigError, the first that is wrong in the order of names.
func build(all map[ref]*entity, short []CredentialConfig, account string, now time.Time) (*Snapshot, error) {
	b := &builder{
		compiler: compiler{known: map[compiledKey]*authz.Compiled{}, named: map[string]*Document{}},
		snapshot: &Snapshot{
			accounts: map[accountKey]*Account{}, credentials: map[string]*Credential{},
			byUniqueID: map[string]string{}, loose: map[string]*looseCaller{},
		},
	}
	byAccount := map[accountKey][]*entity{}
	var services []*entity
	for _, e := range sortedEntities(all) {
		switch e.kind {
		case kindPolicy:
			b.named[e.name] = e.spec.(*Document)
		case kindService:
			services = append(services, e)
		default:
			byAccount[e.in()] = append(byAccount[e.in()], e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.named)) {
		if err := b.checkShared(all[ref{kind: kindPolicy, name: name}]); err != nil {
			return nil, err
		}
	}
	for key, entities := range byAccount {
		a, err := b.account(key, entities)
		if err != nil {
			return nil, err
		}
		b.snapshot.accounts[key] = a
	}
	for _, e := range services {
		if err := b.service(e); err != nil {
			return nil, err
		}
	}
	b.snapshot.named = b.named
	return b.snapshot, b.short(short, account, now)
}

func sortedEntities(all map[ref]*entity) []*entity {
	return slices.SortedFunc(maps.Values(all), func(x, y *entity) int {
		return strings.Compare(x.kind+"\x00"+x.partition+"\x00"+x.account+"\x00"+x.name, y.kind+"\x00"+y.partition+"\x00"+y.account+"\x00"+y.name)
	})
}

// checkShared checks a shared policy by the grammar that it keeps to: with principals it can be a resource control
// policy, without one of an identity.
func (b *builder) checkShared(e *entity) error {
	d := e.spec.(*Document)
	if d.Text == "" {
		return d.wrong(e.path, "a shared policy is a document, not another name")
	}
	if !namePattern.MatchString(e.name) || len(e.name) > 128 {
		return d.wrong(e.path, "the name of a policy has 1 to 128 letters, digits or _+=,.@-")
	}
	kind := authz.KindIdentity
	if strings.Contains(d.Text, `"Principal"`) {
		kind = authz.KindResourceControl
	}
	_, err := b.compile(kind, e.path, d)
	return err
}

// account builds an account of its entities.
func (b *builder) account(key accountKey, entities []*entity) (*Account, error) {
	a := &Account{
		Partition: key.partition, ID: key.id, users: map[string]*User{}, groups: map[string]*Group{},
		roles: map[string]*Role{}, providers: map[string]*Provider{},
	}
	// The account first, then groups, which users need.
	for _, kind := range [...]string{kindAccount, kindGroup, kindProvider, kindUser, kindRole} {
		for _, e := range entities {
			if e.kind != kind {
				continue
			}
			if err := b.add(a, e); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

func (b *builder) add(a *Account, e *entity) error {
	switch spec := e.spec.(type) {
	case *AccountConfig:
		return b.own(a, e.path, spec)
	case *GroupConfig:
		return b.group(a, e, spec)
	case *ProviderConfig:
		return provider(a, e.path, spec)
	case *UserConfig:
		return b.user(a, e, spec)
	default:
		return b.role(a, e, e.spec.(*RoleConfig))
	}
}

// own builds what is an account's own.
func (b *builder) own(a *Account, path string, c *AccountConfig) (err error) {
	if err := checkAccount(path, c); err != nil {
		return err
	}
	a.declared = true
	if o := c.Organization; o != nil {
		a.Organization = Organization{ID: o.ID, Paths: slices.Clone(o.Paths), Management: o.Management}
		for i, p := range a.Organization.Paths {
			a.Organization.Paths[i] = strings.TrimSuffix(p, "/") + "/"
		}
	}
	if a.ServiceControl, err = b.levels(authz.KindServiceControl, path+".service_control_policies", c.ServiceControlPolicies); err != nil {
		return err
	}
	if a.ResourceControl, err = b.levels(authz.KindResourceControl, path+".resource_control_policies", c.ResourceControlPolicies); err != nil {
		return err
	}
	for i := range c.AccessKeys {
		k := &c.AccessKeys[i]
		if err := b.key(path+".access_keys"+indexed(i), k, a.Root(k.ID, nil)); err != nil {
			return err
		}
	}
	return nil
}

// key adds a long-term access key.
func (b *builder) key(path string, k *AccessKeyConfig, p *Principal) error {
	if err := checkKey(path, k); err != nil {
		return err
	}
	return b.credential(path, &Credential{AccessKeyID: k.ID, Secret: Secret(k.Secret), Principal: *p})
}

func (b *builder) credential(path string, c *Credential) error {
	if b.snapshot.credentials[c.AccessKeyID] != nil {
		return wrong(path, "the access key id %s is given twice", c.AccessKeyID)
	}
	b.snapshot.credentials[c.AccessKeyID] = c
	return nil
}

// identify gives a principal its unique id.
func (b *builder) identify(e *entity, prefix, given, path, arn string) (string, error) {
	id := given
	if err := checkUniqueID(e.path, prefix, given); err != nil {
		return "", err
	}
	if id == "" {
		id = uniqueID(prefix, e.partition, e.account, path, e.name, e.generation)
	}
	if other := b.snapshot.byUniqueID[id]; other != "" {
		return "", wrong(e.path+".unique_id", "%s is the unique id of %s", id, other)
	}
	b.snapshot.byUniqueID[id] = arn
	return id, nil
}

func pathOr(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

func (b *builder) group(a *Account, e *entity, c *GroupConfig) (err error) {
	if err := checkName(e.path, "group", c.Name, maxGroupName); err != nil {
		return err
	}
	if err := checkPath(e.path, c.Path); err != nil {
		return err
	}
	g := &Group{Name: c.Name, Path: pathOr(c.Path)}
	g.ARN = arn(a.Partition, "iam", a.ID, "group"+g.Path+g.Name)
	if g.UniqueID, err = b.identify(e, groupPrefix, c.UniqueID, g.Path, g.ARN); err != nil {
		return err
	}
	g.policies, err = b.all(authz.KindIdentity, e.path+".policies", c.Policies)
	a.groups[c.Name] = g
	return err
}

func (b *builder) user(a *Account, e *entity, c *UserConfig) (err error) {
	if err := checkName(e.path, "user", c.Name, maxUserName); err != nil {
		return err
	}
	if err := checkPath(e.path, c.Path); err != nil {
		return err
	}
	u := &User{Account: a, Name: c.Name, Path: pathOr(c.Path), Groups: c.Groups}
	u.ARN = arn(a.Partition, "iam", a.ID, "user"+u.Path+u.Name)
	if u.UniqueID, err = b.identify(e, userPrefix, c.UniqueID, u.Path, u.ARN); err != nil {
		return err
	}
	caller := a.base()
	caller.Type, caller.ARN, caller.ID, caller.UniqueID, caller.UserName = authz.CallerUser, u.ARN, u.UniqueID, u.UniqueID, u.Name
	if caller.Tags, err = tags(e.path, c.Tags); err != nil {
		return err
	}
	if err := b.attached(&caller.Policies, e.path, c.Policies, c.Boundary); err != nil {
		return err
	}
	for i, name := range c.Groups {
		g := a.groups[name]
		if g == nil {
			return wrong(e.path+".groups"+indexed(i), "there is no group %q in account %s", name, a.ID)
		}
		caller.Policies.Identity = append(caller.Policies.Identity, g.policies...)
	}
	u.caller = caller
	a.users[c.Name] = u
	for i := range c.AccessKeys {
		k := &c.AccessKeys[i]
		u.AccessKeyIDs = append(u.AccessKeyIDs, k.ID)
		if err := b.key(e.path+".access_keys"+indexed(i), k, u.Principal(k.ID)); err != nil {
			return err
		}
	}
	return nil
}

// attached compiles what is attached to a user or role itself.
func (b *builder) attached(into *authz.Policies, path string, policies []Document, boundary *Document) (err error) {
	if into.Identity, err = b.all(authz.KindIdentity, path+".policies", policies); err != nil {
		return err
	}
	if boundary != nil {
		into.Boundary, err = b.compile(authz.KindBoundary, path+".permissions_boundary", boundary)
	}
	return err
}

// serviceLinked begins the paths of roles that only services assume. Service control policies do not hold for them
// (AWS Organizations User Guide, "Tasks and entities not restricted by SCPs").
const serviceLinked = "/aws-service-role/"

func (b *builder) role(a *Account, e *entity, c *RoleConfig) (err error) {
	if err := checkName(e.path, "role", c.Name, maxRoleName); err != nil {
		return err
	}
	if err := checkPath(e.path, c.Path); err != nil {
		return err
	}
	if c.MaxSession != 0 && (c.MaxSession < minMaxSession || c.MaxSession > maxMaxSession) {
		return wrong(e.path+".max_session_duration", "a role's sessions last from 1h to 12h at the most")
	}
	r := &Role{Account: a, Name: c.Name, Path: pathOr(c.Path), MaxSession: time.Duration(c.MaxSession) * time.Second}
	if r.MaxSession == 0 {
		r.MaxSession = time.Hour
	}
	r.ARN = arn(a.Partition, "iam", a.ID, "role"+r.Path+r.Name)
	if r.UniqueID, err = b.identify(e, rolePrefix, c.UniqueID, r.Path, r.ARN); err != nil {
		return err
	}
	caller := a.base()
	caller.Type, caller.Role, caller.UniqueID = authz.CallerAssumedRole, r.ARN, r.UniqueID
	if strings.HasPrefix(r.Path, serviceLinked) {
		caller.Policies.ServiceControl = nil
	}
	if caller.Tags, err = tags(e.path, c.Tags); err != nil {
		return err
	}
	r.Tags = caller.Tags
	if err := b.attached(&caller.Policies, e.path, c.Policies, c.Boundary); err != nil {
		return err
	}
	if c.Trust != nil {
		if r.Trust, err = b.compile(authz.KindTrust, e.path+".trust_policy", c.Trust); err != nil {
			return err
		}
	}
	r.caller = caller
	a.roles[c.Name] = r
	return nil
}

func provider(a *Account, path string, c *ProviderConfig) error {
	if !issuerPattern.MatchString(c.URL) {
		return wrong(path+".url", "an issuer is https:// and a host, with a path or without, not %q", c.URL)
	}
	if c.Keys.Text == "" {
		return c.Keys.wrong(path+".keys", "the issuer's keys are a JSON Web Key Set: {keys: [...]}, or file:PATH of one")
	}
	issuer := issuerOf(c.URL)
	a.providers[issuer] = &Provider{
		URL: c.URL, Issuer: issuer, ARN: arn(a.Partition, "iam", a.ID, "oidc-provider/"+issuer), ClientIDs: c.ClientIDs,
		Keys: []byte(c.Keys.Text),
	}
	return nil
}

func (b *builder) service(e *entity) error {
	c := e.spec.(*ServiceCredentialConfig)
	if !authz.ServiceName(c.Service) {
		return wrong(e.path+".service", "a service principal is a name such as s3.amazonaws.com, not %q", c.Service)
	}
	if !partitionPattern.MatchString(e.partition) {
		return wrong(e.path+".partition", "unknown partition %q (aws, aws-cn, aws-us-gov)", e.partition)
	}
	k := AccessKeyConfig{ID: c.ID, Secret: c.Secret}
	if err := checkKey(e.path, &k); err != nil {
		return err
	}
	return b.credential(e.path, &Credential{
		AccessKeyID: c.ID, Secret: Secret(c.Secret), Principal: *ServicePrincipal(e.partition, c.Service), Service: c.Service,
	})
}
